import { cosine, linear } from '@diffusion-ts/schedules';
import { describe, expect, it } from 'vitest';
import { decodePixels, encodePixels } from '../src/model/drawn-pixels.js';
import { decodePoints, encodePoints } from '../src/model/drawn-points.js';
import { drawnSchedule, handlesOf, logistic, moved, parseHandles } from '../src/model/drawn-schedule.js';
import { excerpt } from '../src/model/excerpt.js';
import { logTicks } from '../src/model/log-ticks.js';
import { planeName, planeNames } from '../src/model/plane-names.js';
import { readRunConfig } from '../src/model/run-config.js';
import { slicedWasserstein } from '../src/model/sliced-wasserstein.js';
import { spokenNumber } from '../src/model/spoken-number.js';
import { masked, penned } from '../src/model/strokes.js';

describe('a drawn schedule', () => {
  const handles = [8, 4, 2, 0, -2, -5, -9];

  it('has ᾱ = σ(ln SNR) at its handles', () => {
    const { alphaBars } = drawnSchedule(handles, 60);
    handles.slice(1).forEach((value, i) => {
      expect(alphaBars[10 * (i + 1) - 1]).toBeCloseTo(logistic(value), 12);
    });
  });

  it('falls at every step, and its slope has no jumps', () => {
    const { logSnr, steps } = drawnSchedule([8, 7.9, 2, 1.9, 1.8, -12, -12.1], 6000);
    const slopes = Array.from(logSnr.subarray(1), (value, i) => steps * (value - logSnr[i]!));
    const jumps = slopes.slice(1).map((slope, i) => Math.abs(slope - slopes[i]!));
    expect(Math.max(...slopes)).toBeLessThan(0);
    // Straight lines would turn by 80 at the fourth and fifth handle.
    expect(Math.max(...jumps)).toBeLessThan(0.5);
  });

  it('goes back to where a preset has its handles', () => {
    const schedule = cosine({ steps: 600 });
    const back = drawnSchedule(handlesOf(schedule), 600);
    for (const t of [99, 199, 299, 399, 499]) {
      expect(back.alphaBars[t]).toBeCloseTo(schedule.alphaBars[t]!, 2);
    }
  });

  it('keeps a handle between its neighbours', () => {
    expect(moved(handles, 3, 100)[3]).toBe(1.9);
    expect(moved(handles, 3, -100)[3]).toBe(-1.9);
    expect(moved(handles, 3, 0.5)).toEqual([8, 4, 2, 0.5, -2, -5, -9]);
  });

  it('is refused from an address unless its handles are seven falling numbers', () => {
    expect(parseHandles(handles.join(','))).toEqual(handles);
    for (const text of ['', '1,2,3,4,5,6,7', '8,4,2,0,-2,-5', '8,4,2,0,-2,-5,-99', '8,4,x,0,-2,-5,-9']) {
      expect(parseHandles(text)).toBeUndefined();
    }
  });
});

describe('points in the address', () => {
  it('come back to within a thousandth', () => {
    const points = Float32Array.of(-1.2, 0.3, 0, 0, 1.1, -0.77);
    decodePoints(encodePoints(points)).forEach((value, i) => {
      expect(Math.abs(value - points[i]!)).toBeLessThan(1e-3);
    });
  });
});

describe('a drawing in the address', () => {
  it('comes back in four levels of grey, and not at all from a text of another length', () => {
    const drawing = Float32Array.of(-1, 1, 0.3, -0.9, 1, 1, -1);
    const text = encodePixels(drawing, -1, 1);
    expect(text).toHaveLength(3);
    const back = decodePixels(text, 7, -1, 1)!;
    expect([...back].map((value) => Math.round(100 * value) / 100)).toEqual([-1, 1, 0.33, -1, 1, 1, -1]);
    expect(encodePixels(back, -1, 1)).toBe(text);
    for (const wrong of ['', `${text}A`, 'A A', 'ÄÖÜ']) expect(decodePixels(wrong, 7, -1, 1)).toBeUndefined();
  });
});

describe('the sliced Wasserstein distance', () => {
  it('is the mean of |cos| times the shift where one set is the other one moved', () => {
    const a = Float32Array.from({ length: 200 }, (_, i) => Math.sin(7 * i));
    const b = a.map((value, i) => value + (i % 2 === 0 ? 3 : 0));
    expect(slicedWasserstein(a, b, 1000)).toBeCloseTo((3 * 2) / Math.PI, 4);
    expect(slicedWasserstein(a, a)).toBe(0);
  });
});

describe('the names of runs', () => {
  const config = {
    data: 'moons',
    drawn: new Float32Array(),
    schedule: 'cosine',
    steps: 50,
    predicts: 'epsilon',
    loss: 'simple',
    seed: 0,
  } as const;

  it('say what sets them apart, and once what they share', () => {
    const other = { ...config, predicts: 'v', steps: 100 } as const;
    expect(planeNames([config, other])).toEqual({
      shared: 'moons · L simple · cosine · seed 0',
      own: ['ε · T 50', 'v · T 100'],
    });
  });

  it('are whole where nothing sets them apart', () => {
    expect(planeNames([config, config])).toEqual({
      shared: '',
      own: [planeName(config), planeName(config)],
    });
    expect(planeName(config)).toBe('moons · ε · L simple · cosine · T 50 · seed 0');
  });
});

describe('a spoken number', () => {
  it('has a minus sign and not a hyphen, and powers of ten where it is small', () => {
    expect([-3.33484, 0, 0.00001234, -1 / 0].map((value) => spokenNumber(value, 2))).toEqual([
      '−3.33',
      '0',
      '1.2 · 10⁻⁵',
      '−∞',
    ]);
  });
});

describe('the ticks of a logarithmic axis', () => {
  it('are round, and at least three however near or far its ends are', () => {
    expect(logTicks(0.0008, 1.2)).toEqual([0.001, 0.01, 0.1, 1]);
    expect(logTicks(0.0043, 0.66)).toEqual([0.01, 0.03, 0.1, 0.3]);
    expect(logTicks(0.12, 1.1)).toEqual([0.2, 0.5, 1]);
    expect(logTicks(0.22, 1.15)).toEqual([0.3, 0.5, 0.7, 1]);
    expect(logTicks(0.13, 0.26)).toEqual([0.15, 0.2, 0.25]);
    expect(logTicks(0.98, 1.004)).toEqual([0.98, 0.985, 0.99, 0.995, 1]);
    expect(logTicks(1e-13, 2)).toEqual([1e-12, 1e-9, 1e-6, 1e-3, 1]);
  });
});

describe('strokes', () => {
  it('are full at their middle and leave what is far away', () => {
    const image = penned(new Float32Array(784).fill(-1), 28, { x: 10.5, y: 5.5 });
    expect(image[5 * 28 + 10]).toBe(1);
    expect(image[20 * 28 + 20]).toBe(-1);
    const mask = masked(new Float32Array(784), 28, { x: 10.5, y: 5.5 }, 1);
    expect(mask.reduce((sum, value) => sum + value)).toBe(5);
  });
});

describe('the config of a run', () => {
  const config = {
    model: { _class_name: 'UNet2DModel', sample_size: 28 },
    process: { schedule: { kind: 'linear', steps: 50 }, predicts: 'v' },
  };

  it('becomes its schedule and process', () => {
    const run = readRunConfig(config);
    expect(run.schedule.betas).toEqual(linear({ steps: 50 }).betas);
    expect([run.predicts, run.variance, run.hidesLabels]).toEqual(['v', 'fixedSmall', true]);
    expect(run.model).toEqual({ sample_size: 28 });
  });

  it('is refused with the setting that is wrong', () => {
    const wrong = (change: object): string => {
      try {
        readRunConfig({ ...config, ...change });
      } catch (error) {
        return (error as Error).message;
      }
      return 'accepted';
    };
    expect(wrong({ model: { _class_name: 'MLP' } })).toContain('"MLP"');
    expect(wrong({ process: { schedule: { kind: 'spline', steps: 9 } } })).toContain('"spline"');
    expect(wrong({ process: { ...config.process, predicts: 'score' } })).toContain('process.predicts');
    expect(wrong({ process: { schedule: { kind: 'linear', steps: 1e9 } } })).toContain('steps');
    expect(wrong({ process: null })).toContain('process must be an object');
  });
});

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

describe('the derivation', () => {
  it('finds every line of code that it shows', async () => {
    const { DERIVATION_CODE } = await import('../src/model/derivation-code.js');
    for (const { lines } of Object.values(DERIVATION_CODE)) {
      expect(lines.length).toBeGreaterThan(2);
      expect(lines.filter(({ marked }) => marked).length).toBeGreaterThan(0);
    }
  });
});
