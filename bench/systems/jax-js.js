// jax-js on WebAssembly. Of the convolutions only the smallest: the others take four seconds each.

import { defaultDevice, init, lax, numpy, random } from '@jax-js/jax';
import { convolutions, products } from '../cases.js';
import { measure } from '../measure.js';

await init('wasm');
defaultDevice('wasm');
const normal = (seed, ...shape) => random.normal(random.key(seed), shape);

const c = convolutions[1];
const x = normal(1, c.batch, c.channels, c.size, c.size);
const weight = normal(2, c.filters, c.channels, 3, 3);
await measure(`${c.name} forward`, () => lax.conv(x.ref, weight.ref, [1, 1], 'SAME').data());
for (const { name, batch, m, n, k } of products) {
  const [a, b] = [normal(1, batch, m, k), normal(2, batch, k, n)];
  await measure(`${name} nn`, () => numpy.matmul(a.ref, b.ref).data());
}
