// A manifest that paints exactly one picture again.

const quoted = (text) => JSON.stringify(text);

const indented = (text, by) => text.trimEnd().split('\n').map((line) => ' '.repeat(by) + line).join('\n');

// A region with its mask, as a picture's entry names it.
const masked = ({ name, pattern, color, feather }) => `${quoted(name)}: {mask: ${quoted(pattern)}, ${color ? `color: ${quoted(color)}, ` : ''}feather: ${feather}}`;

function setOf(name, pictures) {
  const isBlend = pictures.length > 1;
  const entries = pictures.map(({ pattern, weight, regions }) => [
    `image: ${quoted(pattern)}`, isBlend && `weight: ${weight}`, regions && `regions: {${regions.map(masked).join(', ')}}`,
  ].filter(Boolean).join(', '));
  return [`  ${name}:`, '    images:', ...entries.map((entry) => `      - {${entry}}`), ...(isBlend ? ['    blend: true'] : [])];
}

function manifestOf(picture) {
  const recipe = data.recipes[picture.recipe];
  const content = picture.content === null ? null : data.contents[picture.content];
  const style = picture.style === null ? null : data.styles[picture.style];
  const lines = [`# Paints ${picture.key.split('/').at(-1)} again.`, `collection: ${quoted((picture.origin ?? picture.key).split('/')[0])}`, 'output: repainted', `background: ${quoted(recipe.background)}`];
  if (content) lines.push('content_sets:', ...setOf('content', [content]));
  // By the region that they paint; without a name, all of the picture.
  const painters = new Map();
  for (const each of style?.pictures ?? []) painters.set(each.region ?? '', [...(painters.get(each.region ?? '') ?? []), each]);
  const sets = [...painters].map(([region, shown], number) => ({ region, shown, name: `style${number || ''}` }));
  if (style) lines.push('style_sets:', ...sets.flatMap(({ name, shown }) => setOf(name, shown)));
  const byRegion = sets.map(({ region, shown, name }) => `${quoted(region)}: {style: ${name}${shown[0].regions ? ', region: own' : ''}}`);
  lines.push('recipes:', `  ${quoted(recipe.name)}:`, indented(recipe.yaml, 4), 'pairings:');
  const parts = [content && 'content: content', style && (painters.has('') ? 'style: style' : `style: {${byRegion.join(', ')}}`), `recipe: ${quoted(recipe.name)}`].filter(Boolean);
  lines.push(`  - {${parts.join(', ')}}`, '');
  return lines.join('\n');
}
