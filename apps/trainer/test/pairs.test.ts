import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from '@diffusion-ts/recipes';
import { parseConfig } from '@diffusion-ts/recipes/config';
import { finish } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { trainCommand } from '../src/commands/train.js';
import { readFingerprint } from '../src/run/fingerprint.js';
import { ledByClassifier } from '../src/runs/classifier-lead.js';
import { openModel } from '../src/runs/open-model.js';
import { pairsOf } from '../src/runs/pairs.js';
import { inProcess, losses, weightsOf } from './cli.js';
import { folder } from './folder.js';

const sets = (...settings: string[]): string[] => settings.flatMap((setting) => ['--set', setting]);
const SMALL = [
  ...['--preset', 'moons', '--batch', '8', '--backend', 'cpu'],
  ...sets('data.size=64', 'model.hidden=8', 'model.layers=1', 'model.timeFeatures=4'),
  ...sets('training.warmUp=0', 'training.logEvery=1', 'training.sampleEvery=0', 'sampling.count=8'),
  ...sets('process.schedule.kind=rectified', 'process.predicts=flow', 'sampling.steps=4'),
];
const FLOW = [...SMALL, ...sets('sampling.sampler=heun', 'data.labels=true', 'training.labelDropout=0.1')];
const pairs = sets('training.pairs=40');

const train = (...options: string[]) => inProcess(trainCommand, ...FLOW, ...options);
const configOf = (run: string) =>
  parseConfig(JSON.parse(readFileSync(join(run, 'config.json'), 'utf8')), 'config.json');

describe('pairs of a run', () => {
  const [teacher, student] = [join(folder(), 'teacher'), join(folder(), 'student')];

  beforeAll(async () => {
    await useBackend('cpu');
    expect((await train('--steps', '20', '--out', teacher)).error).toBeUndefined();
    const reflow = await train('--steps', '4', '--reflow', teacher, ...pairs, '--out', student);
    expect(reflow.error).toBeUndefined();
  });

  it('are noise and what its sampler makes of it, of the classes in turns, whichever are asked for', async () => {
    const dataset = await pairsOf(configOf(student));
    expect([dataset.size, dataset.shape, dataset.classes]).toEqual([
      40,
      [2],
      readFingerprint(teacher)!.classes,
    ]);
    const { x0, noise, condition } = await dataset.batch([7, 0, 38]);
    expect([...condition!.label!.dataSync()]).toEqual([1, 0, 0]);
    const { built, config, params } = await openModel(teacher);
    const reverse = built.process(params, 0);
    const sampler = built.sampler(config.sampling);
    const made = await finish(sampler(reverse, tf.clone(noise!), { condition: condition! }));
    const [expected, found] = [made, x0].map((x) => [...x.dataSync()]) as [number[], number[]];
    found.forEach((x, i) => {
      expect(x).toBeCloseTo(expected[i]!, 5);
    });
    expect(Math.abs(found[0]! - noise!.dataSync()[0]!)).toBeGreaterThan(1e-3);

    const again = await (await pairsOf(configOf(student))).batch([38, 39]);
    expect([...again.x0.dataSync()].slice(0, 2)).toEqual(found.slice(4));
    expect([...again.noise!.dataSync()].slice(0, 2)).toEqual([...noise!.dataSync()].slice(4));
    reverse.dispose();
    tf.dispose([x0, noise!, condition!, made, again.x0, again.noise!, again.condition!, params]);
  });

  it('are many noises: standard normal, no two alike', async () => {
    const { x0, noise, condition } = await (await pairsOf(configOf(student))).batch(
      Array.from({ length: 40 }, (_, i) => i),
    );
    const values = [...noise!.dataSync()];
    expect(new Set(values).size).toBe(80);
    const power = values.reduce((sum, z) => sum + z * z, 0) / 80;
    // χ² of 80 degrees: within four deviations.
    expect(Math.abs(power - 1)).toBeLessThan(4 * Math.sqrt(2 / 80));
    tf.dispose([x0, noise!, condition!]);
  });

  it('have noise of deviation 1 of a run of EDM too, which starts from 80 times that', async () => {
    const edm = join(folder(), 'edm');
    const ofEdm = sets('process.schedule.kind=variance-exploding', 'process.predicts=edm');
    expect((await train(...ofEdm, '--steps', '1', '--out', edm)).error).toBeUndefined();
    const config = configOf(student);
    const dataset = await pairsOf({ ...config, training: { ...config.training, pairsOf: edm } });
    const { x0, noise, condition } = await dataset.batch(Array.from({ length: 40 }, (_, i) => i));
    const power = [...noise!.dataSync()].reduce((sum, z) => sum + z * z, 0) / 80;
    expect(Math.abs(power - 1)).toBeLessThan(4 * Math.sqrt(2 / 80));
    // A network that has learned next to nothing follows the flow of N(0, σ_d²), x_0 = σ_d ε: every sample has its noise's signs.
    const [made, drawn] = [x0, noise!].map((x) => Array.from(x.dataSync(), Math.sign));
    expect(made).toEqual(drawn);
    tf.dispose([x0, noise!, condition!]);
  });

  it('are known by the run, and written down with the config', () => {
    expect(configOf(student).training).toMatchObject({ coupling: 'reflow', pairsOf: teacher, pairs: 40 });
    expect(readFingerprint(student)).toMatchObject({ size: 40, shape: [2] });
    expect(readFingerprint(student)!.hash).not.toBe(readFingerprint(teacher)!.hash);
  });

  it('are learned from as exactly as data: a run that is resumed ends with the same bytes', async () => {
    const parts = join(folder(), 'parts');
    const reflow = ['--reflow', teacher, ...pairs, ...sets('training.decay=constant')];
    const whole = join(folder(), 'whole');
    await train('--steps', '4', ...reflow, '--out', whole);
    await train('--steps', '2', ...reflow, '--out', parts);
    expect((await train('--steps', '4', '--out', parts, '--resume')).error).toBeUndefined();
    expect(losses(parts)).toEqual(losses(whole));
    expect(weightsOf(parts, 4)).toEqual(weightsOf(whole, 4));
  });

  it('of other weights are other data', async () => {
    const other = join(folder(), 'other');
    await train('--steps', '20', '--seed', '3', '--out', other);
    const { error } = await train('--steps', '8', '--reflow', other, ...pairs, '--out', student, '--resume');
    expect(error).toContain('was begun with other data');
  });

  it('leave a run with a flow and no score, so that no classifier can lead it', async () => {
    const config = configOf(student);
    await expect(ledByClassifier(teacher, 1, { config, built: build(config), names: [] })).rejects.toThrow(
      '--classifier leads runs that learned a score, and training.coupling of this one is reflow, of which a network learns a flow alone.',
    );
  });

  it('come of runs that turn noise of this kind into data of this kind, and add none on the way', async () => {
    const out = join(folder(), 'out');
    const noisy = join(folder(), 'noisy');
    await train('--steps', '1', ...sets('sampling.sampler=ancestral'), '--out', noisy);
    expect((await train('--reflow', noisy, '--out', out)).error).toBe(
      `${noisy} draws with ancestral, which adds noise on the way: expected a run whose sampler is ddim or heun, say.`,
    );
    const spiral = sets('data.kind=spiral', 'data.labels=true');
    expect((await train('--reflow', teacher, ...spiral, '--out', out)).error).toBe(
      `${teacher} is a run of moons: expected one of spiral, which the data of this config are.`,
    );
    expect((await train(...sets('training.coupling=reflow'), '--out', out)).error).toBe(
      'training.pairsOf is not set: name the run whose samples to learn from with --reflow RUN.',
    );
  });
});
