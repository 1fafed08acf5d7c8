// backend-wasm beside tfjs's wasm backend as shipped, onnxruntime-web, jax-js and PyTorch, one thread each.

import { convolutions, norms, otherConvolutions, products } from '../cases.js';

const node = [process.execPath];

export const systems = [
  { name: 'backend-wasm', command: node, script: 'tfjs.js', threads: 1 },
  { name: 'tfjs-wasm', command: node, script: 'tfjs.js', threads: 1 },
  { name: 'onnxruntime-web', command: node, script: 'onnxruntime-web.js', threads: 1 },
  { name: 'jax-js', command: node, script: 'jax-js.js', threads: 1 },
  { name: 'pytorch', command: [process.env.PYTHON ?? 'python3'], script: 'pytorch.py', threads: 1 },
];

const ours = 'backend-wasm';
const bar = (name, against, atLeast, than) => ({ case: name, system: ours, against, atLeast, than });

/** `than` is the case of the peer, where it is another one. */
export const bars = [
  ...convolutions.flatMap(({ name }) => [
    bar(`${name} forward`, 'tfjs-wasm', 2.5),
    bar(`${name} input gradient`, 'tfjs-wasm', 2.5, `${name} forward`),
    bar(`${name} filter gradient`, 'tfjs-wasm', 1.7, `${name} forward`),
  ]),
  ...otherConvolutions.flatMap(({ name }) =>
    ['forward', 'input gradient', 'filter gradient'].map((part) =>
      bar(`${name} ${part}`, 'tfjs-wasm', 1, `${name} forward`),
    ),
  ),
  ...products.flatMap(({ name }) =>
    ['nn', 'nt', 'tn', 'tt'].map((how) => bar(`${name} ${how}`, 'tfjs-wasm', 1, `${name} nn`)),
  ),
  bar('unet forward 1', 'onnxruntime-web', 2.5),
  bar('unet forward 16', 'onnxruntime-web', 2.3),
  bar('unet step 16', 'pytorch', 0.4),
  ...norms.flatMap(({ name }) => [
    bar(`${name} forward`, ours, 1 / 2, `${name} copy`),
    bar(`${name} backward`, ours, 1 / 4, `${name} copy`),
  ]),
  bar('adamw 4e6 step', ours, 1 / 2, 'adamw 4e6 copies'),
];
