import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { disposeParams } from '@diffusion-ts/tensor';
import { startBackend } from './backend.js';
import { openData } from './build/data.js';
import { fitModel } from './build/network.js';
import { checkConfig } from './config/read.js';
import type { RunConfig } from './config/schema.js';
import { fail } from './errors.js';
import { evaluateRun } from './evaluate-run.js';
import { finishRun } from './finish-run.js';
import { interruptible } from './interrupt.js';
import { openModel } from './open-model.js';
import { writeAnimation, writePicture } from './pictures/picture.js';
import { mnist } from './presets/mnist.js';
import { progress } from './progress.js';
import { writeEvaluation } from './run/evaluation.js';
import { createRun, findStep, hasConfig, readConfig } from './run/folder.js';
import { columnsOf, sampleRun } from './sample-run.js';
import { trainRun } from './train-run.js';

// From nothing to pictures: trains the preset `mnist`, samples and evaluates it.

const RUN = join('runs', 'quickstart');
const MOST_MINUTES = 5;
const TEST_IMAGES = 256;
const TIMESTEPS = 32;

async function quickstart(signal: AbortSignal): Promise<void> {
  await startBackend('wasm');
  const config = await quickstartConfig();
  const from = begin(config);
  const budget = new AbortController();
  setTimeout(() => budget.abort(), MOST_MINUTES * 60_000).unref();
  console.error(
    `Training on 60,000 digits for at most ${MOST_MINUTES} minutes; Ctrl-C stops, and the next quickstart goes on.`,
  );
  const step = await trainRun({ run: RUN, config, from, signal: AbortSignal.any([signal, budget.signal]) });
  signal.throwIfAborted();
  if (step < config.training.steps) {
    console.error(
      `This machine got through ${step} of ${config.training.steps} steps in ${MOST_MINUTES} minutes: the digits will be rougher.`,
    );
  }

  const { built, params } = await openModel(RUN);
  try {
    const { network } = built;
    const count = 64;
    const settings = { ...config.sampling, sampler: 'ddim', count } as const;
    const drawing = progress('sample', 0, count);
    const { samples, frames } = await sampleRun({
      ...built,
      params,
      process: config.process,
      settings,
      seed: 0,
      every: 1,
      signal,
      onStep: (done) => drawing.update(Math.floor(done * count), ''),
    });
    drawing.stop();
    const columns = columnsOf(network, count);
    await writePicture(join(RUN, 'samples.png'), samples, network.shape, columns);
    await writeAnimation(join(RUN, 'reverse.gif'), frames, network.shape, columns);

    const evaluating = progress('evaluate', 0, TEST_IMAGES);
    const dataset = await openData(config.data, 'test');
    const evaluation = await evaluateRun({
      config,
      built,
      params,
      dataset,
      limit: TEST_IMAGES,
      timesteps: TIMESTEPS,
      seed: 0,
      signal,
      onImages: (done) => evaluating.update(Math.floor(done), ''),
    });
    evaluating.stop();
    writeEvaluation(RUN, { step, split: 'test', timesteps: TIMESTEPS, ...evaluation });
    await finishRun(RUN, signal);
    const { bitsPerDim, standardError } = evaluation;
    console.log(
      `${bitsPerDim.toFixed(3)} ± ${standardError.toFixed(3)} bits per dimension on ${TEST_IMAGES} test images (an upper bound)`,
    );
    for (const file of ['samples.png', 'reverse.gif', 'report.html']) console.log(join(RUN, file));
  } finally {
    disposeParams(params);
  }
}

async function quickstartConfig(): Promise<RunConfig> {
  const config = checkConfig({ ...mnist }, 'The preset mnist');
  return { ...config, model: fitModel(config, await openData(config.data, 'train')) };
}

/** Goes on with a quickstart that was interrupted, and otherwise begins anew, in the place of an earlier one. */
function begin(config: RunConfig): number | undefined {
  const step = interruptedAt(config);
  if (step !== undefined) {
    console.error(`Going on at step ${step} with the quickstart that was interrupted.`);
    return step;
  }
  if (existsSync(RUN)) {
    console.error(`Replacing the earlier quickstart in ${RUN}.`);
    rmSync(RUN, { recursive: true });
  }
  createRun(RUN, config);
  return undefined;
}

/** The step of an earlier quickstart with the same settings that did not come to its end. */
function interruptedAt(config: RunConfig): number | undefined {
  try {
    if (!hasConfig(RUN) || !isDeepStrictEqual(readConfig(RUN), config)) return undefined;
  } catch {
    return undefined;
  }
  const step = findStep(RUN, 'latest');
  return step !== undefined && step < config.training.steps ? step : undefined;
}

const interrupt = interruptible(() => console.error('\nStopping; the next quickstart goes on from here.'));
try {
  await quickstart(interrupt.signal);
} catch (error) {
  if (interrupt.signal.aborted) process.exitCode = interrupt.exitCode();
  else process.exitCode = fail(error);
} finally {
  interrupt.release();
}
