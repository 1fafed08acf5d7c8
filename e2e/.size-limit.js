// What a page downloads, tfjs and all, gzipped, where the bundler does not split: with both builds of our kernels, of which it
// runs one, 15 kB each. The binary of tfjs's wasm backend comes apart: 425 kB.
const app = (name, limit) => ({
  name,
  path: `sizes/${name}.js`,
  limit,
  gzip: true,
  modifyEsbuildConfig: (config) => ({ ...config, format: 'esm', target: 'es2022' }),
});

export default [
  app('schedule', '1.4 kB'),
  app('sampling-alone', '46 kB'),
  app('sampling', '143 kB'),
  app('training-points', '152 kB'),
  app('training-unet', '157 kB'),
];
