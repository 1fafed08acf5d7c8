import { existsSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import {
  type DenoisingNetwork,
  type Network,
  type RunConfig,
  samplerAt,
  timesOf,
} from '@diffusion-ts/recipes';
import type { GaussianReverseProcess, ReverseProcess } from '@diffusion-ts/reverse-process';
import { autoguided, ddimInversion, inpainted, sdedit, slerp } from '@diffusion-ts/samplers';
import { lastOf } from '@diffusion-ts/schedules';
import { disposeParams, finish } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Opened } from '../diffusers.js';
import { Refusal } from '../errors.js';
import { pictureSize, readPicture } from '../pictures/read-picture.js';
import type { DrawOptions } from './draw.js';
import { openModel } from './open-model.js';

/** What a command says of pictures to begin with, and of a run to guide by. */
export interface Editing {
  /** A picture to start from. */
  readonly init?: string;
  /** How much of the way to noise it goes. */
  readonly strength?: number;
  /** A picture that is white where something new is drawn. */
  readonly mask?: string;
  /** Two pictures, to go from one to the other. */
  readonly interpolate?: readonly string[];
  /** A worse run, or an earlier step of one, RUN@STEP. */
  readonly guide?: string;
}

/** What is drawn by otherwise: the sampler, where that begins, and the class. */
export interface EditedDrawing extends Pick<DrawOptions, 'start' | 'label'> {
  readonly sampler?: ReturnType<Opened['built']['sampler']>;
}

/** What is drawn otherwise than from noise alone. */
export interface Edit {
  /** The process that is drawn with; whoever asks for it disposes it. */
  process(): ReverseProcess & { dispose(): void };
  /** What it is drawn by. */
  drawing(reverse: ReverseProcess, signal: AbortSignal | undefined): Promise<EditedDrawing>;
  /** Frees the pictures, and the weights of the other run. */
  dispose(): void;
}

/** How many pictures there are from one to the other, unless it is said. */
export const BETWEEN = 8;

/** How far from a picture a sample may go, unless it is said. */
const STRENGTH = 0.6;

/**
 * That what a command says of editing goes together, and the files are there.
 * @throws Refusal naming the option.
 */
export function checkEditing(
  { init, strength, mask, interpolate, guide }: Editing,
  given: { sampler?: string; eta?: number; guidance?: number; seeds?: unknown; condition?: unknown },
): void {
  const refuse = (sentence: string): never => {
    throw new Refusal(sentence, { exitCode: 2 });
  };
  if (init === undefined) {
    if (strength !== undefined)
      refuse('--strength goes with --init: it says how far from it a sample may go.');
    if (mask !== undefined) refuse('--mask goes with --init: it says what of it is drawn anew.');
  } else if (interpolate !== undefined) {
    refuse('--init does not go with --interpolate, which has pictures of its own.');
  }
  if (interpolate !== undefined) {
    if (interpolate.length !== 2) {
      refuse(`--interpolate takes two pictures, not ${interpolate.length}: name the run before it.`);
    }
    if ((given.sampler ?? 'ddim') !== 'ddim' || (given.eta ?? 0) !== 0) {
      refuse('--interpolate goes the way of --sampler ddim with --eta 0, which alone it knows backwards.');
    }
    if (given.guidance !== undefined || guide !== undefined) {
      refuse(
        '--guidance does not go with --interpolate: the way back to noise is that of the network alone.',
      );
    }
    if (given.seeds !== undefined) refuse('--seeds does not go with --interpolate, which draws no noise.');
  }
  if (guide !== undefined && given.guidance === undefined) {
    refuse('--guide needs --guidance: how far to go from what the other run says.');
  }
  for (const [option, file] of [
    ['--init', init],
    ['--mask', mask],
    ...(interpolate ?? []).map((file) => ['--interpolate', file] as const),
  ] as const) {
    if (file === undefined || existsSync(file)) continue;
    refuse(`${option} is ${file}, and there is nothing of that name: expected a picture.`);
  }
  if (given.condition !== undefined && (init ?? interpolate) !== undefined) {
    refuse(
      `--condition does not go with ${init === undefined ? '--interpolate' : '--init'}: one picture is told, the other edited.`,
    );
  }
}

/**
 * Reads what is edited, and opens the run to guide by.
 * @throws Refusal if the model cannot be edited so, a picture is none, or the other run says something else.
 */
export async function openEdit(
  editing: Editing,
  {
    folder,
    settings,
    label,
    ...opened
  }: Opened & {
    readonly folder: string;
    readonly settings: RunConfig['sampling'];
    /** The class of all samples, if one is asked for. */
    readonly label: number | undefined;
  },
): Promise<Edit | undefined> {
  const { init, strength, interpolate, guide } = editing;
  if ((init ?? interpolate ?? guide) === undefined) return undefined;
  checkModel(editing, opened, settings.count, label);
  const { built, params } = opened;
  const { network } = built;
  const shape = network.shape as Shape;
  const images: Float32Array[] = [];
  for (const file of [init ?? [], interpolate ?? []].flat()) {
    images.push((await readPicture(file, shape[2], [[shape[0], shape[1]]])).values);
  }
  const known = await readMask(editing, shape);
  const other = guide === undefined ? undefined : await openGuide(guide, folder, opened);
  const kept = known && { image: tf.tensor(images[0]!, [1, ...shape]), known };

  return {
    process() {
      // The way back to noise is that of the network alone.
      const plain = built.process(params, other || interpolate ? 0 : settings.guidance);
      const led = other
        ? autoguided(plain as unknown as GaussianReverseProcess, {
            scale: settings.guidance,
            bad: other.network.denoiser(other.params),
          })
        : plain;
      return { ...(kept ? inpainted(led, kept) : led), dispose: () => plain.dispose() };
    },
    async drawing(reverse, signal) {
      if (interpolate !== undefined) return between(images, reverse, { built, settings, label, signal });
      // What must stay is kept by the process: unless it is said how far from it the rest may go, that is drawn from noise.
      if (init === undefined || (kept && strength === undefined)) return {};
      const times = lastOf(strength ?? STRENGTH, timesOf(settings, built.forward.schedule));
      return {
        sampler: sdedit((times) => samplerAt(settings, times), times),
        start: (_, rows) => tf.tidy(() => tf.tile(tf.tensor(images[0]!, [1, ...shape]), [rows, 1, 1, 1])),
      };
    },
    dispose() {
      tf.dispose(kept ?? {});
      if (other !== undefined) disposeParams(other.params);
    },
  };
}

type Shape = [height: number, width: number, channels: number];

/** The way from one picture to another: the noise that DDIM makes each of, and what it makes of the noise between. */
async function between(
  images: readonly Float32Array[],
  reverse: ReverseProcess,
  {
    built: { network, forward, sampler },
    settings,
    label = network.nullLabel,
    signal,
  }: Pick<Opened, 'built'> & {
    readonly settings: RunConfig['sampling'];
    readonly label: number | undefined;
    readonly signal: AbortSignal | undefined;
  },
): Promise<EditedDrawing> {
  const deterministic = { ...settings, sampler: 'ddim' as const, eta: 0 };
  const ends = tf.tensor([...images[0]!, ...images[1]!], [2, ...network.shape]);
  const condition = label === undefined ? undefined : { label: tf.fill([2], label, 'int32') };
  try {
    const invert = ddimInversion({ times: timesOf(deterministic, forward.schedule) });
    const xT = await finish(
      invert(reverse, ends, { ...(condition && { condition }), ...(signal && { signal }) }),
    );
    const weights = Array.from({ length: settings.count }, (_, i) => i / (settings.count - 1));
    const latents = tf.tidy(() => slerp(xT, weights).dataSync<'float32'>());
    xT.dispose();
    const size = images[0]!.length;
    return {
      sampler: sampler(deterministic),
      start: (first, rows) =>
        tf.tensor(latents.subarray(first * size, (first + rows) * size), [rows, ...network.shape]),
      ...(label !== undefined && { label: () => label }),
    };
  } finally {
    tf.dispose([ends, condition ?? {}]);
  }
}

/** That a model draws images which can be edited so. */
function checkModel(
  { init, interpolate, guide }: Editing,
  { built: { network, latentShape }, config }: Opened,
  count: number,
  label: number | undefined,
): void {
  const option = init !== undefined ? '--init' : interpolate !== undefined ? '--interpolate' : '--guide';
  const refuse = (sentence: string): never => {
    throw new Refusal(sentence, { exitCode: 2 });
  };
  if (config.process.noise !== 'gaussian' || latentShape !== undefined) {
    refuse(`${option} goes with a run of Gaussian noise, of which one can take a part: this one has none.`);
  }
  if (guide !== undefined && option === '--guide') return;
  if (!network.isImage || config.data.kind === 'latents') {
    refuse(
      `${option} goes with a run that draws images: this one draws ${network.isImage ? 'latents' : 'points'}.`,
    );
  }
  if (network.image !== undefined) {
    refuse(`${option} does not go with a run that is told an image: --condition says which.`);
  }
  if (interpolate === undefined) return;
  if (count < 2)
    refuse(
      `--count is ${count}: expected at least 2 with --interpolate, which begins and ends with a picture.`,
    );
  if (network.classes !== undefined && (label ?? network.nullLabel) === undefined) {
    refuse('--interpolate needs --class: this model draws nothing without one.');
  }
}

/** Where a mask is black, `[1, height, width, 1]`; undefined without one. */
async function readMask({ init, mask }: Editing, [height, width]: Shape): Promise<tf.Tensor | undefined> {
  if (mask === undefined) return undefined;
  const [own, expected] = [await pictureSize(mask), await pictureSize(init!)];
  if (own.join() !== expected.join()) {
    throw new Refusal(
      `${mask} has ${own[1]}×${own[0]} pixels: expected ${expected[1]}×${expected[0]}, as ${init} has.`,
      { exitCode: 2 },
    );
  }
  const { values } = await readPicture(mask, 1, [[height, width]]);
  if (values.every((value) => value < 0)) {
    throw new Refusal(`${mask} is black all over: expected some white, where something new is to be drawn.`, {
      exitCode: 2,
    });
  }
  return tf.tensor(
    Array.from(values, (value) => value < 0),
    [1, height, width, 1],
    'bool',
  );
}

/** What of a process two networks must share to say the same kind of thing. */
const SHARED = ['schedule', 'zeroTerminalSnr', 'predicts', 'variance', 'sigmaData'] as const;

/** The network of another run, or of an earlier step of one, that says the same kind of thing. */
async function openGuide(
  guide: string,
  folder: string,
  { config, built: { network } }: Opened,
): Promise<Pick<Opened, 'params'> & { readonly network: DenoisingNetwork }> {
  const at = existsSync(guide) ? -1 : guide.lastIndexOf('@');
  const step = at < 0 ? undefined : Number(guide.slice(at + 1));
  if (step !== undefined && !Number.isSafeInteger(step)) {
    throw new Refusal(`--guide is ${guide}: expected a run, or RUN@STEP with the step of a checkpoint.`, {
      exitCode: 2,
    });
  }
  const other = await openModel(at < 0 ? guide : guide.slice(0, at), step);
  const theirs = other.built.network;
  const differs = SHARED.find((key) => !isDeepStrictEqual(other.config.process[key], config.process[key]));
  const known = (of: Network): string =>
    `${of.classes ?? 'no'} classes${of.nullLabel === undefined ? '' : ' and none'}`;
  const problem =
    other.built.classifier !== undefined
      ? 'tells classes (--classifier): expected a run that draws'
      : theirs.shape.join() !== network.shape.join()
        ? `draws ${theirs.shape.join('×')}: expected ${network.shape.join('×')}`
        : differs !== undefined
          ? `has another process.${differs}: expected ${JSON.stringify(config.process[differs])}`
          : other.config.data.kind !== config.data.kind
            ? `learned of ${other.config.data.kind}: expected ${config.data.kind}`
            : known(theirs) !== known(network) || theirs.image?.join() !== network.image?.join()
              ? `is told ${known(theirs)}${theirs.image ? ' and an image' : ''}: expected ${known(network)}${network.image ? ' and an image' : ''}`
              : undefined;
  if (problem === undefined) return { params: other.params, network: theirs as DenoisingNetwork };
  disposeParams(other.params);
  throw new Refusal(`${guide} ${problem}, as ${folder} does, which it is to guide.`, { exitCode: 2 });
}
