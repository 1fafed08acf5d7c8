import type { Distribution } from '@diffusion-ts/forward-process';
import type { Built, Network, RunConfig } from '@diffusion-ts/recipes';
import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import { SAMPLERS } from '@diffusion-ts/samplers';
import type { Params, Rng } from '@diffusion-ts/tensor';
import { Refusal } from '../errors.js';
import { sheetSize } from '../pictures/sheet.js';
import { type Drawn, type DrawOptions, draw } from './draw.js';
import type { Edit, EditedDrawing } from './edit.js';
import { partOf } from './parts.js';

// What sharp makes a picture of at most, and as many points as a set of them may have.
const MOST_PIXELS = 0x3fff ** 2;
const MOST_POINTS = 10_000_000;

/** That one picture can hold so many samples, before any is drawn. */
export function checkCount(network: Network, count: number, setting: string): void {
  if (!network.isImage) {
    if (count <= MOST_POINTS) return;
    throw new Refusal(
      `${setting} is ${count}: expected at most ${MOST_POINTS}, which one picture can hold.`,
      { exitCode: 2 },
    );
  }
  // A sample of a network that is told an image stands between that and the original.
  const each = network.image === undefined ? 1 : 3;
  const columns = each * columnsOf(network, count);
  const { width, height } = sheetSize(each * count, network.shape, columns);
  if (width * height <= MOST_PIXELS) return;
  throw new Refusal(
    `${setting} is ${count}: expected fewer, since one picture holds them all, and of ${width}×${height} pixels there is none.`,
    { exitCode: 2 },
  );
}

export interface SampleRunOptions {
  readonly built: Built;
  readonly params: Params;
  readonly settings: RunConfig['sampling'];
  /** Where all noise comes from: row i is that of sample i. */
  readonly rng: Rng;
  /** The class of sample i; by default the classes take turns, so that each has a column of a sheet. */
  readonly label?: ((i: number) => number) | undefined;
  /** The images that a network is told, where it is told any: the rows of samples `first` … . */
  readonly image?: DrawOptions['image'];
  /** What is drawn otherwise than from noise, or with the help of another run. */
  readonly edit?: Edit | undefined;
  readonly keep?: (index: number, total: number) => boolean;
  readonly batch?: number;
  readonly signal?: AbortSignal;
  readonly onStep?: (done: number) => void;
}

/** Draws samples from weights of a network. */
export async function sampleRun(options: SampleRunOptions): Promise<Drawn> {
  const { built, params, settings, edit } = options;
  const reverse = edit?.process() ?? built.process(params, settings.guidance);
  try {
    return await drawOf(reverse, { ...options, ...(await edit?.drawing(reverse, options.signal)) });
  } finally {
    reverse.dispose();
  }
}

/** The same from the process of those weights. */
export async function drawOf(
  reverse: ReverseProcess<Distribution>,
  {
    built,
    settings,
    sampler,
    keep,
    label,
    ...rest
  }: Omit<SampleRunOptions, 'params' | 'edit'> & EditedDrawing,
): Promise<Drawn> {
  const { network, latentShape } = built;
  const { classes } = network;
  return draw(reverse, {
    batch: partOf(network),
    keepsParts: SAMPLERS[settings.sampler]!.findsSteps,
    ...rest,
    // Latents are no pictures.
    ...(keep && latentShape === undefined && { keep }),
    sampler: sampler ?? built.sampler(settings),
    shape: network.shape,
    count: settings.count,
    label: classes === undefined ? undefined : (label ?? ((i) => i % classes)),
  });
}

/**
 * Columns of a sheet: one for each class where the classes take turns, as those of test images do not, and come out even,
 * otherwise as many as make the sheet full and nearly square, if any do.
 */
export function columnsOf({ classes, image }: Network, count: number, inTurns = true): number {
  if (
    classes !== undefined &&
    image === undefined &&
    inTurns &&
    classes > 1 &&
    classes <= 16 &&
    count % classes === 0
  )
    return classes;
  const square = Math.ceil(Math.sqrt(count));
  for (let columns = square; columns <= 2 * square; columns++) if (count % columns === 0) return columns;
  return square;
}
