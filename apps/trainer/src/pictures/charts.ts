import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { Metrics } from '../run/metrics.js';

/** The mean of one term of the bound over the images that were evaluated at t. */
export interface BoundTerm {
  readonly t: number;
  readonly bitsPerDim: number;
}

// In a page the colours follow its theme; a file stands on white.
const PAGE = {
  accent: 'var(--accent)',
  grid: 'var(--grid)',
  quartiles: ['var(--q1)', 'var(--q2)', 'var(--q3)', 'var(--q4)'],
};
const PAPER = { accent: '#3564c9', grid: '#8884', quartiles: ['#3564c9', '#0f8a7d', '#c77700', '#c0392b'] };
type Colours = typeof PAGE;

const MOST_POINTS = 400;

export function lossCurve(metrics: readonly Metrics[]): string {
  const points = binned(metrics, ({ loss }) => loss);
  return line('loss', points, [
    Plot.lineY(points, { x: 'step', y: 'value', stroke: PAGE.accent, strokeOpacity: 0.3, strokeWidth: 1 }),
    Plot.lineY(
      points,
      Plot.windowY(
        { k: Math.max(1, Math.ceil(points.length / 25)), anchor: 'middle', strict: false },
        { x: 'step', y: 'value', stroke: PAGE.accent, strokeWidth: 2 },
      ),
    ),
  ]);
}

/** The loss of each quarter of the timesteps, from the least noise (first) to the most. */
export function quartileCurves(metrics: readonly Metrics[]): string {
  const curves = [0, 1, 2, 3].map((q) => binned(metrics, ({ quartiles }) => quartiles[q] ?? null));
  const window = {
    k: Math.max(1, Math.ceil(curves[0]!.length / 25)),
    anchor: 'middle',
    strict: false,
  } as const;
  return line(
    'loss',
    curves.flat(),
    [
      ...curves.map((points, q) =>
        Plot.lineY(
          points,
          Plot.windowY(window, { x: 'step', y: 'value', stroke: PAGE.quartiles[q]!, strokeWidth: 1.75 }),
        ),
      ),
      Plot.text(
        curves.flatMap((points, q) => points.slice(-1).map((point) => ({ ...point, q }))),
        {
          x: 'step',
          y: 'value',
          text: ({ q }: { q: number }) => `${['first', 'second', 'third', 'last'][q]} quarter`,
          fill: ({ q }: { q: number }) => PAGE.quartiles[q]!,
          textAnchor: 'start',
          dx: 6,
        },
      ),
    ],
    110,
  );
}

/** L_{t−1} over t. As a file of its own, or in the colours of a page. */
export function boundByTime(terms: readonly BoundTerm[], { page = false }: { page?: boolean } = {}): string {
  const colours: Colours = page ? PAGE : PAPER;
  const positive = terms.filter(({ bitsPerDim }) => bitsPerDim > 0);
  return svg({
    width: 1080,
    height: 340,
    marginLeft: 60,
    x: {
      label: 't →',
      type: 'symlog',
      ticks: [0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000],
      tickFormat: 'd',
    },
    y: { label: '↑ bits per dimension at t', type: 'log', grid: true, ticks: 5, tickFormat: decimal },
    marks: [
      Plot.lineY(positive, { x: 't', y: 'bitsPerDim', stroke: colours.accent, strokeWidth: 1.5 }),
      Plot.dot(positive, { x: 't', y: 'bitsPerDim', fill: colours.accent, r: 1.8 }),
    ],
  });
}

/** Clouds of points of the plane side by side, `values` [count, 2] each. */
export function scatter(clouds: readonly Float32Array[]): string {
  const points = clouds.flatMap((values, cloud) =>
    Array.from({ length: values.length / 2 }, (_, i) => ({
      cloud,
      x: values[2 * i]!,
      y: values[2 * i + 1]!,
    })),
  );
  const side = clouds.length === 1 ? 400 : 150;
  // Data fill [−1, 1]; beside them noise is shown too.
  const reach = clouds.length === 1 ? 1.25 : 1.6;
  return svg({
    width: side * clouds.length,
    height: side,
    margin: 6,
    axis: null,
    fx: { padding: 0.04, axis: null },
    x: { domain: [-reach, reach] },
    y: { domain: [-reach, reach] },
    marks: [
      Plot.frame({ stroke: PAPER.grid }),
      Plot.dot(points, {
        fx: 'cloud',
        x: 'x',
        y: 'y',
        r: 1.3,
        fill: PAPER.accent,
        fillOpacity: 0.7,
        clip: true,
      }),
    ],
  });
}

function line(
  label: string,
  points: readonly { value: number }[],
  marks: Plot.Markish[],
  marginRight = 20,
): string {
  const log = points.length > 0 && points.every(({ value }) => value > 0);
  return svg({
    marginLeft: 55,
    marginRight,
    x: { label: 'step →' },
    y: { label: `↑ ${label}`, type: log ? 'log' : 'linear', grid: true, ticks: 5, tickFormat: decimal },
    marks,
  });
}

/** At the whole powers of ten and at their doubles and fivefolds only, so that the labels of a log axis keep apart. */
function decimal(y: number): string {
  const digit = y / 10 ** Math.floor(Math.log10(y) + 1e-9);
  return [1, 2, 5].includes(Math.round(digit * 1000) / 1000) ? `${+y.toPrecision(3)}` : '';
}

function svg(options: Plot.PlotOptions): string {
  const { document } = parseHTML('<html></html>');
  const plot = Plot.plot({ document, width: 560, height: 300, style: { fontSize: '12px' }, ...options });
  plot.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return plot.outerHTML;
}

/** At most `MOST_POINTS` means of consecutive values, each at the last step that it covers. */
function binned(
  metrics: readonly Metrics[],
  value: (metrics: Metrics) => number | null,
): { step: number; value: number }[] {
  const known = metrics.flatMap((m) => {
    const v = value(m);
    return v === null ? [] : [{ step: m.step, value: v }];
  });
  const size = Math.ceil(known.length / MOST_POINTS);
  return Array.from({ length: Math.ceil(known.length / Math.max(size, 1)) }, (_, i) => {
    const bin = known.slice(i * size, (i + 1) * size);
    return { step: bin.at(-1)!.step, value: bin.reduce((sum, b) => sum + b.value, 0) / bin.length };
  });
}
