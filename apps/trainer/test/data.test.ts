import { cpSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { convertCommand } from '../src/commands/convert.js';
import { evaluateCommand } from '../src/commands/evaluate.js';
import { inspectCommand } from '../src/commands/inspect.js';
import { sampleCommand } from '../src/commands/sample.js';
import { trainCommand } from '../src/commands/train.js';
import { checkpointSteps } from '../src/run/checkpoints.js';
import { hash, inProcess, losses, type Outcome, TINY, weightsOf } from './cli.js';
import { folder } from './folder.js';
import { photographs, TINY_IMAGES } from './tiny-images.js';

const CPU = ['--backend', 'cpu'];

function configFile(config: object): string {
  const file = join(folder(), 'tiny.json');
  writeFileSync(file, JSON.stringify(config));
  return file;
}

const train = (...args: string[]): Promise<Outcome> => inProcess(trainCommand, ...CPU, ...args);
const resume = (run: string, ...args: string[]): Promise<Outcome> => train('--out', run, '--resume', ...args);

/** A copy of a run, and of its data under another path. */
function copies(run: string, data: string): { run: string; data: string } {
  const path = folder();
  cpSync(run, join(path, 'run'), { recursive: true });
  cpSync(data, join(path, 'elsewhere'), { recursive: true });
  return { run: join(path, 'run'), data: join(path, 'elsewhere') };
}

let pets: string;
let trained: string;

beforeAll(async () => {
  pets = await photographs('cat', 'dog');
  trained = join(folder(), 'run');
  const { error } = await train('--config', configFile(TINY_IMAGES), '--data', pets, '--out', trained);
  expect(error).toBeUndefined();
});

describe('the data of a run', () => {
  it('are known again where they have moved to, and the run ends with the same bytes and knows where they are', async () => {
    const moved = copies(trained, pets);
    const straight = copies(trained, pets);
    expect((await resume(straight.run, '--steps', '4')).error).toBeUndefined();
    expect((await resume(moved.run, '--steps', '4', '--data', moved.data)).error).toBeUndefined();
    expect(weightsOf(moved.run, 4)).toEqual(weightsOf(straight.run, 4));
    const { path } = JSON.parse(readFileSync(join(moved.run, 'config.json'), 'utf8')).data;
    expect(path).toBe(moved.data);
    expect((await resume(moved.run, '--steps', '5')).error).toBeUndefined();
  });

  it('are found from any working folder, however their path was spelled', async () => {
    const run = join(folder(), 'run');
    const here = process.cwd();
    try {
      process.chdir(join(pets, '..'));
      await train('--config', configFile(TINY_IMAGES), '--data', './pets/', '--out', run);
      process.chdir(folder());
      expect((await resume(run, '--steps', '3')).error).toBeUndefined();
    } finally {
      process.chdir(here);
    }
  });

  it('that are nowhere are asked for', async () => {
    const gone = copies(trained, pets);
    await resume(gone.run, '--steps', '3', '--data', gone.data);
    rmSync(gone.data, { recursive: true });
    expect((await resume(gone.run, '--steps', '4')).error).toBe(
      `There are no data at ${gone.data}: say where they are with --data PATH.`,
    );
  });

  it.each([
    ['a class has another name', ['cat', 'zebra'], "class 0 was 'cat' and is 'dog' now"],
    ['a class is gone', ['dog', undefined], "class 1 was 'dog' and is gone"],
    ['a class is new', [undefined, 'eel'], "there was no class 2, and now there is 'eel'"],
    ['an image is gone', ['cat/0.png', undefined], 'it had 8 examples and has 7 now'],
    [
      'an image has another name',
      ['cat/0.png', 'cat/x.png'],
      'it has as many examples as it had, but of other names, sizes or contents',
    ],
  ] as const)(
    'are refused by one sentence where %s, and nothing is changed',
    async (_, [from, to], clause) => {
      const { run, data } = copies(trained, pets);
      if (from === undefined) cpSync(join(data, 'cat'), join(data, to!), { recursive: true });
      else if (to === undefined) rmSync(join(data, from), { recursive: true });
      else renameSync(join(data, from), join(data, to));
      const files = ['config.json', 'data.json', 'metrics.jsonl', 'report.html'].map((name) =>
        join(run, name),
      );
      const before = files.map(hash);
      expect((await resume(run, '--steps', '4', '--data', data)).error).toBe(
        `The run in ${run} was begun with other data: ${clause}. Say where those are with --data PATH, start anew with another --out, or insist with --accept-data.`,
      );
      expect(files.map(hash)).toEqual(before);
      expect(checkpointSteps(run)).toEqual([2]);
    },
  );

  it('are others where that is insisted on, and from then on the run’s', async () => {
    const { run, data } = copies(trained, pets);
    rmSync(join(data, 'cat', '0.png'));
    const insisted = await resume(run, '--steps', '3', '--data', data, '--accept-data');
    expect([insisted.error, checkpointSteps(run)]).toEqual([undefined, [2, 3]]);
    expect((await resume(run, '--steps', '4')).error).toBeUndefined();
  });

  it('are written down on the next resume of a run from before they were', async () => {
    const { run } = copies(trained, pets);
    const known = readFileSync(join(run, 'data.json'), 'utf8');
    rmSync(join(run, 'data.json'));
    const { said } = await resume(run, '--steps', '3');
    expect(said).toContain('from now on they are these (8 examples of 4×4×1 in 2 classes).\n');
    expect(readFileSync(join(run, 'data.json'), 'utf8')).toBe(known);
    expect((await resume(run, '--steps', '4')).said).not.toContain('from now on');
  });

  it('have classes that inspect lists, and sample takes by name or number', async () => {
    const { printed } = await inProcess(inspectCommand, trained);
    expect(printed).toContain('Data      8 examples of 4×4×1\n  classes 0 cat, 1 dog\n');
    const draw = async (name: string) => {
      const file = join(folder(), 'out.png');
      const { error } = await inProcess(sampleCommand, ...CPU, trained, '--class', name, '--out', file);
      return error ?? hash(file);
    };
    expect(await draw('dog')).toBe(await draw('1'));
    expect(await draw('cat')).not.toBe(await draw('dog'));
    expect(await draw('dgo')).toBe(
      '--class is dgo: expected dog, perhaps, or one of cat, dog, or one of 0 … 1.',
    );
  });

  it('to evaluate on must have the classes that the model learned, in their order', async () => {
    const measure = (path: string) =>
      inProcess(evaluateCommand, ...CPU, trained, '--data', path, '--timesteps', '2', '--json');
    const same = await measure(copies(trained, pets).data);
    expect(JSON.parse(same.printed)).toMatchObject({ images: 8, split: 'training' });
    const others = await photographs('cat', 'dog');
    rmSync(join(others, 'dog', '3.png'));
    expect(JSON.parse((await measure(others)).printed)).toMatchObject({ images: 7, split: 'test' });
    expect((await measure(await photographs('dog', 'zebra'))).error).toBe(
      "The classes of the data are not those that the model learned: class 0 was 'cat' and is 'dog' now.",
    );
  });

  it('of a converted model are the first that fit it, and then its own', async () => {
    const path = folder();
    const there = join(path, 'diffusers');
    const back = join(path, 'run');
    await inProcess(convertCommand, trained, there);
    // Without what only we write, as from diffusers.
    rmSync(join(there, 'diffusion-ts.json'));
    expect((await inProcess(convertCommand, there, back)).error).toBeUndefined();
    expect((await resume(back, '--steps', '1')).error).toContain('data.path is not set');
    const sets = ['data.labels=true', 'training.labelDropout=0.1', 'sampling.steps=2'];
    const more = ['--batch', '4', ...sets.flatMap((set) => ['--set', set])];
    const first = await resume(back, '--steps', '1', '--data', pets, ...more);
    expect([first.error, checkpointSteps(back)]).toEqual([undefined, [0, 1]]);
    const other = await photographs('cat', 'ant');
    expect((await resume(back, '--steps', '2', '--data', other)).error).toContain(
      "class 0 was 'cat' and is 'ant' now",
    );
  });

  it('cost no step where a photograph is damaged: they are saved, the photograph is named, and the mended run goes on', async () => {
    const data = await photographs('cat', 'dog');
    const photo = join(data, 'dog', '1.png');
    const sound = readFileSync(photo);
    truncateSync(photo, 60);
    const run = join(folder(), 'run');
    const settings = { ...TINY_IMAGES, training: { ...TINY_IMAGES.training, batch: 1, steps: 16 } };
    const { error } = await train('--config', configFile(settings), '--data', data, '--out', run);
    const [saved] = checkpointSteps(run);
    expect(saved).toBe(losses(run).length);
    expect(saved).toBeLessThan(8);
    expect(error).toMatch(
      /^.*dog\/1\.png cannot be decoded as an image \(.*\)\. Step \d+ is saved: mend that /,
    );
    expect(error).toContain(`Step ${saved} is saved`);
    writeFileSync(photo, sound);
    expect((await resume(run)).error).toContain('insist with --accept-data');
    const mended = await resume(run, '--accept-data');
    expect([mended.error, losses(run).map(({ step }) => step)]).toEqual([
      undefined,
      Array.from({ length: 16 }, (_, i) => i + 1),
    ]);
  });

  it('with labels that do not count from 0 are trained with and tested on, though a class is missing there', async () => {
    const path = folder();
    const write = (prefix: string, labels: number[]) => {
      const header = (type: number, ...shape: number[]) =>
        [0, 0, 8, type, ...shape.flatMap((n) => [0, 0, 0, n])] as number[];
      const pixels = labels.flatMap((label) => Array<number>(16).fill(label * 9));
      writeFileSync(
        join(path, `${prefix}-images-idx3-ubyte`),
        Uint8Array.from([...header(3, labels.length, 4, 4), ...pixels]),
      );
      writeFileSync(
        join(path, `${prefix}-labels-idx1-ubyte`),
        Uint8Array.from([...header(1, labels.length), ...labels]),
      );
    };
    write('train', [1, 26, 5, 1]);
    write('t10k', [26, 1]);
    const run = join(folder(), 'run');
    const data = { kind: 'idx', path };
    const { error } = await train('--config', configFile({ ...TINY_IMAGES, data }), '--out', run);
    expect(error).toBeUndefined();
    expect((await inProcess(inspectCommand, run)).printed).toContain('  classes 0 1, 1 5, 2 26\n');
    const { printed } = await inProcess(evaluateCommand, ...CPU, run, '--timesteps', '2', '--json');
    expect(JSON.parse(printed)).toMatchObject({ images: 2, split: 'test' });
  });
});

describe('more steps for a finished run', () => {
  it('raise a decayed learning rate again, and that is said', async () => {
    const run = join(folder(), 'run');
    const decay = ['training.decay=cosine', 'training.finalFraction=0.03', 'training.learningRate=0.001'];
    const sets = decay.flatMap((set) => ['--set', set]);
    await inProcess(trainCommand, ...TINY, ...sets, '--steps', '4', '--out', run);
    // 0.03e-3 + 0.97e-3 (1 + cos(π 4/10))/2 = 6.65e-4.
    expect((await resume(run, '--steps', '10')).said).toContain(
      'The learning rate rises from 0.00003 to 0.00066 again, since its cosine decay now ends at step 10; --set training.decay=constant --lr 0.00003 would go on at a rate that stays.\n',
    );
    const constant = ['--set', 'training.decay=constant', '--lr', '0.00003'];
    expect((await resume(run, '--steps', '12', ...constant)).said).not.toContain('rises');
    expect(losses(run).at(-1)).toMatchObject({ step: 12, rate: 0.00003 });
  });
});
