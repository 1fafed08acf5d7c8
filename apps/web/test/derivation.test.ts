import { useWasm } from '@diffusion-ts/backend-wasm';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { simple, variationalBound } from '@diffusion-ts/losses';
import { fixedSmall, PREDICTIONS, reverseProcess } from '@diffusion-ts/reverse-process';
import { cosine } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { DERIVATION_CODE } from '../src/derivation/code.js';
import { excerpt } from '../src/derivation/excerpt.js';
import { boundWeight } from '../src/derivation/simple-loss.js';
import { PLANE_PREDICTIONS } from '../src/plane/config.js';

describe('an excerpt', () => {
  const source =
    'const a = 1;\n  function f(\n    x: number,\n  ): number {\n    return x + a;\n  }\nf(2);\n';

  it('ends where the function closes, without its indent', () => {
    const { line, lines } = excerpt('f.ts', source, 'function f', ['return']);
    expect(line).toBe(2);
    expect(lines.map(({ text }) => text)).toEqual([
      'function f(',
      '  x: number,',
      '): number {',
      '  return x + a;',
      '}',
    ]);
    expect(lines.map(({ marked }) => marked)).toEqual([false, false, false, true, false]);
  });

  it('says so when the code has moved on', () => {
    expect(() => excerpt('f.ts', source, 'function g', [])).toThrow('f.ts does not contain "function g"');
    expect(() => excerpt('f.ts', source, 'function f', ['throw'])).toThrow('does not contain "throw"');
  });
});

describe('the simple loss beside the bound', () => {
  beforeAll(() => useWasm());

  for (const predicts of PLANE_PREDICTIONS) {
    it(`of ${predicts}, weighed, is the term of the bound`, () => {
      const schedule = cosine({ steps: 50 });
      const forward = gaussianDiffusion(schedule);
      const said = rng(1).normal([6, 2]);
      const reverse = reverseProcess({
        forward,
        predicts: PREDICTIONS[predicts],
        variance: fixedSmall,
        denoiser: () => tf.clone(said),
      });
      const [x0, noise] = [rng(2).normal([6, 2]), rng(3).normal([6, 2])];
      for (const t of [1, 10, 40, 49]) {
        const context = { reverse, x0, noise, t: new Float64Array(6).fill(t) };
        const errors = simple()(context).perExample.dataSync();
        const terms = variationalBound()(context).perExample.dataSync();
        const weight = boundWeight(predicts, schedule, t);
        terms.forEach((term, i) => {
          expect((weight * errors[i]!) / term, `t ${t}`).toBeCloseTo(1, 3);
        });
      }
    });
  }
});

describe('the derivation', () => {
  it('finds every line of code that it shows', () => {
    for (const { lines } of Object.values(DERIVATION_CODE)) {
      expect(lines.length).toBeGreaterThan(2);
      expect(lines.filter(({ marked }) => marked).length).toBeGreaterThan(0);
    }
  });
});
