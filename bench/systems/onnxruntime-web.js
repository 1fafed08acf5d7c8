// onnxruntime-web on WebAssembly with one thread. Its models are written by peers/export_onnx.py, which needs PyTorch.

import { existsSync, readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-web';
import { convolutions } from '../cases.js';
import { measure } from '../measure.js';

ort.env.wasm.numThreads = 1;
const model = (name) => new URL(`../.cache/${name}.onnx`, import.meta.url);
if (!existsSync(model('unet'))) throw new Error('no models: run bench/peers/export_onnx.py');
const load = (name) =>
  ort.InferenceSession.create(readFileSync(model(name)), { executionProviders: ['wasm'] });
const normal = (...shape) => {
  const size = shape.reduce((a, b) => a * b, 1);
  return new ort.Tensor(
    'float32',
    Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.37) * 1.4),
    shape,
  );
};

for (const c of convolutions) {
  const session = await load('conv');
  const x = normal(c.batch, c.channels, c.size, c.size);
  const weight = normal(c.filters, c.channels, 3, 3);
  await measure(`${c.name} forward`, () => session.run({ x, weight }));
}
const session = await load('unet');
for (const batch of [1, 16]) {
  const x = normal(batch, 1, 28, 28);
  const t = new ort.Tensor(
    'int64',
    BigInt64Array.from({ length: batch }, (_, i) => BigInt(i)),
    [batch],
  );
  await measure(`unet forward ${batch}`, () => session.run({ x, t }));
}
