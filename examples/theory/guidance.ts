// What guidance keeps and what it loses, on data of which all is known: two trees in the plane, drawn by networks that see
// them blurred, as one of limited capacity does, the good one a little and the bad one more. Samples of the one tree are
// drawn four times, from the same noise: without guidance; away from what the network says without the class; the same at
// middling noise alone (Kynkäänniemi et al. 2024); and away from what the bad network says of the class (Karras et al.
// 2024). FIGURE=guidance.svg draws them.

import '@tensorflow/tfjs-backend-cpu';
import { writeFileSync } from 'node:fs';
import { branchingMixture } from '@diffusion-ts/analytic';
import { gaussianDiffusion, latent } from '@diffusion-ts/forward-process';
import {
  fixedSmall,
  type GaussianReverseProcess,
  reverseProcess,
  x0Prediction,
} from '@diffusion-ts/reverse-process';
import { autoguided, dpmSolverPlusPlus, guided } from '@diffusion-ts/samplers';
import { karras, varianceExploding } from '@diffusion-ts/schedules';
import { type Denoiser, finish, rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

type Point = [x: number, y: number];

const COUNT = 200;
const trees = branchingMixture({ depth: 3 });
const schedule = varianceExploding({ sigmaMax: 5 });
const times = karras({ steps: 12, sigmaMin: 0.01 });

/** What sees the data blurred by b sees at noise σ what a perfect one sees at √(σ² + b²): x̂_0 = x_t + σ² ∇ ln q. */
const seeing =
  (blur: number): Denoiser =>
  (xt, told, condition) =>
    tf.tidy(() => {
      const sigma = told.dataSync()[0]!;
      const score = trees.score(varianceExploding(), xt, Math.hypot(sigma, blur), condition);
      return tf.add(xt, tf.mul(sigma ** 2, score));
    });
const good = reverseProcess({
  forward: gaussianDiffusion(schedule),
  denoiser: seeing(0.03),
  predicts: x0Prediction,
  variance: fixedSmall,
});
const empty = { label: tf.tensor1d([trees.classes], 'int32') };
const label = tf.zeros([COUNT], 'int32');
const xT = latent(good.forward, rng(3), [COUNT, 2]);

const data = trees.sample(rng(1), COUNT, 0);
const unseen = trees.sample(rng(2), COUNT, 0).arraySync() as Point[];
const logDensity = (x: tf.Tensor): number[] => [
  ...trees.logDensity(schedule, x, schedule.start, { label }).dataSync(),
];
// Where one example of a hundred is still thinner, one is off the tree; it is reached where a sample is near.
const least = logDensity(data).sort((a, b) => a - b)[COUNT / 100]!;
const isNear = ([x, y]: Point, [u, v]: Point): boolean => Math.hypot(x - u, y - v) < 0.05;
const panels: { title: string; points: Point[] }[] = [];

/** Draws with a process: what share of it is off the tree, and how much of the tree it reaches. */
async function shares(title: string, reverse: GaussianReverseProcess): Promise<string> {
  const x0 = await finish(dpmSolverPlusPlus({ times })(reverse, xT, { condition: { label } }));
  const points = x0.arraySync() as Point[];
  const off = logDensity(x0).filter((log) => log < least).length / COUNT;
  const reached = unseen.filter((example) => points.some((point) => isNear(point, example))).length / COUNT;
  panels.push({ title, points });
  return `${off.toFixed(2)} off, ${reached.toFixed(2)} reached`;
}

const interval = [0.05, 0.5] as const;
console.log(await shares('without guidance', good)); // 0.10 off, 0.92 reached
// Without the class what is common to both trees counts for less: the samples crowd where the other tree is not.
console.log(await shares('classifier-free, w = 2', guided(good, { scale: 2, empty }))); // 0.10 off, 0.70 reached
console.log(await shares('in an interval', guided(good, { scale: 2, empty, interval }))); // 0.11 off, 0.81 reached
// The bad network makes more of the same mistakes, so that away from it is away from them, and no part of the tree is lost.
console.log(await shares('autoguidance, w = 1', autoguided(good, { scale: 1, bad: seeing(0.09) }))); // 0.01 off, 0.94 reached

const { FIGURE } = process.env;
if (FIGURE !== undefined) {
  const dots = (points: readonly Point[], colour: string, width: number): string => {
    const path = points.map(([x, y]) => `M${Math.round(x * 150 + 190)} ${Math.round(170 - y * 150)}h0`);
    return `<path d="${path.join('')}" stroke="${colour}" stroke-width="${width}" stroke-linecap="round" fill="none"/>`;
  };
  const behind = [0, 1].map((label) => trees.sample(rng(4), 1500, label).arraySync() as Point[]);
  const pictures = panels.map(
    ({ title, points }, i) =>
      `<g transform="translate(${i * 380} 0)"><use href="#trees"/>${dots(points, '#c2410c', 4)}<text x="190" y="24">${title}</text></g>`,
  );
  writeFileSync(
    FIGURE,
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1520 330" font-family="sans-serif" font-size="18" text-anchor="middle">
<title>Samples of one of two trees, under four ways of guidance</title>
<rect width="1520" height="330" fill="#fff"/><defs><g id="trees">${dots(behind[1]!, '#d6d9de', 3)}${dots(behind[0]!, '#f3d3b8', 3)}</g></defs>
${pictures.join('\n')}
</svg>
`,
  );
}
tf.dispose([empty.label, label, xT, data]);
