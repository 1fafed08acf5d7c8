import { SAMPLERS } from '@diffusion-ts/samplers';
import type { Cell } from '../runs/compare-run.js';
import { picture, type Shown } from './picture.js';
import { png, type Raster, rasterize } from './raster.js';

// In units of the SVG.
const CELL = 150;
const CAPTION = 26;
const GAP = 10;
const LEFT = 168;
const TOP = 28;

/** Samplers down, steps across; in each cell the samples, and below what they cost and how far they are. */
export async function comparison(cells: readonly Cell[], shown: Shown): Promise<Raster> {
  const samplers = [...new Set(cells.map(({ sampler }) => sampler))];
  const columns = [...new Set(cells.map(({ steps }) => steps).filter((steps) => steps !== undefined))];
  const pictures = await Promise.all(
    cells.map(async ({ samples }) => {
      const count = samples.length / shown.shape.reduce((product, n) => product * n, 1);
      const raster = await picture(samples, shown, Math.ceil(Math.sqrt(count)));
      return { ...raster, png: (await png(raster)).toString('base64') };
    }),
  );
  const { width, height } = pictures[0]!;
  const high = (CELL * height) / width;
  const row = high + CAPTION + GAP;
  const x = (column: number): number => LEFT + column * (CELL + GAP);
  const y = (i: number): number => TOP + i * row;
  const parts = [
    ...columns.map((steps, i) => text(x(i) + CELL / 2, 18, `${steps} steps`, 'middle', 13)),
    ...samplers.map((name, i) => text(8, y(i) + high / 2, SAMPLERS[name]!.title, 'start', 13)),
    ...cells.flatMap((cell, i) => {
      const [left, top] = [
        x(Math.max(0, columns.indexOf(cell.steps ?? -1))),
        y(samplers.indexOf(cell.sampler)),
      ];
      return [
        `<image x="${left}" y="${top}" width="${CELL}" height="${high}" href="data:image/png;base64,${pictures[i]!.png}"/>`,
        text(left + CELL / 2, top + high + 13, captionOf(cell), 'middle', 10),
      ];
    }),
  ];
  const size = [x(Math.max(1, columns.length)), y(samplers.length)];
  return rasterize(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size[0]}" height="${size[1]}" font-family="sans-serif">${parts.join('')}</svg>`,
  );
}

/** "20 ev. · 0.31 s · off by 0.042". */
function captionOf({ steps, evaluations, seconds, distance }: Cell): string {
  const asked = `${steps === undefined ? 'own steps: ' : ''}${Number(evaluations.toFixed(1))} ev.`;
  const off = distance === undefined ? '' : ` · off by ${distance.toPrecision(2)}`;
  return `${asked} · ${seconds.toFixed(2)} s${off}`;
}

function text(x: number, y: number, content: string, anchor: string, size: number): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" font-size="${size}" fill="#1c1d20">${content}</text>`;
}
