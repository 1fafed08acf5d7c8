import { existsSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { evenly } from '../evenly.js';
import { boundByTime, lossCurve, quartileCurves } from '../pictures/charts.js';
import { significant } from '../progress.js';
import { type Evaluation, readEvaluation } from '../run/evaluation.js';
import { readConfig } from '../run/folder.js';
import { type Metrics, readMetrics } from '../run/metrics.js';
import { replaceFile } from '../run/replace-file.js';
import { type Sheet, sampleSheets } from '../run/sheets.js';
import { type Fact, factsOf, withError } from './facts.js';
import { escapeHtml, figure, page, section } from './page.js';

const MOST_SHEETS = 6;

/** Writes report.html of a run, one file that needs no other: everything in it comes from the folder of the run. */
export function writeReport(run: string): string {
  const file = join(run, 'report.html');
  const metrics = readMetrics(join(run, 'metrics.jsonl'));
  const evaluation = readEvaluation(run);
  const sheets = sampleSheets(run);
  const parts = [
    glance(factsOf(readConfig(run), metrics, evaluation)),
    samples(sheets),
    thereAndBack(run),
    samplers(run),
    reconstructions(run),
    losses(metrics),
    bound(evaluation),
    settings(run),
  ];
  replaceFile(file, page(basename(resolve(run)), parts));
  return file;
}

function glance(facts: readonly Fact[]): string {
  const entry = ([name, value]: Fact): string =>
    `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`;
  return `<dl class="facts">${facts.map(entry).join('')}</dl>`;
}

function samples(sheets: readonly Sheet[]): string {
  const last = sheets.at(-1);
  if (last === undefined) return '';
  const latest = section('Samples', `At step ${last.step}.`, `<div class="hero">${figure(last.file)}</div>`);
  if (sheets.length === 1) return latest;
  const figures = evenly(sheets, MOST_SHEETS).map(({ step, file }) => figure(file, `step ${step}`));
  const history = `<div class="sheets">${figures.join('')}</div>`;
  return latest + section('Samples over time', 'From the same noise at every step.', history);
}

function thereAndBack(run: string): string {
  const [forward, reverse] = ['forward', 'reverse'].map((name) => join(run, 'pictures', `${name}.png`));
  if (!existsSync(forward!) || !existsSync(reverse!)) return '';
  return section(
    'There and back',
    'Left: the forward process q(x<sub>t</sub> | x<sub>0</sub>) drowns data in noise. Right: the reverse process finds its way from noise to new data.',
    `<div class="strips">${figure(forward!, 'forward: data → noise')}${figure(reverse!, 'reverse: noise → samples')}</div>`,
  );
}

function samplers(run: string): string {
  const file = join(run, 'pictures', 'compare.png');
  if (!existsSync(file)) return '';
  return section(
    'Samplers side by side',
    'The same noise in few steps and in many. Below: evaluations of the network, seconds for all, and the distance to the converged sample.',
    figure(file, 'samplers down, steps across'),
  );
}

function reconstructions(run: string): string {
  const file = join(run, 'pictures', 'reconstructions.png');
  if (!existsSync(file)) return '';
  return section(
    'Reconstructions',
    'Left: test data x. Right: the mean of p(x | z), with z the mean of q(z | x): what the latents keep.',
    figure(file, 'x, and what is left of it'),
  );
}

function losses(metrics: readonly Metrics[]): string {
  if (metrics.length === 0) return '';
  const loss = section('Loss', 'Mean per logged interval, and smoothed.', lossCurve(metrics));
  const quarters = 'From the least noise (first) to the most (last).';
  return `<div class="charts">${loss}${section('Loss by quarter of t', quarters, quartileCurves(metrics))}</div>`;
}

function bound(evaluation: Evaluation | undefined): string {
  if (evaluation === undefined) return '';
  const { images, split, step, reconstruction, transitions, prior, terms } = evaluation;
  return section(
    'The variational bound by t',
    `${withError(evaluation)} bits per dimension on ${images} ${split} examples at step ${step}: ${significant(reconstruction)} for L<sub>0</sub>, ${significant(transitions)} for the transitions, ${significant(prior)} for L<sub>T</sub>.`,
    boundByTime(terms, { page: true }),
  );
}

function settings(run: string): string {
  const config = readFileSync(join(run, 'config.json'), 'utf8');
  return `<details><summary>config.json</summary><pre>${escapeHtml(config)}</pre></details>`;
}
