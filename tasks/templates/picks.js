// The pictures a curator starred, by pair; kept in this browser, across rebuilds of the page.

const picks = (() => {
  const KEY = 'nst-gallery.picks';
  let kept = read() ?? new Set();

  // What is kept, or null where this browser keeps nothing: picks then last as long as the page.
  function read() {
    try {
      const found = JSON.parse(localStorage.getItem(KEY) ?? '[]');
      return new Set(Array.isArray(found) ? found : []);
    } catch {
      return null;
    }
  }

  function toggle(picture) {
    kept = read() ?? kept; // Another tab may have starred since.
    if (!kept.delete(picture.pair_id)) kept.add(picture.pair_id);
    try {
      localStorage.setItem(KEY, JSON.stringify([...kept]));
    } catch { /* As above. */ }
    say(`${nameOf(picture)} ${has(picture) ? 'picked' : 'put back'}`);
    show();
  }

  const has = (picture) => kept.has(picture.pair_id);
  const all = () => pictures.filter(has);

  // What `nst enlarge OUT --picks FILE` reads.
  function asJson() {
    const rows = all().map(({ collection, pair_id, file, title, after, recipe_name }) => ({
      collection, pair_id, picture: decodeURIComponent(file.slice(2)), content: title, style: after, recipe: recipe_name,
    }));
    return `${JSON.stringify({ schema_version: 1, picks: rows }, null, 1)}\n`;
  }

  function show() {
    const number = all().length;
    byId('picked').textContent = number ? ` ${number}` : '';
    for (const button of document.querySelectorAll('button.star')) {
      const owner = button.closest('[data-number]');
      button.setAttribute('aria-pressed', has(pictures[owner.dataset.number]));
    }
  }

  function render(section) {
    const chosen = all();
    if (!chosen.length) {
      section.replaceChildren(make('p', { class: 'nothing' }, 'Nothing is picked yet. Star a picture, or press ', make('kbd', {}, 's'), ' before it.'));
      return;
    }
    const copyButton = make('button', { type: 'button', class: 'action' }, 'Copy');
    const saveButton = make('button', { type: 'button', class: 'action' }, 'Download picks.json');
    const printButton = make('button', { type: 'button', class: 'action' }, 'Print this sheet');
    copyButton.addEventListener('click', () => copy(asJson(), copyButton));
    saveButton.addEventListener('click', () => download(asJson(), 'picks.json', 'application/json'));
    printButton.addEventListener('click', () => window.print());
    section.replaceChildren(
      make('div', { class: 'picked-head' },
        make('h2', {}, chosen.length === 1 ? 'One pick' : `${chosen.length} picks`),
        make('p', {}, 'Save the list, then paint the picks at print size with ',
          make('code', {}, 'nst enlarge OUT --picks picks.json --size 4096')),
        make('div', { class: 'actions' }, saveButton, copyButton, printButton)),
      make('ol', { class: 'picked' }, chosen.map((picture) => make('li', { 'data-number': picture.number },
        make('a', { href: addressOf(picture) },
          imageOf(picture.thumbnail, '(max-width: 520px) 92vw, 360px', nameOf(picture)),
          make('span', { class: 'title' }, picture.title),
          picture.after ? make('span', { class: 'after' }, 'after ', make('cite', {}, picture.after)) : null),
        make('button', { type: 'button', class: 'star', 'aria-label': `Pick ${nameOf(picture)}`, 'aria-pressed': 'true' })))));
  }

  return { toggle, has, all, asJson, show, render };
})();
