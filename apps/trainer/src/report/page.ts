import { readFileSync } from 'node:fs';

// The few pieces of HTML that a report is made of. Everything is in the one file: pictures as data, no script.

/** A whole page. */
export function page(title: string, parts: readonly string[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)} · diffusion-ts</title>
<style>${STYLE}</style>
</head>
<body>
<header><p>diffusion-ts run</p><h1>${escapeHtml(title)}</h1></header>
<main>
${parts.join('\n')}
</main>
</body>
</html>
`;
}

/** A card with a heading; text and body are HTML. */
export function section(title: string, text: string, body: string): string {
  return `<section><h2>${title}</h2><p>${text}</p>${body}</section>`;
}

/** A PNG file, shown in the page itself. */
export function figure(png: string, caption = ''): string {
  const data = readFileSync(png).toString('base64');
  const text = caption && `<figcaption>${escapeHtml(caption)}</figcaption>`;
  return `<figure><img src="data:image/png;base64,${data}" alt="${escapeHtml(caption || 'samples')}">${text}</figure>`;
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

const STYLE = `
:root { --bg: #f6f6f4; --card: #fff; --ink: #1c1d20; --soft: #63666e; --edge: #e3e3df; --grid: #0002;
  --accent: #3564c9; --q1: #3564c9; --q2: #0f8a7d; --q3: #c77700; --q4: #c0392b; }
@media (prefers-color-scheme: dark) { :root { --bg: #131417; --card: #1c1e22; --ink: #ececea; --soft: #9a9da6; --edge: #2d3036;
  --grid: #fff2; --accent: #8fb0ff; --q1: #8fb0ff; --q2: #4fd0bd; --q3: #f5b04c; --q4: #ff8273; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 72rem; background: var(--bg); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
header p { margin: 0; color: var(--soft); font-size: .8rem; letter-spacing: .08em; text-transform: uppercase; }
h1 { margin: 0 0 1.25rem; font-size: 2rem; font-weight: 650; letter-spacing: -.02em; }
h2 { margin: 0; font-size: 1.05rem; font-weight: 650; }
section p { margin: .1rem 0 .9rem; color: var(--soft); }
main { display: grid; gap: 1.25rem; }
section, details { background: var(--card); border: 1px solid var(--edge); border-radius: 12px; padding: 1.25rem; min-width: 0; }
.facts { display: flex; flex-wrap: wrap; gap: 1px; margin: 0; overflow: hidden;
  background: var(--edge); border: 1px solid var(--edge); border-radius: 12px; }
.facts div { flex: 1 0 auto; padding: .7rem .85rem; background: var(--card); }
dt { color: var(--soft); font-size: .8rem; }
dd { margin: 0; font-size: .93rem; font-weight: 600; font-variant-numeric: tabular-nums; }
figure { margin: 0; }
figure img { display: block; width: 100%; border-radius: 6px; }
.hero { max-width: 40rem; margin: 0 auto; }
figcaption { margin-top: .35rem; color: var(--soft); font-size: .85rem; text-align: center; font-variant-numeric: tabular-nums; }
.sheets { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; }
.strips, .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); gap: 1.25rem; }
svg { display: block; width: 100%; height: auto; }
summary { cursor: pointer; font-weight: 650; }
pre { overflow-x: auto; font-size: .8rem; }
`;
