import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Batch, disposeBatch } from '@diffusion-ts/datasets';
import { type Built, build, type RunConfig } from '@diffusion-ts/recipes';
import { atOnce } from '@diffusion-ts/reverse-process';
import { disposeParams, type Params, rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { isDead, sentence } from '../errors.js';
import { type Shown, strip } from '../pictures/picture.js';
import { png } from '../pictures/raster.js';
import { onAll } from '../ranks.js';
import { writeReport } from '../report/report.js';
import { readConfig } from '../run/folder.js';
import { replaceFile } from '../run/replace-file.js';
import { sheetFile } from '../run/sheets.js';
import { weightsOf } from '../run/weights.js';
import { sharedParams } from '../shared.js';
import { openData } from './open-data.js';
import { MOMENTS, reverseFrames, shownOf } from './reverse-frames.js';
import { watchingSheet } from './watching-sheet.js';

const RECONSTRUCTIONS = 6;

/** Draws what pictures of a run are missing at its end, on all ranks, and writes its report. Returns the report's path. */
export async function finishRun(run: string, signal: AbortSignal): Promise<string> {
  const config = readConfig(run);
  const built = build(config);
  if (built.classifier !== undefined) return writeReport(run);
  const { step, params } = await weightsOf(run, built.network);
  try {
    if (!existsSync(sheetFile(run, step))) {
      await orSay('sheet', signal, async () => {
        const sheet = await onAll('sheet', { config }, async () =>
          watchingSheet(built, await sharedParams(params), config, signal),
        );
        replaceFile(sheetFile(run, step), await png(sheet));
      });
    }
    const shown = { data: config.data, shape: built.network.shape };
    if (built.latentShape === undefined) await writeProcess(run, config, built, params, signal);
    else {
      await orSay('picture of reconstructions', signal, async () => {
        await write(run, 'reconstructions', await reconstructions(config, built, params), shown);
      });
    }
    return writeReport(run);
  } finally {
    disposeParams(params);
  }
}

/** The way of some data to the noise, and that of as many samples back. */
async function writeProcess(
  run: string,
  config: RunConfig,
  built: Built,
  params: Params,
  signal: AbortSignal,
): Promise<void> {
  const shown = { data: config.data, shape: built.network.shape };
  await orSay('picture of the forward process', signal, async () => {
    // That of the weights, which may have learned it.
    const process = built.process(params);
    try {
      await write(run, 'forward', await forwardMoments(config, process), shown);
    } finally {
      process.dispose();
    }
  });
  await orSay('picture of the reverse process', signal, async () => {
    const frames = await onAll('reverse', { config }, async () =>
      reverseFrames(built, await sharedParams(params), config, signal),
    );
    await write(run, 'reverse', frames, shown);
  });
}

/** Test data, and what is left of them by their way through the latents. */
async function reconstructions(config: RunConfig, built: Built, params: Params): Promise<Float32Array[]> {
  const batch = await testData(config, RECONSTRUCTIONS);
  const process = built.process(params);
  const { end } = process.forward.schedule;
  try {
    const decoded = tf.tidy(() => {
      const z = process.forward.marginal(batch.x0, end).mode();
      return atOnce(process.evaluate(z, end)).x0();
    });
    const moments = [batch.x0, decoded].map((x) => x.dataSync<'float32'>());
    decoded.dispose();
    return moments;
  } finally {
    process.dispose();
    disposeBatch(batch);
  }
}

/** Draws a picture, which costs itself alone where it cannot be drawn. */
async function orSay(name: string, signal: AbortSignal, drawn: () => Promise<void>): Promise<void> {
  try {
    await drawn();
  } catch (error) {
    if (signal.aborted || isDead(error)) throw error;
    console.error(`There is no ${name}: ${sentence(error)}.`);
  }
}

async function write(
  run: string,
  name: string,
  moments: readonly Float32Array[],
  shown: Shown,
): Promise<void> {
  replaceFile(join(run, 'pictures', `${name}.png`), await png(await strip(moments, shown)));
}

/** Test data x_0, and x_t at evenly spaced t up to the last. */
async function forwardMoments(
  config: RunConfig,
  { forward }: ReturnType<Built['process']>,
): Promise<Float32Array[]> {
  const batch = await testData(config, shownOf(config));
  const { x0 } = batch;
  const { steps, start, end } = forward.schedule;
  const noise = forward.noise(rng(config.training.seed).fork('forward'), x0.shape);
  const at = (moment: number): Float32Array =>
    tf.tidy(() => {
      const part = moment / (MOMENTS - 1);
      const t = steps === undefined ? start + part * (end - start) : Math.round(part * end);
      return forward.sample(x0, t, noise).dataSync<'float32'>();
    });
  try {
    const data = (await x0.data()) as Float32Array;
    return [data, ...Array.from({ length: MOMENTS - 1 }, (_, i) => at(i + 1))];
  } finally {
    noise.dispose();
    disposeBatch(batch);
  }
}

async function testData(config: RunConfig, count: number): Promise<Batch> {
  const dataset = await openData(config.data, 'test');
  return dataset.batch(Array.from({ length: Math.min(count, dataset.size) }, (_, i) => i));
}
