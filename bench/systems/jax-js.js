// jax-js on WebAssembly. Half a second a call: only the smallest convolution.

import { defaultDevice, init, lax, random } from '@jax-js/jax';
import { convolutions } from '../cases.js';
import { measure } from '../measure.js';

await init('wasm');
defaultDevice('wasm');
const c = convolutions[1];
const x = random.normal(random.key(1), [c.batch, c.channels, c.size, c.size]);
const weight = random.normal(random.key(2), [c.filters, c.channels, 3, 3]);
await measure(`${c.name} forward`, async () => {
  const y = lax.conv(x.ref, weight.ref, [1, 1], 'SAME');
  await y.data();
});
