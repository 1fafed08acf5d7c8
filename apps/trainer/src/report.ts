import { existsSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { build } from './build/build.js';
import { countOf } from './build/network.js';
import type { RunConfig } from './config/schema.js';
import { boundByTime, lossCurve, quartileCurves } from './pictures/charts.js';
import { duration, significant } from './progress.js';
import { type Evaluation, readEvaluation } from './run/evaluation.js';
import { readConfig } from './run/folder.js';
import { type Metrics, readMetrics } from './run/metrics.js';
import { replaceFile } from './run/replace-file.js';
import { sampleSheets } from './run/sheets.js';

/** A fact of a run for the head of its report. */
type Fact = readonly [name: string, value: string];

const MOST_SHEETS = 6;

/** Writes report.html of a run, one file that needs no other: everything in it comes from the folder of the run. */
export function writeReport(run: string): string {
  const file = join(run, 'report.html');
  const metrics = readMetrics(join(run, 'metrics.jsonl'));
  const evaluation = readEvaluation(run);
  const sheets = sampleSheets(run);
  const last = sheets.at(-1);
  const strips = ['forward', 'reverse'].map((name) => join(run, 'pictures', `${name}.png`));

  replaceFile(
    file,
    page(basename(resolve(run)), [
      `<dl class="facts">${[
        ...modelFacts(readConfig(run)),
        ...trainingFacts(metrics),
        ...boundFacts(evaluation),
      ]
        .map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`)
        .join('')}</dl>`,
      last === undefined
        ? ''
        : section(
            'Samples',
            `Drawn with the averaged weights at step ${last.step}.`,
            figure(last.file, '', 'hero'),
          ),
      sheets.length < 2
        ? ''
        : section(
            'Samples over time',
            'The same noise at every step.',
            `<div class="sheets">${evenly(sheets, MOST_SHEETS)
              .map((sheet) => figure(sheet.file, `step ${sheet.step}`))
              .join('')}</div>`,
          ),
      strips.every(existsSync)
        ? section(
            'There and back',
            'Left: the forward process q(x<sub>t</sub> | x<sub>0</sub>) drowns data in noise. Right: the reverse process finds its way from noise to new data.',
            `<div class="strips">${figure(strips[0]!, 'forward: data → noise')}${figure(strips[1]!, 'reverse: noise → samples')}</div>`,
          )
        : '',
      metrics.length === 0
        ? ''
        : `<div class="charts">${section('Loss', 'Mean per logged interval, and smoothed.', lossCurve(metrics))}${section(
            'Loss by quarter of t',
            'From the least noise (first) to the most (last).',
            quartileCurves(metrics),
          )}</div>`,
      evaluation === undefined
        ? ''
        : section(
            'The variational bound by t',
            `${withError(evaluation)} bits per dimension on ${evaluation.images} ${evaluation.split} examples: ${significant(evaluation.reconstruction)} for L<sub>0</sub>, ${significant(evaluation.transitions)} for the transitions, ${significant(evaluation.prior)} for L<sub>T</sub>.`,
            boundByTime(evaluation.terms, { page: true }),
          ),
      `<details><summary>config.json</summary><pre>${escapeHtml(readFileSync(join(run, 'config.json'), 'utf8'))}</pre></details>`,
    ]),
  );
  return file;
}

function modelFacts(config: RunConfig): Fact[] {
  const { network, forward } = build(config);
  const { model, data, process } = config;
  return [
    [
      'Model',
      `${model._class_name === 'MLP' ? 'MLP' : 'U-Net'}, ${countOf(network.shapes).toLocaleString('en')} parameters`,
    ],
    ['Data', `${data.kind}, ${network.shape.join(' × ')}`],
    ['Process', `${process.schedule.kind}, T = ${forward.schedule.steps}, predicts ${process.predicts}`],
  ];
}

function boundFacts(evaluation: Evaluation | undefined): Fact[] {
  return evaluation === undefined ? [] : [['Bound', `${withError(evaluation)} bits/dim`]];
}

function withError({ bitsPerDim, standardError }: Evaluation): string {
  return `${bitsPerDim.toFixed(3)} ± ${standardError.toFixed(3)}`;
}

function trainingFacts(metrics: readonly Metrics[]): Fact[] {
  const last = metrics.at(-1);
  if (last === undefined) return [];
  const seconds = metrics.reduce((sum, m) => sum + m.seconds, 0);
  return [
    ['Steps', last.step.toLocaleString('en')],
    ['Loss', significant(last.loss)],
    ['Training time', duration(seconds)],
  ];
}

/** At most `count` of the items, evenly spread, the last one among them. */
function evenly<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.round(((i + 1) * items.length) / count) - 1]!);
}

function section(title: string, text: string, body: string): string {
  return `<section><h2>${title}</h2><p>${text}</p>${body}</section>`;
}

function figure(png: string, caption: string, kind = ''): string {
  const data = readFileSync(png).toString('base64');
  return `<figure class="${kind}"><img src="data:image/png;base64,${data}" alt="${escapeHtml(caption || 'samples')}">${caption && `<figcaption>${escapeHtml(caption)}</figcaption>`}</figure>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

function page(title: string, parts: readonly string[]): string {
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
.facts div { flex: 1 0 auto; min-width: 8rem; padding: .8rem 1rem; background: var(--card); }
dt { color: var(--soft); font-size: .8rem; }
dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums; }
figure { margin: 0; }
figure img { display: block; width: 100%; border-radius: 6px; }
figure.hero { max-width: 40rem; margin: 0 auto; }
figcaption { margin-top: .35rem; color: var(--soft); font-size: .85rem; text-align: center; font-variant-numeric: tabular-nums; }
.sheets { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; }
.strips, .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); gap: 1.25rem; }
svg { display: block; width: 100%; height: auto; }
summary { cursor: pointer; font-weight: 650; }
pre { overflow-x: auto; font-size: .8rem; }
`;
