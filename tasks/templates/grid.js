// The grid: contents down, styles across, originals at the heads, failures in their places.

const grid = (() => {
  const section = byId('grid');

  // Works by content and style; several recipes share a cell.
  function cells(works) {
    const found = new Map();
    for (const work of works) {
      const place = `${work.content}/${work.style}`;
      found.set(place, [...(found.get(place) ?? []), work]);
    }
    return found;
  }

  function head(original, sizes, scope) {
    const shown = original.pictures ? original.pictures.slice(0, 3) : [original];
    return make('th', { scope },
      make('div', { class: 'originals' }, shown.map((picture) => imageOf(picture.thumbnail, sizes, ''))),
      make('span', {}, original.name));
  }

  function cell(works, several) {
    return make('td', {}, works.map((work) => {
      const label = several ? make('span', { class: 'small' }, work.recipe_name) : null;
      if (work.state === 'failed') {
        return make('a', { class: 'failed', href: addressTo('wall'), 'data-failure': data.failures.indexOf(work), title: work.message },
          make('strong', {}, 'Not painted'), make('span', {}, work.message), label);
      }
      return make('a', { href: addressOf(work) }, imageOf(work.thumbnail, '200px', nameOf(work)),
        work.state === 'finished' ? null : make('mark', {}, work.state), label);
    }));
  }

  function render() {
    const works = [...hung(), ...data.failures.filter(isChosen)];
    if (!works.length) {
      section.replaceChildren(make('p', { class: 'nothing' }, 'No picture is like that.'));
      return;
    }
    const found = cells(works);
    const order = (numbers) => [...new Set(numbers)].sort((a, b) => (a ?? -1) - (b ?? -1));
    const rows = order(works.map((work) => work.content));
    const columns = order(works.map((work) => work.style));
    const several = new Set(works.map((work) => work.recipe_name)).size > 1;
    const none = (what) => ({ name: `without a ${what}`, pictures: [] });
    section.replaceChildren(make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Contents by styles' },
      make('table', {},
        make('caption', { class: 'visually-hidden' }, 'Contents down, styles across'),
        make('thead', {}, make('tr', {}, make('td', { class: 'corner' }),
          columns.map((style) => head(style === null ? none('style') : data.styles[style], '160px', 'col')))),
        make('tbody', {}, rows.map((content) => make('tr', {},
          head(content === null ? none('content') : data.contents[content], '160px', 'row'),
          columns.map((style) => cell(found.get(`${content}/${style}`) ?? [], several))))))));
  }

  // A failed cell leads to what is said of it at the foot of the page.
  section.addEventListener('click', (event) => {
    const link = event.target.closest('[data-failure]');
    if (!link) return;
    event.preventDefault();
    const told = byId(`failed-${link.dataset.failure}`);
    told.tabIndex = -1;
    told.focus();
    told.scrollIntoView({ block: 'center' });
  });

  return { render };
})();
