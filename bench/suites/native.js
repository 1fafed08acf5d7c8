// backend-node beside PyTorch and onnxruntime-node, two threads each; and tfjs-node without our kernels.

const node = [process.execPath];
const python = [process.env.PYTHON ?? 'python3'];

export const systems = [
  { name: 'backend-node', command: node, script: 'tensorflow.js', threads: 2 },
  { name: 'tfjs-node', command: node, script: 'tensorflow.js', threads: 2 },
  { name: 'pytorch', command: python, script: 'pytorch_native.py', threads: 2 },
  { name: 'pytorch-compile', command: python, script: 'pytorch_native.py', threads: 2 },
  { name: 'onnxruntime-node', command: node, script: 'onnxruntime-node.js', threads: 2 },
];

const bar = (name, against, atLeast) => ({ case: name, system: 'backend-node', against, atLeast });

export const bars = [
  bar('unet step 64', 'pytorch', 1),
  bar('unet step 64', 'pytorch-compile', 1),
  bar('unet step 16', 'pytorch', 0.9),
  bar('unet forward 16', 'pytorch', 1),
  bar('unet forward 16', 'onnxruntime-node', 1),
  bar('unet forward 1', 'pytorch', 0.5),
  bar('unet step 64 peak memory', 'pytorch', 1 / 1.2),
];
