// The visitor moves: views follow the address, buttons and keys change it.

const views = { wall: [byId('wall'), byId('failures'), byId('front')], grid: [byId('grid'), byId('failures')], picks: [byId('picks')], picture: [byId('picture')] };
const title = document.title;
const scrolled = new Map();
const form = byId('choices');
let last = '';

function follow() {
  // A wall left for a picture is found again where it was.
  if (last) scrolled.set(last, window.scrollY);
  readRoute();
  const picture = pictures.find((each) => each.key === route.key);
  if (route.view === 'picture' && !picture) route.view = 'wall';
  const here = route.view === 'picture' ? location.hash : addressTo(route.view);
  for (const section of new Set(Object.values(views).flat())) {
    if (section) section.hidden = !views[route.view].includes(section);
  }
  if (byId('front') && route.view === 'wall') byId('front').hidden = 'collection' in route.choices;
  for (const link of document.querySelectorAll('[data-view]')) {
    link.href = addressTo(link.dataset.view);
    if (link.dataset.view === route.view) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.body.dataset.view = route.view;
  fillForm();
  document.title = title;
  if (route.view !== 'picture') picturePage.close();
  if (route.view === 'wall') wall.choose();
  if (route.view === 'grid') grid.render();
  if (route.view === 'picks') picks.render(byId('picks'));
  if (route.view === 'picture') picturePage.render(picture);
  for (const failure of document.querySelectorAll('.failures > li')) failure.hidden = !isChosen(data.failures[failure.dataset.number]);
  picks.show();
  const isSame = last === here;
  last = here;
  if (!isSame) window.scrollTo(0, route.view === 'picture' ? 0 : scrolled.get(here) ?? 0);
}

function fillForm() {
  for (const field of form.elements) {
    if (field.name && field !== document.activeElement) field.value = route.choices[field.name] ?? '';
  }
  const count = Object.keys(route.choices).filter((name) => name in data.facets).length;
  byId('chosen').textContent = count ? ` ${count}` : '';
  byId('clear').hidden = !Object.keys(route.choices).length;
}

function choose() {
  const choices = {};
  for (const field of form.elements) if (field.name && field.value) choices[field.name] = field.value;
  // Filters belong to the wall and the grid; from elsewhere they lead to the wall.
  history.replaceState(null, '', addressTo(route.view === 'grid' ? 'grid' : 'wall', choices));
  last = '';
  follow();
  say(`${hung().length} of ${pictures.length} pictures`);
}

let typing = 0;
form.addEventListener('input', (event) => {
  clearTimeout(typing);
  typing = setTimeout(choose, event.target.type === 'search' ? 150 : 0);
});
form.addEventListener('submit', (event) => event.preventDefault());
byId('clear').addEventListener('click', () => {
  form.reset();
  for (const field of form.elements) if (field.name) field.value = '';
  choose();
  form.elements.q.focus();
});
byId('more').addEventListener('click', () => {
  byId('facets').hidden = !byId('facets').hidden;
  byId('more').setAttribute('aria-expanded', !byId('facets').hidden);
});

document.addEventListener('click', (event) => {
  const star = event.target.closest('button.star');
  if (!star) return;
  picks.toggle(pictures[star.closest('[data-number]').dataset.number]);
  if (route.view === 'picks') picks.render(byId('picks'));
});

// Light, dark, or as the system has it.
const LIGHTS = { '': 'as the system has them', light: 'on', dark: 'low' };
function setLights(chosen) {
  document.documentElement.dataset.theme = chosen;
  byId('theme').textContent = chosen === 'light' ? 'Lights on' : chosen === 'dark' ? 'Lights low' : 'Lights';
  byId('theme').setAttribute('aria-label', `Lights: ${LIGHTS[chosen]}`);
}
function keptLights() {
  try {
    return localStorage.getItem('nst-gallery.lights') ?? '';
  } catch {
    return '';
  }
}
byId('theme').addEventListener('click', () => {
  const order = Object.keys(LIGHTS);
  const chosen = order[(order.indexOf(document.documentElement.dataset.theme) + 1) % order.length];
  setLights(chosen);
  try {
    localStorage.setItem('nst-gallery.lights', chosen);
  } catch { /* They last as long as the page. */ }
});
byId('help').addEventListener('click', () => byId('keys').showModal());

const keys = {
  w: () => { location.hash = addressTo('wall'); },
  g: () => { location.hash = addressTo('grid'); },
  p: () => { location.hash = addressTo('picks'); },
  s: () => {
    const focused = document.activeElement.closest?.('[data-number]');
    const picture = picturePage.current ?? (focused && !focused.closest('.failures') ? pictures[focused.dataset.number] : null);
    if (picture) picks.toggle(picture);
  },
  '/': () => form.elements.q.focus(),
  '?': () => byId('keys').showModal(),
  Escape: () => { if (route.view === 'picture') location.hash = addressTo('wall'); },
};
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId('keys').open) return;
  const isTyping = event.target.matches?.('input:not([type=range]), select, textarea');
  if (isTyping) {
    if (event.key === 'Escape') event.target.blur();
    return;
  }
  // An arrow on a slider moves the slider.
  if (event.target.matches?.('input[type=range]') && event.key.startsWith('Arrow')) return;
  const act = (route.view === 'picture' && picturePage.keys[event.key]) || keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

// A printed wall has all its pictures, also those nobody scrolled to.
window.addEventListener('beforeprint', () => {
  for (const image of document.querySelectorAll('img[loading=lazy]')) image.loading = 'eager';
});

document.documentElement.classList.add('scripted');
setLights(keptLights());
window.addEventListener('hashchange', follow);
follow();
document.documentElement.dataset.ready = 'true';
