// onnxruntime-node (peers/package.json). Its model is written by peers/export_onnx.py, which needs PyTorch.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { measure } from '../measure.js';

const model = fileURLToPath(new URL('../.cache/unet.onnx', import.meta.url));
if (!existsSync(model)) throw new Error('no model: run bench/peers/export_onnx.py');
const ort = createRequire(new URL('../peers/package.json', import.meta.url))('onnxruntime-node');
const session = await ort.InferenceSession.create(model, {
  intraOpNumThreads: Number(process.env.OMP_NUM_THREADS),
});
for (const batch of [1, 16]) {
  const values = Float32Array.from({ length: batch * 784 }, (_, i) => Math.sin(i * 1.37) * 1.4);
  const x = new ort.Tensor('float32', values, [batch, 1, 28, 28]);
  const indices = BigInt64Array.from({ length: batch }, (_, i) => BigInt(i));
  const t = new ort.Tensor('int64', indices, [batch]);
  await measure(`unet forward ${batch}`, () => session.run({ x, t }));
}
