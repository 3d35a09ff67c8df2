// Where the visitor is: everything stands in the address after '#', so that every view has a link.
//
//   #/wall?movement=Cubism&sort=loss     #/grid     #/picks     #/picture/<collection>/<stem>

const CHOICES = ['q', 'sort', ...Object.keys(data.facets)];

const route = { view: 'wall', key: '', choices: {} };

function readRoute() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const [view, ...rest] = path.split('/');
  route.view = ['wall', 'grid', 'picks', 'picture'].includes(view) ? view : 'wall';
  try {
    route.key = decodeURIComponent(rest.join('/'));
  } catch {
    route.key = ''; // A mangled link leads to the wall.
  }
  const given = new URLSearchParams(query);
  route.choices = {};
  for (const name of CHOICES) if (given.get(name)) route.choices[name] = given.get(name);
}

function addressTo(view, choices = route.choices) {
  const query = new URLSearchParams(choices).toString();
  return `#/${view}${query ? `?${query}` : ''}`;
}

function addressOf(picture) {
  return addressTo(`picture/${picture.key.split('/').map(encodeURIComponent).join('/')}`);
}

const fold = (text) => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

const searchable = new Map();

function wordsOf(work) {
  if (!searchable.has(work)) {
    searchable.set(work, fold([
      work.title, work.after, work.recipe_name, work.collection, ...Object.values(work.labels),
      ...(work.credits ?? []), work.message ?? '', work.pair_id?.slice(0, 10) ?? '',
    ].join(' ')));
  }
  return searchable.get(work);
}

function isChosen(work) {
  return Object.entries(route.choices).every(([name, value]) => {
    if (name === 'sort') return true;
    if (name === 'q') return fold(value).split(/\s+/).every((word) => wordsOf(work).includes(word));
    if (name === 'recipe') return work.recipe_name === value;
    return (name in work ? work[name] : work.labels[name]) === value;
  });
}

const ORDERS = {
  name: (a, b) => nameOf(a).localeCompare(nameOf(b), undefined, { numeric: true }),
  time: (a, b) => b.finished.localeCompare(a.finished),
  loss: (a, b) => a.loss - b.loss,
};

// The pictures the choices leave, in their order: as the wall hangs them and the arrows walk them.
function hung() {
  const chosen = pictures.filter(isChosen);
  return ORDERS[route.choices.sort] ? chosen.sort(ORDERS[route.choices.sort]) : chosen;
}
