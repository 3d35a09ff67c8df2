// The large picture: zoom by wheel, pinch, double click and keys; before and after; how it emerged.
//
// Our own, and not a library's, because all three share one transform: one compares, and looks at an
// early frame, at the very place one has zoomed to.

function makeStage(picture, content, { onSwipe }) {
  const painted = imageOf(picture.thumbnail, '(max-width: 900px) 100vw, 66vw', nameOf(picture), { eager: true });
  const before = content ? imageOf(content.thumbnail, '(max-width: 900px) 100vw, 66vw', `${content.name}, the original`, { eager: true }) : null;
  const layer = before ? make('div', { class: 'before', hidden: true }, before) : null;
  const split = make('div', { class: 'split', hidden: true });
  const easel = make('div', { class: 'easel' }, painted, layer, split);
  const element = make('div', { class: 'stage' }, easel);
  const slider = make('input', { type: 'range', min: 0, max: 100, value: 50, step: 0.5, 'aria-label': 'How much of the original to show' });
  const scrubber = make('input', { type: 'range', min: 0, max: Math.max(0, picture.frames?.length - 1), value: 0, step: 1, 'aria-label': 'Step of the painting' });
  const frame = { step: make('output', {}), play: make('button', { type: 'button', class: 'plain' }, 'Play'), timer: 0 };
  const rails = {
    compare: make('div', { class: 'rail', hidden: true }, make('span', { class: 'small' }, 'Original'), slider, make('span', { class: 'small' }, 'Painted')),
    emerge: make('div', { class: 'rail', hidden: true }, frame.play, scrubber, frame.step),
  };
  const view = { scale: 1, x: 0, y: 0, width: 1, height: 1 };
  const pointers = new Map();
  let mode = 'look', gesture = null, isFull = false;

  // Layout: the easel is the whole picture fitted into the stage; zoom moves and enlarges it.
  function fit() {
    const room = element.clientWidth;
    if (!room) return;
    const high = Math.min(window.innerHeight * 0.8, (room * picture.height) / picture.width);
    element.style.height = `${high}px`;
    view.width = Math.min(room, (high * picture.width) / picture.height);
    view.height = (view.width * picture.height) / picture.width;
    easel.style.width = `${view.width}px`;
    easel.style.height = `${view.height}px`;
    place();
  }

  function place() {
    const slack = (size, room) => Math.max(0, (size * view.scale - room) / 2);
    const sx = slack(view.width, element.clientWidth), sy = slack(view.height, element.clientHeight);
    view.x = Math.max(-sx, Math.min(sx, view.x));
    view.y = Math.max(-sy, Math.min(sy, view.y));
    easel.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
    easel.style.setProperty('--thin', 1 / view.scale);
    element.classList.toggle('close', view.scale > 1);
    if (view.scale > 1) showFull();
  }

  // Enlarges around a point of the screen, which stays where it is.
  function zoom(factor, at = null) {
    const most = Math.max(4, (2 * picture.width) / view.width);
    const scale = Math.max(1, Math.min(most, view.scale * factor));
    const box = element.getBoundingClientRect();
    const px = at ? at.clientX - box.left - box.width / 2 : 0, py = at ? at.clientY - box.top - box.height / 2 : 0;
    view.x = px - ((px - view.x) * scale) / view.scale;
    view.y = py - ((py - view.y) * scale) / view.scale;
    view.scale = scale;
    place();
  }

  function whole() {
    Object.assign(view, { scale: 1, x: 0, y: 0 });
    place();
  }

  // The published file replaces its small copy only when someone looks closely.
  function showFull() {
    if (isFull || !picture.shown || mode === 'emerge') return;
    isFull = true;
    const full = new Image();
    full.addEventListener('load', () => { if (mode !== 'emerge') show(full.src); });
    full.src = picture.file;
  }

  function show(address) {
    painted.removeAttribute('srcset');
    painted.src = address;
  }

  function setSplit(percent) {
    slider.value = percent;
    easel.style.setProperty('--split', `${percent}%`);
  }

  function splitAt(event) {
    const box = easel.getBoundingClientRect();
    setSplit(Math.max(0, Math.min(100, ((event.clientX - box.left) / box.width) * 100)));
  }

  function setFrame(number) {
    const chosen = picture.frames[number];
    scrubber.value = number;
    frame.step.textContent = `step ${chosen.step}`;
    show(chosen.file);
  }

  function play() {
    if (frame.timer) {
      stop();
      return;
    }
    let number = Number(scrubber.value) >= picture.frames.length - 1 ? 0 : Number(scrubber.value);
    frame.play.textContent = 'Pause';
    frame.timer = setInterval(() => {
      setFrame(number);
      number += 1;
      if (number === picture.frames.length) stop();
    }, 180);
  }

  function stop() {
    clearInterval(frame.timer);
    frame.timer = 0;
    frame.play.textContent = 'Play';
  }

  function setMode(chosen) {
    if (mode === 'emerge' && chosen !== 'emerge') {
      stop();
      isFull = picture.shown;
      show(picture.shown ? picture.file : `./${picture.thumbnail.stem}-${picture.thumbnail.widths.at(-1)}.webp`);
    }
    mode = chosen;
    element.dataset.mode = mode;
    if (layer) layer.hidden = mode !== 'compare';
    split.hidden = mode !== 'compare';
    rails.compare.hidden = mode !== 'compare';
    rails.emerge.hidden = mode !== 'emerge';
    if (mode === 'compare') setSplit(50);
    if (mode === 'emerge') setFrame(picture.frames.length - 1);
  }

  slider.addEventListener('input', () => setSplit(Number(slider.value)));
  scrubber.addEventListener('input', () => { stop(); setFrame(Number(scrubber.value)); });
  frame.play.addEventListener('click', play);

  element.addEventListener('pointerdown', (event) => {
    if (event.button) return;
    element.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, event);
    gesture = { x: event.clientX, y: event.clientY, moved: false, spread: spread(), isTouch: event.pointerType !== 'mouse' };
    if (mode === 'compare' && view.scale === 1) splitAt(event);
  });
  element.addEventListener('pointermove', (event) => {
    const old = pointers.get(event.pointerId);
    if (!old) return;
    pointers.set(event.pointerId, event);
    if (Math.hypot(event.clientX - gesture.x, event.clientY - gesture.y) > 6) gesture.moved = true;
    if (pointers.size === 2) {
      const now = spread();
      if (gesture.spread) zoom(now.size / gesture.spread.size, now);
      gesture.spread = now;
    } else if (view.scale > 1) {
      view.x += event.clientX - old.clientX;
      view.y += event.clientY - old.clientY;
      place();
    } else if (mode === 'compare') splitAt(event);
  });
  for (const end of ['pointerup', 'pointercancel']) {
    element.addEventListener(end, (event) => {
      if (!pointers.delete(event.pointerId) || pointers.size) return;
      const across = event.clientX - gesture.x;
      if (end === 'pointerup' && gesture.isTouch && !gesture.spread && mode !== 'compare' && view.scale === 1 && Math.abs(across) > 60) onSwipe(across < 0 ? 1 : -1);
    });
  }
  element.addEventListener('dblclick', (event) => { if (view.scale > 1) whole(); else zoom(2.5, event); });
  element.addEventListener('wheel', (event) => {
    // At rest the wheel scrolls the page; with Ctrl (so browsers tell of a pinch) or close up it zooms.
    if (!event.ctrlKey && view.scale === 1) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / (event.ctrlKey ? 100 : 400)), event);
  }, { passive: false });

  function spread() {
    if (pointers.size !== 2) return null;
    const [a, b] = [...pointers.values()];
    return { size: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1, clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 };
  }

  const observer = new ResizeObserver(fit);
  observer.observe(element);
  return {
    element, rails: [rails.compare, rails.emerge], zoom, whole, setMode,
    get mode() { return mode; },
    close() { observer.disconnect(); stop(); },
  };
}
