import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readDiffusersFolder, writeDiffusersFolder } from '@diffusion-ts/checkpoints/node';
import { type Built, build, isDiscrete, type RunConfig, scheduleOf } from '@diffusion-ts/recipes';
import { parseConfig } from '@diffusion-ts/recipes/config';
import { disposeParams, mismatch, type Params } from '@diffusion-ts/tensor';
import { type Json, readJson } from './config/read.js';
import { Refusal, sentence } from './errors.js';
import { replaceFile } from './run/replace-file.js';

const MODEL = 'config.json';
const SCHEDULER = 'scheduler_config.json';
// What diffusers has no words for (data, loss, training), so that nothing is lost on the way there and back.
const OURS = 'diffusion-ts.json';

export interface Opened {
  readonly config: RunConfig;
  readonly built: Built;
  readonly params: Params;
}

/** Whether a folder is a `UNet2DModel`, or a pipeline with one in it, as diffusers writes them. */
export function isDiffusers(folder: string): boolean {
  return (
    existsSync(join(folder, 'diffusion_pytorch_model.safetensors')) || existsSync(join(folder, 'unet', MODEL))
  );
}

/** A model from a folder of diffusers: the network, and the process that its scheduler describes. */
export async function readDiffusers(folder: string): Promise<Opened> {
  const config = readDiffusersConfig(folder);
  const built = build(config);
  const { params } = await readDiffusersFolder(modelFolder(folder), built.network.layouts);
  const problem = mismatch(params, built.network.shapes);
  if (problem === undefined) return { config, built, params };
  disposeParams(params);
  throw new Refusal(`The weights in ${folder} do not fit its config.json: ${problem}.`);
}

/** The config of a run that a folder of diffusers amounts to. */
export function readDiffusersConfig(folder: string): RunConfig {
  const json = readJson(join(modelFolder(folder), MODEL));
  const ours = join(folder, OURS);
  const config = parseConfig(
    {
      ...(existsSync(ours) ? readJson(ours) : settingsOf(folder, json)),
      model: { ...json, _class_name: 'UNet2DModel' },
    },
    folder,
  );
  return { ...config, model: build(config).network.config };
}

function settingsOf(folder: string, model: Json): Json {
  const candidates = [join(folder, SCHEDULER), join(folder, 'scheduler', SCHEDULER)];
  const scheduler = candidates.find((file) => existsSync(file));
  return {
    data: dataOf(model),
    process: processOf({ ...learnedVariance(model), ...(scheduler !== undefined && readJson(scheduler)) }),
    training: { labelDropout: 0 },
  };
}

/** A network with twice the channels learned a variance beside its prediction. */
function learnedVariance({ in_channels: inputs, out_channels: outputs }: Json): Json {
  return outputs === 2 * (inputs as number) ? { variance_type: 'learned_range' } : {};
}

function modelFolder(folder: string): string {
  const inPipeline = join(folder, 'unet');
  return existsSync(join(inPipeline, MODEL)) ? inPipeline : folder;
}

/** Writes a folder that `UNet2DModel.from_pretrained` and `DDPMScheduler.from_pretrained` of diffusers load. */
export async function writeDiffusers(folder: string, config: RunConfig, params: Params): Promise<void> {
  const { model, ...rest } = config;
  if (model._class_name !== 'UNet2DModel') {
    throw new Refusal(
      `diffusers has no counterpart of this ${model._class_name}: only a UNet2DModel can be converted.`,
    );
  }
  const scheduler = schedulerOf(config.process);
  try {
    await writeDiffusersFolder(folder, model, params, { layouts: build(config).network.layouts });
    replaceFile(join(folder, SCHEDULER), `${JSON.stringify(scheduler, null, 2)}\n`);
    replaceFile(join(folder, OURS), `${JSON.stringify(rest, null, 2)}\n`);
  } catch (error) {
    throw new Refusal(`The folder ${folder} cannot be written: ${sentence(error)}.`, { cause: error });
  }
}

function dataOf({ sample_size: size, in_channels: channels }: Readonly<Json>): Json {
  const [height, width] = Array.isArray(size) ? size : [size, size];
  return { kind: 'images', height, width, channels };
}

const PREDICTS = { epsilon: 'epsilon', sample: 'x0', v_prediction: 'v' } as const;
const VARIANCES = {
  fixed_small: 'fixedSmall',
  fixed_small_log: 'fixedSmall',
  fixed_large: 'fixedLarge',
  fixed_large_log: 'fixedLarge',
  learned: 'learned',
  learned_range: 'learnedRange',
} as const;

/** The process of a scheduler; what its config leaves out is diffusers' default. */
function processOf(scheduler: Json): Json {
  const {
    num_train_timesteps: steps = 1000,
    beta_start: start = 1e-4,
    beta_end: end = 0.02,
    beta_schedule: kind = 'linear',
    trained_betas: betas = null,
    prediction_type: prediction = 'epsilon',
    variance_type: variance = 'fixed_small',
    rescale_betas_zero_snr: zeroTerminalSnr = false,
  } = scheduler;
  const schedules: Record<string, Json> = {
    linear: { kind: 'linear', steps, start, end },
    scaled_linear: { kind: 'quadratic', steps, start, end },
    squaredcos_cap_v2: { kind: 'cosine', steps },
  };
  return {
    schedule: betas === null ? pick('beta_schedule', schedules, kind) : { kind: 'betas', betas },
    predicts: pick('prediction_type', PREDICTS, prediction),
    variance: pick('variance_type', VARIANCES, variance),
    zeroTerminalSnr,
  };
}

function schedulerOf({ schedule, predicts, variance, zeroTerminalSnr }: RunConfig['process']): Json {
  const built = scheduleOf(schedule);
  if (!isDiscrete(built)) throw new Refusal(`diffusers' DDPMScheduler has no ${schedule.kind} schedule.`);
  const { betas } = built;
  const prediction = keyOf(PREDICTS, predicts);
  if (prediction === undefined)
    throw new Refusal(`diffusers' DDPMScheduler has no network that predicts ${predicts}.`);
  const bounds = { beta_start: betas[0], beta_end: betas.at(-1) };
  const isTheirCosine = schedule.kind === 'cosine' && schedule.offset === 0.008 && schedule.maxBeta === 0.999;
  const described =
    schedule.kind === 'linear'
      ? { beta_schedule: 'linear', ...bounds }
      : schedule.kind === 'quadratic'
        ? { beta_schedule: 'scaled_linear', ...bounds }
        : isTheirCosine
          ? { beta_schedule: 'squaredcos_cap_v2' }
          : { beta_schedule: 'linear', trained_betas: [...betas] };
  return {
    _class_name: 'DDPMScheduler',
    num_train_timesteps: betas.length,
    ...described,
    prediction_type: prediction,
    variance_type: keyOf(VARIANCES, variance),
    rescale_betas_zero_snr: zeroTerminalSnr,
    clip_sample: true,
  };
}

function pick<T>(key: string, table: Readonly<Record<string, T>>, value: unknown): T {
  if (typeof value === 'string' && Object.hasOwn(table, value)) return table[value]!;
  throw new Refusal(
    `${SCHEDULER}: ${key} is ${JSON.stringify(value)}: expected one of ${Object.keys(table).join(', ')}.`,
  );
}

function keyOf(table: Readonly<Record<string, string>>, value: string): string | undefined {
  return Object.keys(table).find((key) => table[key] === value);
}
