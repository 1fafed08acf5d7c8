import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { evaluateCommand } from '../src/commands/evaluate.js';
import { trainCommand } from '../src/commands/train.js';
import { checkpointSteps } from '../src/run/checkpoints.js';
import { sampleSheets } from '../src/run/sheets.js';
import { inProcess } from './cli.js';
import { folder } from './folder.js';
import { TINY_IMAGES } from './tiny-images.js';

const BACKEND = ['--backend', 'wasm'];

/** Six images of 4×4 in three classes, two of each. */
function digits(): string {
  const path = folder();
  for (const prefix of ['train', 't10k']) {
    const pixels = Array.from({ length: 96 }, (_, i) => (i * 37) % 256);
    const shape = [0, 0, 0, 6, 0, 0, 0, 4, 0, 0, 0, 4];
    writeFileSync(
      join(path, `${prefix}-images-idx3-ubyte`),
      Uint8Array.from([0, 0, 8, 3, ...shape, ...pixels]),
    );
    writeFileSync(
      join(path, `${prefix}-labels-idx1-ubyte`),
      Uint8Array.from([0, 0, 8, 1, 0, 0, 0, 6, 0, 1, 2, 0, 1, 2]),
    );
  }
  return path;
}

const BASE = {
  ...TINY_IMAGES,
  data: { kind: 'idx', path: digits() },
  process: { schedule: { kind: 'cosine', steps: 6 }, predicts: 'v' },
  loss: { kind: 'simple' },
  training: { steps: 2, batch: 2, sampleEvery: 2, logEvery: 1, ema: { kind: 'warmed-up' } },
  sampling: { steps: 2, count: 2 },
};

// Every setting of numbers at its bounds and beyond them, and those together that have to do with each other.
const SETTINGS: readonly string[] = [
  'data.labels=false',
  'data.labels=false sampling.guidance=1',
  'data.labels=false training.labelDropout=1',
  'training.labelDropout=0',
  'training.labelDropout=0 sampling.guidance=1',
  'training.labelDropout=1 sampling.guidance=1',
  'training.labelDropout=1.1',
  ...[1, 2].map((steps) => `process.schedule.steps=${steps}`),
  ...[1, 2].map((steps) => `process.schedule.steps=${steps} sampling.steps=null`),
  'process.schedule.steps=1 sampling.steps=1',
  'process.schedule.steps=1 sampling.steps=1 sampling.sampler=ancestral',
  'process.schedule.steps=2 sampling.steps=1 sampling.sampler=heun',
  'process.schedule.steps=1 sampling.steps=1 training.timesteps=importance',
  'process.schedule.offset=0',
  'process.schedule.offset=1e6',
  'process.schedule.offset=1e300',
  'process.schedule.maxBeta=1e-300',
  'process.schedule.maxBeta=0.9999999999999999',
  'process.schedule.maxBeta=1',
  ...['linear', 'quadratic'].flatMap((kind) => [
    `process.schedule.kind=${kind} process.schedule.steps=6`,
    `process.schedule.kind=${kind} process.schedule.steps=6 process.schedule.start=0.9 process.schedule.end=0.1`,
    `process.schedule.kind=${kind} process.schedule.steps=6 process.schedule.start=1e-300`,
    `process.schedule.kind=${kind} process.schedule.steps=6 process.schedule.end=0.9999999999999999`,
    `process.schedule.kind=${kind} process.schedule.steps=6 process.zeroTerminalSnr=true`,
  ]),
  'process.schedule.kind=sigmoid process.schedule.steps=6',
  'process.schedule.kind=sigmoid process.schedule.steps=6 process.schedule.tau=1e-9',
  'process.schedule.kind=sigmoid process.schedule.steps=6 process.schedule.tau=1e300',
  'process.schedule.kind=sigmoid process.schedule.steps=6 process.schedule.start=3 process.schedule.end=-3',
  'process.schedule.kind=sigmoid process.schedule.steps=6 process.schedule.start=1e300',
  'process.schedule.kind=constant-fraction process.schedule.steps=1 sampling.steps=1',
  'process.schedule.kind=constant-fraction process.schedule.steps=6 process.predicts=epsilon',
  'process.schedule.kind=betas process.schedule.betas=[0.5] sampling.steps=1',
  'process.schedule.kind=betas process.schedule.betas=[1e-300,1e-300]',
  'process.schedule.kind=betas process.schedule.betas=[0.9999999999999999,0.9999999999999999]',
  'process.schedule.kind=betas process.schedule.betas=[]',
  'process.zeroTerminalSnr=true process.schedule.steps=1 sampling.steps=1',
  'process.zeroTerminalSnr=true loss.weighting.kind=min-snr',
  'process.zeroTerminalSnr=true process.predicts=previous sampling.steps=null',
  ...[1e-300, 1e-3, 1e300].map(
    (shift) => `process.schedule.kind=rectified process.schedule.shift=${shift} process.predicts=flow`,
  ),
  ...['epsilon', 'x0', 'v', 'edm', 'previous'].map(
    (predicts) => `process.schedule.kind=rectified process.predicts=${predicts}`,
  ),
  'process.schedule.kind=variance-exploding process.schedule.sigmaMin=80 process.schedule.sigmaMax=0.002',
  'process.schedule.kind=variance-exploding process.schedule.sigmaMin=1 process.schedule.sigmaMax=1',
  'process.schedule.kind=variance-exploding process.schedule.sigmaMin=1e-300',
  'process.schedule.kind=variance-exploding process.schedule.sigmaMax=1e300 process.predicts=edm',
  ...['flow', 'edm', 'x0', 'epsilon'].map((predicts) => `process.predicts=${predicts}`),
  'process.predicts=previous',
  'process.predicts=previous sampling.steps=null sampling.sampler=ancestral',
  'process.variance=learned',
  'process.variance=learned loss.kind=hybrid',
  'process.variance=learnedRange loss.kind=variational-bound sampling.sampler=ancestral',
  'process.variance=learnedRange loss.kind=hybrid loss.lambda=0',
  'process.variance=learnedRange loss.kind=hybrid loss.lambda=1e30',
  ...['gamma=1e-300', 'gamma=1e300'].flatMap((gamma) => [
    `loss.weighting.kind=min-snr loss.weighting.${gamma}`,
    `loss.weighting.kind=soft-min-snr loss.weighting.${gamma}`,
    `loss.weighting.kind=p2 loss.weighting.${gamma}`,
  ]),
  'loss.weighting.kind=p2 loss.weighting.k=1e-300',
  'loss.weighting.kind=p2 loss.weighting.k=1e300',
  'loss.weighting.kind=sigmoid loss.weighting.bias=1e300',
  'loss.weighting.kind=sigmoid loss.weighting.bias=-1e300',
  ...['x0-snr', 'max-snr-1', 'snr-plus-1'].map((kind) => `loss.weighting.kind=${kind}`),
  'training.batch=1 training.microBatch=1',
  'training.batch=1 training.microBatch=1000000',
  'training.batch=7 training.timesteps=importance',
  ...[1e-300, 1e30, 1e300].map((rate) => `training.learningRate=${rate}`),
  'training.warmUp=1000000',
  'training.decay=cosine training.finalFraction=1',
  'training.decay=linear training.finalFraction=0 training.steps=1',
  'training.betas=[0,0]',
  'training.betas=[0.9999999999999999,0.9999999999999999]',
  'training.epsilon=1e-300',
  'training.epsilon=1e300',
  'training.weightDecay=1e300',
  'training.weightDecay=5000',
  'training.maxGradNorm=1e-300',
  'training.maxGradNorm=1e300',
  'training.maxGradNorm=null',
  'training.ema.decay=0',
  'training.ema.decay=1',
  'training.ema.kind=constant training.ema.decay=1',
  'training.ema.kind=half-life training.ema.images=1 training.ema.rampUp=1e-300',
  'training.ema.kind=half-life training.ema.images=9007199254740991 training.ema.rampUp=1e300',
  'training.ema.kind=none',
  'training.seed=9007199254740991',
  'training.timesteps=log-normal',
  'training.timesteps=logit-normal',
  'training.keep=1 training.checkpointEvery=1',
  'training.logEvery=9007199254740991 training.checkpointEvery=9007199254740991',
  ...[-1, 1e30, 1e300].map((guidance) => `sampling.guidance=${guidance}`),
  ...[0, 1, 1.5, 2, 1e300].map((eta) => `sampling.eta=${eta}`),
  ...['sections', 'leading', 'trailing', 'linspace', 'karras', 'log-snr'].flatMap((times) =>
    [1, 6, 7].map((steps) => `sampling.times=${times} sampling.steps=${steps}`),
  ),
  ...['ancestral', 'heun', 'dpm-solver++'].map((sampler) => `sampling.sampler=${sampler} sampling.steps=6`),
  'sampling.sampler=dpm-solver++ sampling.order=3 sampling.steps=1',
  'sampling.count=1',
  'sampling.count=1000000000',
  'model.block_out_channels=[]',
  'model.norm_num_groups=3',
  'model.layers_per_block=0',
  'model.num_class_embeds=3',
];

it('whatever is not refused before there is a folder trains, draws, evaluates and reports', async () => {
  const config = join(folder(), 'config.json');
  writeFileSync(config, JSON.stringify(BASE));
  const wrong: string[] = [];
  const outcomes = { refused: 0, done: 0, stopped: 0 };
  for (const settings of SETTINGS) {
    const run = join(folder(), 'run');
    const sets = settings.split(' ').flatMap((set) => ['--set', set]);
    const { error, said } = await inProcess(
      trainCommand,
      ...BACKEND,
      '--config',
      config,
      '--out',
      run,
      ...sets,
    );
    if (error !== undefined && !existsSync(run)) {
      outcomes.refused += 1;
      if (!/ is .*expected |^(process|sampling|training|model|loss)[.: ]/.test(error))
        wrong.push(`${settings}: ${error}`);
      continue;
    }
    if (error !== undefined && /^Step \d+ was refused: .* -?(NaN|Infinity)/.test(error)) {
      outcomes.stopped += 1;
      continue;
    }
    outcomes.done += 1;
    if (error !== undefined || /No sheet|There is no /.test(said)) {
      wrong.push(`${settings}: ${error ?? said}`);
      continue;
    }
    const last = settings.includes('training.steps=1') ? 1 : 2;
    if (checkpointSteps(run).at(-1) !== last || sampleSheets(run).at(-1)?.step !== last)
      wrong.push(`${settings}: no checkpoint or no sheet`);
    if (!existsSync(join(run, 'report.html'))) wrong.push(`${settings}: no report`);
    const evaluated = await inProcess(
      evaluateCommand,
      run,
      ...BACKEND,
      '--limit',
      '2',
      '--timesteps',
      '2',
      '--json',
    );
    const isContinuous = /rectified|variance-exploding/.test(settings);
    if (isContinuous !== (evaluated.error?.includes('its time is continuous') ?? false))
      wrong.push(`${settings}: evaluate: ${evaluated.error}`);
    else if (!isContinuous && !Number.isFinite(JSON.parse(evaluated.printed).bitsPerDim))
      wrong.push(`${settings}: ${JSON.parse(evaluated.printed).bitsPerDim} bits`);
  }
  expect(wrong).toEqual([]);
  // Most of them are sound, so the grid is one of both.
  expect(outcomes.refused).toBeGreaterThan(30);
  expect(outcomes.done).toBeGreaterThan(60);
});
