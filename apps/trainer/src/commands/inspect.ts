import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors } from '@diffusion-ts/checkpoints';
import { type Built, build, countOf, isDiscrete, type Network, type RunConfig } from '@diffusion-ts/recipes';
import { Command } from 'commander';
import { isDiffusers, readDiffusersConfig } from '../diffusers.js';
import { printable, Refusal, sentence } from '../errors.js';
import { significant } from '../progress.js';
import { checkpointSteps } from '../run/checkpoints.js';
import { readEvaluation } from '../run/evaluation.js';
import { type Fingerprint, readFingerprint } from '../run/fingerprint.js';
import { readConfig } from '../run/folder.js';
import { readMetrics } from '../run/metrics.js';
import { sparkline } from '../sparkline.js';

const SPARKS = 40;

export const inspectCommand: Command = new Command('inspect')
  .description('Show what is in a run, a folder of diffusers, or a .safetensors file.')
  .argument('<run|file>', 'the folder of a run or of diffusers, or a .safetensors file')
  .action(inspectAction);

function inspectAction(path: string): void {
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  const lines = isFile ? ofFile(path) : isDiffusers(path) ? ofConfig(readDiffusersConfig(path)) : ofRun(path);
  console.log(lines.map(printable).join('\n'));
}

function ofRun(run: string): string[] {
  const config = readConfig(run);
  const steps = checkpointSteps(run);
  const metrics = readMetrics(join(run, 'metrics.jsonl'));
  const evaluation = readEvaluation(run);
  const { batch, learningRate, decay, steps: total, seed } = config.training;
  return [
    ...ofConfig(config),
    ...ofData(readFingerprint(run)),
    '',
    `Training  ${config.loss.kind} loss, ${total.toLocaleString('en')} steps of ${batch}, learning rate ${learningRate} (${decay}), seed ${seed}`,
    `  checkpoints at ${steps.length === 0 ? 'no step yet' : `step ${steps.join(', ')}`}`,
    ...(metrics.length === 0
      ? []
      : [
          `  loss ${significant(metrics[0]!.loss)} ${sparkline(metrics.map(({ loss }) => Math.log(loss)))} ${significant(metrics.at(-1)!.loss)} at step ${metrics.at(-1)!.step}`,
        ]),
    ...(evaluation === undefined
      ? []
      : [
          `  bound ${evaluation.bitsPerDim.toFixed(3)} ± ${evaluation.standardError.toFixed(3)} bits per dimension on ${evaluation.images} ${evaluation.split} examples at step ${evaluation.step}`,
        ]),
  ];
}

function ofData(data: Fingerprint | undefined): string[] {
  if (data === undefined) return [];
  const names = data.classes?.map((name, k) => `${k} ${name}`);
  return [
    '',
    `Data      ${data.size.toLocaleString('en')} examples of ${data.shape.join('×')}`,
    ...(names === undefined ? [] : [`  classes ${names.join(', ')}`]),
  ];
}

function ofConfig(config: RunConfig): string[] {
  const built = build(config);
  const { network } = built;
  const told = [
    ...(network.classes === undefined ? [] : [`${network.classes} classes`]),
    ...(network.image === undefined ? [] : [`told an image of ${network.image.join('×')}`]),
  ];
  return [
    `Model     ${config.model._class_name} for ${config.data.kind}, ${network.shape.join('×')}, ${told.join(', ') || 'unconditional'}: ${countOf(network.shapes).toLocaleString('en')} parameters`,
    ...blocks(network.shapes),
    '',
    ...ofProcess(config, built),
    ...(built.classifier === undefined ? [ofSampling(config)] : []),
  ];
}

function ofProcess(
  { process }: RunConfig,
  { forward: { schedule }, latentShape, classifier }: Built,
): string[] {
  if (latentShape !== undefined)
    return [`Latents   ${latentShape.join('×')}, N(0, I) before anything is known of them`];
  const { least, end } = schedule;
  const first = schedule.level(least);
  const last = schedule.level(end);
  const logSnr = Array.from({ length: SPARKS }, (_, i) =>
    Math.max(schedule.level(least + (i / (SPARKS - 1)) * (end - least)).logSnr, -30),
  );
  const time = schedule.steps === undefined ? 'of continuous time' : `of ${schedule.steps} steps`;
  const betas = isDiscrete(schedule)
    ? `beta ${significant(schedule.betas[0]!)} … ${significant(schedule.betas.at(-1)!)}, `
    : '';
  return [
    `Process   ${process.schedule.kind} schedule ${time}, predicts ${classifier === undefined ? `${process.predicts}, variance ${process.variance}` : 'classes'}`,
    `  ${betas}alpha bar at the end ${significant(last.alpha ** 2)}`,
    `  log SNR ${significant(first.logSnr)} ${sparkline(logSnr, SPARKS)} ${significant(last.logSnr)}`,
  ];
}

function ofSampling({ process: { clip }, sampling: { sampler, steps, times } }: RunConfig): string {
  const kept = clip === null ? 'x0 not clipped' : `x0 within ±${clip}`;
  return `Sampling  ${sampler}, ${steps ?? 'all'} steps${times === null ? '' : ` (${times})`}, ${kept}`;
}

function ofFile(file: string): string[] {
  try {
    const { tensors, metadata } = readSafetensors(readFileSync(file));
    const shapes = Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, shape]));
    const dtypes = [...new Set(Object.values(tensors).map(({ dtype }) => dtype))];
    return [
      `${Object.keys(tensors).length} tensors of ${dtypes.join(', ') || 'nothing'}: ${countOf(shapes).toLocaleString('en')} numbers`,
      ...Object.entries(metadata).map(([key, value]) => `  ${key}: ${value}`),
      ...blocks(shapes),
    ];
  } catch (error) {
    throw new Refusal(`${file} cannot be read as safetensors: ${sentence(error)}.`, { cause: error });
  }
}

/** The number of parameters in each block of a network, in the order of the names. */
function blocks(shapes: Network['shapes']): string[] {
  const counts = new Map<string, number>();
  for (const [name, shape] of Object.entries(shapes)) {
    const block = /^((?:[mv]\.)?[^.]+(?:\.\d+)?)\./.exec(name)?.[1] ?? name;
    counts.set(block, (counts.get(block) ?? 0) + countOf({ [name]: shape }));
  }
  const width = Math.max(...[...counts.keys()].map((name) => name.length));
  return [...counts].map(
    ([name, count]) => `  ${name.padEnd(width)} ${count.toLocaleString('en').padStart(12)}`,
  );
}
