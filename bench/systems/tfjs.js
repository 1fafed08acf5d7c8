// tfjs's wasm backend, as shipped or with our kernels in it.

import { useWasm } from '@diffusion-ts/backend-wasm';
import { rng } from '@diffusion-ts/tensor';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { convolutions, norms, otherConvolutions, products } from '../cases.js';
import { measure } from '../measure.js';
import { measureUnet } from '../unet.js';

const isOurs = process.env.BENCH_SYSTEM === 'backend-wasm';
if (isOurs) await useWasm();
else if (!(await tf.setBackend('wasm'))) throw new Error('tfjs wasm did not start');
const backend = tf.backend();

/** Runs a kernel as the engine would, and frees what it made. */
function run(name, inputs, attrs = {}) {
  const outputs = [tf.getKernel(name, 'wasm').kernelFunc({ inputs, attrs, backend })].flat();
  for (const { dataId } of outputs) backend.disposeData(dataId);
}
const normal = (...shape) => rng(1).normal(shape);

for (const c of [...convolutions, ...otherConvolutions]) {
  const side = c.kernel === 3 ? 1 : 0;
  const out = Math.floor((c.size + 2 * side - c.kernel) / c.stride) + 1;
  const x = normal(c.batch, c.size, c.size, c.channels);
  const filter = normal(c.kernel, c.kernel, c.channels, c.filters);
  const dy = normal(c.batch, out, out, c.filters);
  const pad = [
    [0, 0],
    [side, side],
    [side, side],
    [0, 0],
  ];
  const attrs = { strides: [c.stride, c.stride], pad, dilations: [1, 1], dataFormat: 'NHWC' };
  await measure(`${c.name} forward`, () => run('Conv2D', { x, filter }, attrs));
  if (isOurs) {
    const inputShape = x.shape;
    const filterShape = filter.shape;
    await measure(`${c.name} input gradient`, () =>
      run('Conv2DBackpropInput', { dy, filter }, { ...attrs, inputShape }),
    );
    await measure(`${c.name} filter gradient`, () =>
      run('Conv2DBackpropFilter', { x, dy }, { ...attrs, filterShape }),
    );
  }
  tf.dispose([x, filter, dy]);
}

for (const { name, batch, m, n, k } of products) {
  for (const [transposeA, transposeB] of isOurs
    ? [
        [false, false],
        [false, true],
        [true, false],
        [true, true],
      ]
    : [[false, false]]) {
    const a = normal(batch, ...(transposeA ? [k, m] : [m, k]));
    const b = normal(batch, ...(transposeB ? [n, k] : [k, n]));
    const how = `${transposeA ? 't' : 'n'}${transposeB ? 't' : 'n'}`;
    await measure(`${name} ${how}`, () => run('BatchMatMul', { a, b }, { transposeA, transposeB }));
    tf.dispose([a, b]);
  }
}

/** A copy of a tensor inside the memory, as fast as the engine can. */
function copy(x) {
  const y = backend.makeOutput(x.shape, 'float32');
  const [to, from] = [y, x].map(({ dataId }) => backend.getMemoryOffset(dataId));
  backend.wasm.HEAPU8.copyWithin(to, from, from + 4 * x.size);
  backend.disposeData(y.dataId);
}
if (isOurs) {
  for (const { name, batch, size, channels } of norms) {
    const [x, dy] = [normal(batch, size, size, channels), normal(batch, size, size, channels)];
    const [scale, offset] = [normal(channels), normal(channels)];
    const [mean, inverseDeviation] = [tf.zeros([batch, 8]), tf.ones([batch, 8])];
    const attrs = { groups: 8, epsilon: 1e-5, activation: 'silu' };
    await measure(`${name} copy`, () => copy(x));
    await measure(`${name} forward`, () => run('DiffusionGroupNorm', { x, scale, offset }, attrs));
    const inputs = { dy, x, scale, offset, mean, inverseDeviation };
    await measure(`${name} backward`, () => run('DiffusionGroupNormGrad', inputs, attrs));
    tf.dispose([x, dy, scale, offset, mean, inverseDeviation]);
  }
  const size = 4_000_000;
  const trees = ['param', 'grad', 'm', 'v', 'ema'];
  const inputs = Object.fromEntries(trees.map((tree) => [`${tree}0`, tf.abs(normal(size))]));
  const attrs = {
    count: 1,
    step: 2,
    learningRate: 1e-3,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay: 0.01,
    maxGradNorm: 1,
    emaDecay: 0.99,
  };
  // It must read five tensors and write four: as much as four and a half copies.
  await measure('adamw 4e6 copies', () => {
    for (const tree of trees.slice(0, 4)) copy(inputs[`${tree}0`]);
    const half = tf.slice(inputs.ema0, 0, size / 2);
    half.dispose();
  });
  await measure('adamw 4e6 step', () => run('DiffusionAdamW', inputs, attrs));
  tf.dispose(inputs);
}

await measureUnet({ forward: [1, 16], step: [16] });
