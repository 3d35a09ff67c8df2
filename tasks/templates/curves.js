// The loss curves as one SVG: the total strong, the terms thin, falling on a logarithmic scale.

function chart(curves) {
  const WIDTH = 520, HEIGHT = 240, LEFT = 46, RIGHT = 8, TOP = 10, BOTTOM = 26;
  const names = Object.keys(curves.series);
  const values = names.flatMap((name) => curves.series[name]).filter((value) => value !== null);
  // Zeros have no logarithm and are left out; an objective below zero (a dream's) is drawn plain.
  const isLog = curves.series[names[0]].every((value) => value === null || value > 0);
  const fit = (value) => (isLog ? Math.log10(value) : value);
  const drawn = isLog ? values.filter((value) => value > 0) : values;
  const top = Math.max(...drawn.map(fit));
  let low = Math.min(...drawn.map(fit));
  if (isLog) low = Math.max(low, top - 6);
  const high = top === low ? low + 1 : top;
  const first = curves.steps[0], last = curves.steps.at(-1);
  const x = (step) => LEFT + ((step - first) / Math.max(1, last - first)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + ((high - fit(value)) / (high - low)) * (HEIGHT - TOP - BOTTOM);

  const svg = make('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'chart', role: 'img',
    'aria-label': `Loss over ${last} steps, from ${amount(curves.series[names[0]][0])} to ${amount(curves.series[names[0]].at(-1))}` });
  for (const tick of ticks(low, high, isLog)) {
    const place = TOP + ((high - tick.at) / (high - low)) * (HEIGHT - TOP - BOTTOM);
    svg.append(make('line', { class: 'rule', x1: LEFT, x2: WIDTH - RIGHT, y1: place, y2: place }),
      make('text', { x: LEFT - 8, y: place + 4, 'text-anchor': 'end' }, tick.text));
  }
  for (const step of curves.octaves.slice(1)) {
    svg.append(make('line', { class: 'octave', x1: x(step), x2: x(step), y1: TOP, y2: HEIGHT - BOTTOM }));
  }
  for (const [step, anchor] of [[first, 'start'], [last, 'end']]) {
    svg.append(make('text', { x: x(step), y: HEIGHT - 6, 'text-anchor': anchor }, `${anchor === 'end' ? 'step ' : ''}${step}`));
  }
  [...names].reverse().forEach((name) => {
    let path = '', isOpen = false;
    curves.series[name].forEach((value, place) => {
      const isThere = value !== null && (!isLog || fit(value) >= low);
      if (isThere) path += `${isOpen ? 'L' : 'M'}${x(curves.steps[place]).toFixed(1)} ${y(value).toFixed(1)}`;
      isOpen = isThere;
    });
    svg.append(make('path', { class: `series series-${names.indexOf(name) % 8}`, d: path }));
  });
  const cursor = make('line', { class: 'cursor', y1: TOP, y2: HEIGHT - BOTTOM, visibility: 'hidden' });
  svg.append(cursor);

  const numbers = names.map(() => make('td', {}));
  const head = make('th', { scope: 'col' });
  const table = make('table', { class: 'legend' },
    make('thead', {}, make('tr', {}, make('th', { scope: 'col' }, 'Term'), head)),
    make('tbody', {}, names.map((name, place) => make('tr', {},
      make('th', { scope: 'row' }, make('span', { class: `key series-${place % 8}` }), name), numbers[place]))));

  function tell(place) {
    head.textContent = `at step ${curves.steps[place]}`;
    names.forEach((name, row) => { numbers[row].textContent = amount(curves.series[name][place]); });
  }
  tell(curves.steps.length - 1);
  svg.addEventListener('pointermove', (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * WIDTH;
    const distances = curves.steps.map((step) => Math.abs(x(step) - at));
    const place = distances.indexOf(Math.min(...distances));
    for (const end of ['x1', 'x2']) cursor.setAttribute(end, x(curves.steps[place]));
    cursor.setAttribute('visibility', 'visible');
    tell(place);
  });
  svg.addEventListener('pointerleave', () => {
    cursor.setAttribute('visibility', 'hidden');
    tell(curves.steps.length - 1);
  });
  return make('figure', { class: 'losses' }, svg, table);
}

function ticks(low, high, isLog) {
  if (!isLog) return [low, (low + high) / 2, high].map((at) => ({ at, text: amount(at) }));
  const found = [];
  const leaves = high - low < 1.2 ? [1, 2, 5] : [1];
  for (let decade = Math.floor(low); decade <= Math.ceil(high); decade += 1) {
    for (const leaf of leaves) {
      const at = decade + Math.log10(leaf);
      if (at >= low - 1e-9 && at <= high + 1e-9) found.push({ at, text: plain(leaf, decade) });
    }
  }
  return found.length > 1 ? found : [low, high].map((at) => ({ at, text: amount(10 ** at) }));
}

function plain(leaf, decade) {
  return Math.abs(decade) > 3 ? `${leaf}e${decade}` : Number((leaf * 10 ** decade).toPrecision(1)).toString();
}
