// A picture's own page: the picture, its originals, how its loss fell, how to paint it again.

const picturePage = (() => {
  const section = byId('picture');
  let stage = null, current = null;

  function neighbours(picture) {
    let row = hung();
    if (!row.includes(picture)) row = pictures;
    const place = row.indexOf(picture);
    return { place, count: row.length, previous: row.at(place - 1), next: row[(place + 1) % row.length] };
  }

  function render(picture) {
    close();
    current = picture;
    const content = picture.content === null ? null : data.contents[picture.content];
    const style = picture.style === null ? null : data.styles[picture.style];
    const around = neighbours(picture);
    stage = makeStage(picture, content, { onSwipe: (way) => step(way) });
    const modes = [['look', 'Picture'], content?.thumbnail && ['compare', 'Before / after'], picture.frames.length > 1 && ['emerge', 'How it emerged']].filter(Boolean);
    const modeButtons = modes.map(([mode, text]) => {
      const button = make('button', { type: 'button', class: 'plain', 'data-mode': mode, 'aria-pressed': String(mode === 'look') }, text);
      button.addEventListener('click', () => setMode(mode));
      return button;
    });
    const zoomButtons = [['−', 'Farther', () => stage.zoom(1 / 1.5)], ['+', 'Closer', () => stage.zoom(1.5)], ['Whole', 'Whole picture', () => stage.whole()]].map(([text, label, act]) => {
      const button = make('button', { type: 'button', class: 'plain', 'aria-label': label }, text);
      button.addEventListener('click', act);
      return button;
    });
    section.replaceChildren(make('article', { class: 'plate', 'data-number': picture.number },
      make('nav', { class: 'walk', 'aria-label': 'From picture to picture' },
        make('a', { href: addressTo('wall') }, 'All pictures'),
        make('span', {}, `${around.place + 1} of ${around.count}`),
        make('span', {}, make('a', { href: addressOf(around.previous), rel: 'prev' }, 'Previous'), ' ', make('a', { href: addressOf(around.next), rel: 'next' }, 'Next'))),
      make('div', { class: 'show' }, stage.element, stage.rails,
        make('div', { class: 'stage-tools' }, make('div', {}, modeButtons), make('div', {}, zoomButtons))),
      make('div', { class: 'label' },
        make('h2', { tabindex: '-1' }, picture.title),
        picture.after ? make('p', { class: 'after' }, 'after ', make('cite', {}, picture.after)) : null,
        make('p', { class: 'small' }, [...Object.values(picture.labels).filter((value) => value.length < 60), `${picture.width} × ${picture.height} px`].join(' · ')),
        relatives(picture),
        picture.state === 'draft' ? make('p', { class: 'note' }, make('mark', {}, 'draft'), ' A finer painting of this pair is still to come.') : null,
        picture.degraded.length ? make('p', { class: 'note' }, make('mark', {}, 'degraded'), ` Painted with ${picture.degraded.join(', ')}.`) : null,
        picture.warnings.map((warning) => make('p', { class: 'note' }, warning)),
        make('div', { class: 'actions' },
          make('button', { type: 'button', class: 'star action', 'aria-pressed': String(picks.has(picture)), 'aria-label': `Pick ${nameOf(picture)}` }),
          make('a', { class: 'action', href: picture.file, download: picture.file.split('/').at(-1) }, `Download ${picture.file.split('.').at(-1).toUpperCase()}, ${size(picture.bytes)}`),
          picture.animation ? make('a', { class: 'action', href: picture.animation }, 'Time-lapse') : null,
          picture.video ? make('a', { class: 'action', href: picture.video, download: true }, 'Time-lapse as MP4') : null)),
      make('div', { class: 'sources' }, content ? original('Content', content.name, [content]) : null, style ? original('Style', style.name, style.pictures) : null),
      picture.curves ? make('section', { class: 'part' }, make('h3', {}, 'Loss'), chart(picture.curves),
        make('p', { class: 'small' }, `${amount(picture.first_loss)} at first, ${amount(picture.loss)} as delivered. `, picture.losses ? make('a', { href: picture.losses, download: true }, 'All steps as CSV') : null)) : null,
      recipe(picture), provenance(picture, content, style)));
    document.title = `${nameOf(picture)} · ${document.querySelector('h1').textContent}`;
    section.querySelector('h2').focus({ preventScroll: true });
    for (const near of [around.next, around.previous]) if (near.thumbnail) new Image().src = `./${near.thumbnail.stem}-${near.thumbnail.widths.at(-1)}.webp`;
  }

  // A print names the picture it grew from, and that one its prints.
  function relatives(picture) {
    const link = (other, text) => make('a', { href: addressOf(other) }, text);
    const pixels = (other) => `${other.width} × ${other.height} px`;
    const origin = picture.origin && pictures.find((each) => each.key === picture.origin);
    const prints = pictures.filter((each) => each.origin === picture.key);
    return [
      picture.origin ? make('p', { class: 'note' }, make('mark', {}, 'print'), ' Grown from ', origin ? link(origin, `the picture of ${pixels(origin)}`) : picture.origin.split('/')[1], '.') : null,
      ...prints.map((each) => make('p', { class: 'note' }, 'Also as a ', link(each, `print of ${pixels(each)}`), '.')),
    ];
  }

  function original(what, name, shown) {
    return make('figure', {},
      make('div', { class: 'originals' }, shown.map((each) => imageOf(each.thumbnail, '240px', `${name}, the original`, { eager: true }))),
      make('figcaption', {}, make('span', { class: 'small' }, what), make('cite', {}, name)));
  }

  function recipe(picture) {
    const text = manifestOf(picture);
    const button = make('button', { type: 'button', class: 'action', id: 'copy-yaml' }, 'Copy as YAML');
    button.addEventListener('click', () => copy(text, button));
    return make('section', { class: 'part' }, make('h3', {}, 'Recipe ', make('cite', {}, picture.recipe_name)),
      make('details', {}, make('summary', {}, 'A manifest that paints exactly this picture again'), make('pre', { tabindex: '0' }, text)), button);
  }

  function provenance(picture, content, style) {
    const { network, weights_sha256: weights, algorithm_version: algorithm, product_version: product, ...machine } = data.environments[picture.environment];
    const rows = [
      ['Painted', `${picture.finished.replace('T', ' ').replace('+00:00', ' UTC')}, in ${duration(picture.seconds)}`],
      ['Steps', `${picture.steps}${picture.attempts > 1 ? `, in ${picture.attempts} attempts` : ''}${picture.resumed_at.length ? `, resumed at ${picture.resumed_at.join(', ')}` : ''}`],
      ['Legibility', picture.legibility && `${picture.legibility.reached.toFixed(2)}, by ${amount(picture.legibility.content_factor)} times the recipe’s content weight`],
      ['Content', content && content.location], ['', content && hash(content.sha256)],
      ...(style?.pictures ?? []).flatMap((each) => [['Style', `${each.location}${style.pictures.length > 1 ? `, weight ${each.weight}` : ''}`], ['', hash(each.sha256)]]),
      ['Network', network], ['', hash(weights)],
      ['Software', `nst-gallery ${product}, algorithm ${algorithm}`],
      ['Machine', Object.entries(machine).filter(([name]) => name !== 'nst-gallery').map(([name, value]) => `${name} ${value}`).join(', ')],
      ['Pair', hash(picture.pair_id)], ['File', hash(picture.sha256)],
    ].filter(([, value]) => value);
    return make('section', { class: 'part' }, make('h3', {}, 'Provenance'),
      make('dl', {}, rows.map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value)))),
      picture.credits.map((line) => make('p', { class: 'credit' }, line)),
      make('p', { class: 'small' }, make('a', { href: picture.record }, 'The record')));
  }

  const hash = (digits) => make('code', { class: 'hash' }, digits);

  const size = (bytes) => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

  function setMode(mode) {
    const button = section.querySelector(`[data-mode="${mode}"]:is(button)`);
    if (!button) return;
    stage.setMode(mode);
    for (const each of section.querySelectorAll('button[data-mode]')) each.setAttribute('aria-pressed', each === button);
  }

  function step(way) {
    const around = neighbours(current);
    location.hash = addressOf(way > 0 ? around.next : around.previous);
  }

  function close() {
    stage?.close();
    stage = current = null;
    section.replaceChildren();
  }

  const keys = {
    ArrowRight: () => step(1), ArrowLeft: () => step(-1),
    c: () => setMode(stage.mode === 'compare' ? 'look' : 'compare'),
    '+': () => stage.zoom(1.5), '=': () => stage.zoom(1.5), '-': () => stage.zoom(1 / 1.5), 0: () => stage.whole(),
  };
  return { render, close, keys, get current() { return current; } };
})();
