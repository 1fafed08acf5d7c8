import { expect, it } from 'vitest';
import { rng } from '../src/index.js';

it('without a backend a draw says what to import', () => {
  for (const draw of [() => rng(0).normal([2]), () => rng(0).uniform([2]), () => rng(0).integers([2], 3)])
    expect(draw).toThrow(
      /^no backend of tfjs is ready: import one, such as @tensorflow\/tfjs-backend-cpu, or await useWasm\(\)/,
    );
  // The host draws by itself.
  expect(rng(0).doubles(2)).toHaveLength(2);
});
