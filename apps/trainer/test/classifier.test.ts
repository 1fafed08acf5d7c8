import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { useBackend } from '@diffusion-ts/testing';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { evaluateCommand } from '../src/commands/evaluate.js';
import { inspectCommand } from '../src/commands/inspect.js';
import { sampleCommand } from '../src/commands/sample.js';
import { trainCommand } from '../src/commands/train.js';
import { hash, inProcess, weightsOf } from './cli.js';
import { folder } from './folder.js';
import { photographs, TINY_IMAGES } from './tiny-images.js';

const CPU = ['--backend', 'cpu'];
const [classifier, labelled, plain] = ['classifier', 'labelled', 'plain'].map((name) =>
  join(folder(), name),
) as [string, string, string];
let path: string;

const { up_block_types: _, ...encoder } = TINY_IMAGES.model;
const CLASSIFIER = {
  data: TINY_IMAGES.data,
  model: { ...encoder, _class_name: 'Classifier' },
  process: { schedule: { kind: 'cosine', steps: 10 } },
  loss: { kind: 'cross-entropy' },
  training: { steps: 12, batch: 8, learningRate: 0.05, labelDropout: 0, sampleEvery: 6, logEvery: 1 },
};

const train = (settings: { data: object }, ...more: string[]) => {
  const file = join(folder(), 'config.json');
  writeFileSync(file, JSON.stringify({ ...settings, data: { ...settings.data, path } }));
  return inProcess(trainCommand, '--config', file, ...CPU, ...more);
};
const sample = (...args: string[]) => inProcess(sampleCommand, ...args, ...CPU);

beforeAll(async () => {
  await useBackend('cpu');
  path = await photographs('dark', 'red');
  expect((await train(CLASSIFIER, '--out', classifier)).error).toBeUndefined();
  expect((await train(TINY_IMAGES, '--out', labelled)).error).toBeUndefined();
  const unlabelled = { ...TINY_IMAGES, data: { ...TINY_IMAGES.data, labels: false } };
  expect((await train(unlabelled, '--out', plain)).error).toBeUndefined();
});

describe('a run of a classifier', () => {
  it('resumes to the same weights, with a report and no sheets', async () => {
    const again = join(folder(), 'again');
    await train(CLASSIFIER, '--out', again, '--steps', '5');
    await inProcess(trainCommand, '--out', again, '--steps', '12', '--resume', ...CPU);
    expect(weightsOf(again, 12)).toEqual(weightsOf(classifier, 12));
    expect(existsSync(join(classifier, 'report.html'))).toBe(true);
    expect(existsSync(join(classifier, 'samples', '12.png'))).toBe(false);
  });

  it('is evaluated by how much noise there is: no better than chance where there is nothing else', async () => {
    const { printed } = await inProcess(evaluateCommand, classifier, '--json', ...CPU);
    const { images, split, levels } = JSON.parse(printed);
    expect([images, split]).toEqual([8, 'training']);
    expect(levels.map(({ t }: { t: number }) => t)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (const { accuracy, bits } of levels) {
      // Of eight examples: a classifier that is right of all costs at most a bit for each, one that is wrong more.
      expect([0, 1, 2, 3, 4, 5, 6, 7, 8]).toContain(accuracy * 8);
      expect(bits).toBeGreaterThanOrEqual(1 - accuracy);
    }
    expect(levels[9].bits).toBeGreaterThan(0.5);
    expect((await inProcess(evaluateCommand, classifier, '--repeats', '2', ...CPU)).error).toBe(
      '--repeats is of the bound, and a classifier bounds nothing.',
    );
    const again = await inProcess(evaluateCommand, classifier, '--json', ...CPU);
    expect(again.printed).toBe(printed);
    const table = await inProcess(evaluateCommand, classifier, ...CPU);
    expect(table.printed).toContain('The classes of 8 training examples, by how much noise they have');
    expect((await inProcess(inspectCommand, classifier)).printed).toContain('predicts classes');
  });

  it('draws nothing', async () => {
    expect((await sample(classifier, '--out', join(folder(), 'x.png'))).error).toContain(
      'model._class_name is Classifier: expected a network that denoises',
    );
  });
});

describe('--classifier', () => {
  const drawn = async (...args: string[]) => {
    const out = join(folder(), 'out.png');
    const { error } = await sample(...args, '--out', out);
    expect(error).toBeUndefined();
    return hash(out);
  };

  it('leads runs that know classes and such that know none, the more the higher its scale, and at 0 not at all', async () => {
    for (const run of [labelled, plain]) {
      const lead = [run, '--classifier', classifier, '--classifier-scale'];
      const [none, zero, some, more] = [
        await drawn(run, '--count', '2'),
        await drawn(...lead, '0', '--count', '2'),
        await drawn(...lead, '20', '--count', '2'),
        await drawn(...lead, '40', '--count', '2'),
      ];
      expect(zero).toBe(none);
      expect(new Set([none, some, more]).size).toBe(3);
    }
  });

  it('gives a run without classes those of the classifier, by name and in turns', async () => {
    const lead = [plain, '--classifier', classifier, '--classifier-scale', '40'];
    const [red, second, dark] = [
      await drawn(...lead, '--class', 'red', '--count', '1'),
      await drawn(...lead, '--class', '1', '--count', '1'),
      await drawn(...lead, '--class', 'dark', '--count', '1'),
    ];
    expect(red).toBe(second);
    expect(red).not.toBe(dark);
    expect((await sample(plain, '--class', 'red', '--out', join(folder(), 'x.png'))).error).toContain(
      'expected no class, since this model knows none',
    );
  });

  it('leads what is drawn into a picture, and keeps the rest of that', async () => {
    const [init, mask, out] = ['init', 'mask', 'out'].map((name) => join(folder(), `${name}.png`)) as [
      string,
      string,
      string,
    ];
    const raw = { width: 4, height: 4, channels: 1 } as const;
    const bytes = Array.from({ length: 16 }, (_, i) => 15 * i);
    await sharp(Uint8Array.from(bytes), { raw }).png().toFile(init);
    await sharp(
      Uint8Array.from({ length: 16 }, (_, i) => (i < 8 ? 255 : 0)),
      { raw },
    )
      .png()
      .toFile(mask);
    const folderOut = out.replace('.png', '');
    const { error } = await sample(
      ...[labelled, '--init', init, '--mask', mask, '--classifier', classifier, '--classifier-scale', '20'],
      ...['--count', '1', '--out', folderOut],
    );
    expect(error).toBeUndefined();
    const drawn = [...(await sharp(join(folderOut, '0.png')).raw().toBuffer())].filter(
      (_, i, { length }) => i % (length / 16) === 0,
    );
    expect(drawn.slice(8)).toEqual(bytes.slice(8));
    expect(drawn.slice(0, 8)).not.toEqual(bytes.slice(0, 8));
  });

  it('is refused in one sentence where it cannot lead', async () => {
    const out = ['--out', join(folder(), 'no.png')];
    expect((await sample(labelled, '--classifier', plain, ...out)).error).toBe(
      `--classifier is ${plain}, a run of UNet2DModel: expected one of a Classifier, such as the preset mnist-classifier trains.`,
    );
    expect((await sample(labelled, '--classifier-scale', '2', ...out)).error).toBe(
      '--classifier-scale goes with --classifier: it says how much that leads.',
    );
    const [a, b] = [join(path, 'dark', '0.png'), join(path, 'dark', '1.png')];
    expect((await sample(labelled, '--classifier', classifier, '--interpolate', a, b, ...out)).error).toBe(
      '--classifier does not go with --interpolate: the way back to noise is that of the network alone.',
    );
    expect((await sample(labelled, '--guide', classifier, '--guidance', '1', ...out)).error).toContain(
      'tells classes (--classifier): expected a run that draws',
    );
    const small = join(folder(), 'small');
    await train(
      { ...CLASSIFIER, data: { ...CLASSIFIER.data, reduction: 2 } },
      '--out',
      small,
      '--steps',
      '1',
    );
    expect((await sample(labelled, '--classifier', small, ...out)).error).toBe(
      `--classifier is ${small}, which sees 2×2×1: expected one that sees 4×4×1.`,
    );
    path = await photographs('dark', 'green');
    const other = join(folder(), 'other');
    await train(CLASSIFIER, '--out', other, '--steps', '1');
    expect((await sample(labelled, '--classifier', other, ...out)).error).toBe(
      `--classifier is ${other}, which knows other classes than this run: expected the same, but class 1 was 'red' and is 'green' now.`,
    );
  });
});
