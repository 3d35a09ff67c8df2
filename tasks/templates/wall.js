// The wall: the list that came with the page, hung in columns of equal width.

const wall = (() => {
  const list = document.querySelector('ul.wall');
  const works = [...list.children];
  const GAP = { wide: 40, narrow: 24 };
  // Height of a label: two lines, and a third where some picture has one; clipped.
  const LABEL = list.querySelector('.small') ? 84 : 64;
  let shown = works;

  function choose() {
    const chosen = hung().map((picture) => works[picture.number]);
    const stays = new Set(chosen);
    for (const work of works) work.hidden = !stays.has(work);
    // The order of the list is the order of the keyboard and of whoever is read to.
    if (chosen.some((work, place) => work !== list.children[place])) list.append(...chosen);
    for (const work of chosen) work.firstElementChild.setAttribute('href', addressOf(pictures[work.dataset.number]));
    shown = chosen;
    byId('nothing').hidden = chosen.length > 0;
    hang();
  }

  function hang() {
    const room = list.clientWidth;
    if (!room) return;
    const gap = room > 600 ? GAP.wide : GAP.narrow;
    const columns = Math.max(1, Math.floor((room + gap) / ((room > 600 ? 270 : 250) + gap)));
    const width = (room - gap * (columns - 1)) / columns;
    const heights = new Array(columns).fill(0);
    list.classList.add('hung');
    list.style.setProperty('--label', `${LABEL}px`);
    for (const work of shown) {
      const { width: wide, height: high } = pictures[work.dataset.number];
      const column = heights.indexOf(Math.min(...heights));
      const height = Math.round(wide ? (width * high) / wide : width * 0.75) + LABEL;
      work.style.width = `${width}px`;
      work.style.height = `${height}px`;
      work.style.transform = `translate(${column * (width + gap)}px, ${heights[column]}px)`;
      heights[column] += height + gap / 2;
    }
    list.style.height = `${Math.max(...heights)}px`;
  }

  new ResizeObserver(hang).observe(list);
  return { choose, hang };
})();
