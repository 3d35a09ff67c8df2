// A manifest that paints exactly one picture again.

const quoted = (text) => JSON.stringify(text);

const indented = (text, by) => text.trimEnd().split('\n').map((line) => ' '.repeat(by) + line).join('\n');

function manifestOf(picture) {
  const recipe = data.recipes[picture.recipe];
  const content = picture.content === null ? null : data.contents[picture.content];
  const style = picture.style === null ? null : data.styles[picture.style];
  const lines = [`# Paints ${picture.key.split('/').at(-1)} again.`, `collection: ${quoted((picture.origin ?? picture.key).split('/')[0])}`, 'output: repainted', `background: ${quoted(recipe.background)}`];
  if (content) lines.push('content_sets:', '  content:', `    images: [${quoted(content.pattern)}]`);
  if (style) {
    const isBlend = style.pictures.length > 1;
    lines.push('style_sets:', '  style:', '    images:');
    for (const each of style.pictures) lines.push(`      - {image: ${quoted(each.pattern)}${isBlend ? `, weight: ${each.weight}` : ''}}`);
    if (isBlend) lines.push('    blend: true');
  }
  lines.push('recipes:', `  ${quoted(recipe.name)}:`, indented(recipe.yaml, 4), 'pairings:');
  const parts = [content && 'content: content', style && 'style: style', `recipe: ${quoted(recipe.name)}`].filter(Boolean);
  lines.push(`  - {${parts.join(', ')}}`, '');
  return lines.join('\n');
}
