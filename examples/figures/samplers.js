// The figure of packages/samplers/README.md: how far samples are from the data against the evaluations of the network, for
// every sampler of SAMPLERS. `node examples/figures/samplers.js`, when the packages are built, writes it beside this file.
import { writeFileSync } from 'node:fs';
import { exactGaussianMixture } from '@diffusion-ts/analytic';
import { gaussianDiffusion, latent } from '@diffusion-ts/forward-process';
import { edmPrediction, fixedSmall, reverseProcess } from '@diffusion-ts/reverse-process';
import { SAMPLERS } from '@diffusion-ts/samplers';
import { karras, varianceExploding } from '@diffusion-ts/schedules';
import { finish, rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';

const SAMPLES = 4096;
const STEPS = [2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128];
const EVALUATIONS = [4, 128];
const TOLERANCES = [0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];

await tf.setBackend('wasm');
const schedule = varianceExploding();
const predicts = edmPrediction();
// Nine clusters, of unlike weight, in a grid that is a little askew.
const means = [-1, 0, 1].flatMap((x) => [-1, 0, 1].map((y) => [x + 0.2 * y, y - 0.1 * x]));
const data = exactGaussianMixture({
  weights: [1, 2, 1, 3, 1, 2, 1, 1, 2],
  means,
  deviations: means.map(() => 0.08),
});
const forward = gaussianDiffusion(schedule);
const exact = data.denoiser(schedule, predicts);

/** The points of a sampler, { evaluations, distance }: how many were asked for each sample, and how far they ended. */
async function curve(named) {
  const settings = named.findsSteps
    ? TOLERANCES.map((tolerance) => ({ tolerance, times: karras({ steps: 2 }) }))
    : STEPS.map((steps) => ({ times: karras({ steps }) }));
  const points = [];
  for (const setting of settings) {
    let evaluations = 0;
    const denoiser = (...asked) => {
      evaluations += 1;
      return exact(...asked);
    };
    const reverse = reverseProcess({ forward, denoiser, predicts, variance: fixedSmall });
    const xT = latent(forward, rng(1), [SAMPLES, 2]);
    const x0 = await finish(named.make(setting)(reverse, xT, { rng: rng(2) }));
    const [least, most] = EVALUATIONS;
    if (evaluations >= least && evaluations <= most) points.push({ evaluations, distance: await toData(x0) });
    tf.dispose([xT, x0]);
  }
  return points.sort((a, b) => a.evaluations - b.evaluations);
}

/** Along 64 directions, sorted. */
async function projections(x) {
  const angles = Array.from({ length: 64 }, (_, i) => (Math.PI * i) / 64);
  const directions = tf.tensor2d([angles.map(Math.cos), angles.map(Math.sin)]);
  const rows = tf.tidy(() => tf.transpose(tf.matMul(x, directions)));
  const values = await rows.array();
  tf.dispose([directions, rows]);
  return values.map((row) => Float64Array.from(row).sort());
}

/** The quantiles of the data in the middle of each of as many parts as there are samples: of many more than those. */
const MANY = 16;
const truth = await (async () => {
  const x = data.sample(rng(3), MANY * SAMPLES);
  const sorted = await projections(x);
  x.dispose();
  return sorted.map((row) => Float64Array.from({ length: SAMPLES }, (_, i) => row[MANY * i + MANY / 2]));
})();

/** The sliced 1-Wasserstein distance (Bonneel et al. 2015) to the data. */
async function toData(x) {
  const sorted = await projections(x);
  const apart = sorted.map((row, k) => row.reduce((sum, value, i) => sum + Math.abs(value - truth[k][i]), 0));
  return apart.reduce((sum, value) => sum + value, 0) / (apart.length * SAMPLES);
}

const curves = {};
for (const [name, named] of Object.entries(SAMPLERS)) {
  curves[name] = await curve(named);
  console.error(
    name,
    curves[name].map(({ evaluations, distance }) => `${evaluations}: ${distance.toFixed(4)}`).join(', '),
  );
}
const drawnFromData = data.sample(rng(4), SAMPLES);
const floor = await toData(drawnFromData);
drawnFromData.dispose();
console.error(`${SAMPLES} draws of the data: ${floor.toFixed(4)}`);

// One panel for those that follow the flow, one for those that add noise.
const COLOURS = [
  '#3564c9',
  '#0f8a7d',
  '#c77700',
  '#c0392b',
  '#7b4fb5',
  '#4a7a1f',
  '#b5487f',
  '#557',
  '#8a6d3b',
  '#1f9ed1',
  '#d1631f',
  '#222',
  '#999',
];
const PANEL = { width: 330, height: 330, left: 58, top: 34, gap: 150 };
const DOMAIN = { x: [3.5, 140], y: [0.008, 2] };
const log = (value, [from, to]) => Math.log(value / from) / Math.log(to / from);
const xOf = (evaluations) => PANEL.width * log(evaluations, DOMAIN.x);
const yOf = (distance) => PANEL.height * (1 - log(distance, DOMAIN.y));
const text = (x, y, content, more = '') =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${content}</text>`;

/** The heights of labels, each near its own and none on another. */
function spread(heights) {
  const order = heights.map((_, i) => i).sort((a, b) => heights[a] - heights[b]);
  const placed = [...heights];
  for (let round = 0; round < 200; round++)
    for (let k = 1; k < order.length; k++) {
      const [a, b] = [order[k - 1], order[k]];
      const overlap = 12 - (placed[b] - placed[a]);
      if (overlap <= 0) continue;
      placed[a] -= overlap / 2;
      placed[b] += overlap / 2;
    }
  return placed;
}

function panel(title, names, index) {
  const grid = [
    ...[4, 8, 16, 32, 64, 128].flatMap((x) => [
      `<path class="grid" d="M${xOf(x).toFixed(1)} 0V${PANEL.height}"/>`,
      text(xOf(x), PANEL.height + 16, x, 'text-anchor="middle"'),
    ]),
    ...[0.01, 0.03, 0.1, 0.3, 1].flatMap((y) => [
      `<path class="grid" d="M0 ${yOf(y).toFixed(1)}H${PANEL.width}"/>`,
      text(-7, yOf(y) + 4, y, 'text-anchor="end"'),
    ]),
    `<path class="floor" d="M0 ${yOf(floor).toFixed(1)}H${PANEL.width}"/>`,
  ];
  const heights = spread(names.map((name) => yOf(curves[name].at(-1).distance)));
  const lines = names.map((name, i) => {
    const colour = COLOURS[i % COLOURS.length];
    // What is beyond the panel is worse than any picture of the data.
    const ends = curves[name]
      .filter(({ distance }) => distance <= DOMAIN.y[1])
      .map(({ evaluations, distance }) => [xOf(evaluations), yOf(distance)]);
    const path = ends.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join('L');
    const [x, y] = ends.at(-1);
    return `<g stroke="${colour}" fill="${colour}"><path class="curve" d="M${path}"/><path class="lead" d="M${x.toFixed(1)} ${y.toFixed(1)}L${PANEL.width + 6} ${heights[i].toFixed(1)}"/>${text(PANEL.width + 9, heights[i] + 4, name, 'stroke="none"')}</g>`;
  });
  const left = PANEL.left + index * (PANEL.width + PANEL.gap + PANEL.left - 20);
  return `<g transform="translate(${left} ${PANEL.top})">${text(0, -14, title, 'class="title"')}${grid.join('')}${lines.join('')}${text(PANEL.width / 2, PANEL.height + 34, 'evaluations of the network', 'text-anchor="middle"')}</g>`;
}

const names = Object.keys(SAMPLERS);
const still = names.filter((name) => SAMPLERS[name].noise === 'none');
const drawing = names.filter((name) => SAMPLERS[name].noise !== 'none');
const width = 2 * (PANEL.left + PANEL.width + PANEL.gap) - 10;
const height = PANEL.top + PANEL.height + 44;
const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="11" fill="#333">
<title>Distance to the data against evaluations of the network, of every sampler</title>
<style>.grid{stroke:#8883;fill:none}.floor{stroke:#888;stroke-dasharray:4 3;fill:none}.curve{fill:none;stroke-width:1.6}.lead{fill:none;stroke-opacity:.35}.title{font-size:13px;font-weight:600}</style>
<rect width="${width}" height="${height}" fill="#fff"/>
${panel('Distance to the data: along the probability flow', still, 0)}
${panel('with noise on the way', drawing, 1)}
</svg>
`;
writeFileSync(new URL('./samplers.svg', import.meta.url), svg);
