// The page's data, and the few words the other parts speak of it with.

const data = JSON.parse(document.getElementById('data').textContent);
const pictures = data.pictures;
pictures.forEach((picture, number) => { picture.number = number; });

// Makes an element. Attributes are named by this script alone; text and addresses come as data and
// are set as such, never as markup.
function make(tag, attributes = {}, ...children) {
  const space = ['svg', 'g', 'path', 'line', 'text', 'circle', 'rect'].includes(tag)
    ? 'http://www.w3.org/2000/svg' : 'http://www.w3.org/1999/xhtml';
  const element = document.createElementNS(space, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const byId = (id) => document.getElementById(id);

function nameOf(work) {
  return work.after ? `${work.title}, after ${work.after}` : work.title;
}

// The image of a thumbnail; `sizes` tells the browser how wide it will be.
function imageOf(thumbnail, sizes, alt, { eager = false } = {}) {
  if (!thumbnail) return make('span', { class: 'missing', role: 'img', 'aria-label': alt }, 'not to be had');
  const at = (width) => `./${thumbnail.stem}-${width}.webp`;
  return make('img', {
    srcset: thumbnail.widths.map((width) => `${at(width)} ${width}w`).join(', '),
    sizes, alt, src: at(thumbnail.widths[0]), width: thumbnail.width, height: thumbnail.height,
    loading: eager ? 'eager' : 'lazy', decoding: 'async',
  });
}

function duration(seconds) {
  if (seconds < 99.5) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')}`;
}

function amount(value) {
  if (value === null || value === undefined) return '–';
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 1e5) ? value.toExponential(2) : Number(value.toPrecision(4)).toString();
}

// Says something to those who listen rather than look.
function say(text) {
  byId('said').textContent = text;
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Pages that are not from https or this machine have no clipboard; a selection does instead.
    const area = make('textarea', { class: 'visually-hidden' });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  const before = button.textContent;
  button.textContent = 'Copied';
  say('Copied');
  setTimeout(() => { button.textContent = before; }, 1500);
}

function download(text, name, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  make('a', { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
