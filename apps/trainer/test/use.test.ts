import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors, writeSafetensors } from '@diffusion-ts/checkpoints';
import { TIMES } from '@diffusion-ts/recipes';
import { SAMPLERS } from '@diffusion-ts/samplers';
import { goldenPath } from '@diffusion-ts/testing';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { compareCommand } from '../src/commands/compare.js';
import { convertCommand } from '../src/commands/convert.js';
import { evaluateCommand } from '../src/commands/evaluate.js';
import { inspectCommand } from '../src/commands/inspect.js';
import { sampleCommand } from '../src/commands/sample.js';
import { trainCommand } from '../src/commands/train.js';
import { diffusionHere as diffusion, hash, inProcess, start, train } from './cli.js';
import { folder } from './folder.js';

const CPU = ['--backend', 'cpu'];
let points: string;
let images: string;

// A class-conditional U-Net of 1,000 parameters on 4×4 images in two classes.
async function trainImages(): Promise<string> {
  const path = folder();
  const data = join(path, 'data');
  for (const [name, grey] of [
    ['dark', 30],
    ['light', 220],
  ] as const) {
    mkdirSync(join(data, name), { recursive: true });
    for (let i = 0; i < 4; i++) {
      const file = join(data, name, `${i}.png`);
      await sharp({
        create: { width: 5, height: 4, channels: 3, background: { r: grey, g: grey, b: grey + i } },
      })
        .png()
        .toFile(file);
    }
  }
  const config = {
    data: { kind: 'images', path: data, height: 4, width: 4, channels: 1, labels: true },
    model: {
      _class_name: 'UNet2DModel',
      block_out_channels: [4, 4],
      down_block_types: ['DownBlock2D', 'DownBlock2D'],
      up_block_types: ['UpBlock2D', 'UpBlock2D'],
      layers_per_block: 1,
      norm_num_groups: 2,
      attention_head_dim: 4,
    },
    process: { schedule: { kind: 'cosine', steps: 10 }, predicts: 'v' },
    training: { steps: 4, batch: 4, learningRate: 0.01, sampleEvery: 0 },
    sampling: { sampler: 'ddim', steps: 3, guidance: 0.5, count: 6 },
  };
  writeFileSync(join(path, 'tiny.json'), JSON.stringify(config));
  const run = join(path, 'run');
  const { code, stderr } = await diffusion(
    'train',
    '--config',
    join(path, 'tiny.json'),
    '--out',
    run,
    ...CPU,
  );
  expect([code, stderr.includes('error')]).toEqual([0, false]);
  return run;
}

beforeAll(async () => {
  points = join(folder(), 'run');
  [images] = await Promise.all([trainImages(), diffusion(...train(points, '--steps', '10'))]);
});

describe('diffusion sample', () => {
  it('draws the same image for the same seed whatever the batch', async () => {
    const out = folder();
    const draw = async (name: string, ...more: string[]) => {
      const file = join(out, name);
      const args = ['sample', images, '--sampler', 'ancestral', '--count', '7', '--seed', '3', '--out', file];
      const { code, stdout, stderr } = await diffusion(...args, ...CPU, ...more);
      expect([code, stdout]).toEqual([0, `${file}\n`]);
      expect(stderr).toContain('sample 7/7');
      return hash(file);
    };
    const [whole, single, three] = await Promise.all([
      draw('whole.png'),
      draw('single.png', '--batch', '1'),
      draw('three.png', '--batch', '3'),
    ]);
    expect(single).toBe(whole);
    expect(three).toBe(whole);
    expect(await draw('other.png', '--seed', '4')).not.toBe(whole);
  });

  it('draws one class where one is asked for, and all in turns otherwise, each with a column', async () => {
    const file = join(folder(), 'turns.png');
    await diffusion('sample', images, '--out', file, ...CPU);
    const { width, height } = await sharp(file).metadata();
    // Two columns and three rows of cells 4 · 75 pixels wide.
    expect([width, height]).toEqual([2 * 302 + 2, 3 * 302 + 2]);
    await diffusion('sample', images, '--class', '1', '--count', '4', '--out', file, ...CPU);
    expect((await sharp(file).metadata()).width).toBe(2 * 302 + 2);
    const { code, stderr } = await diffusion('sample', images, '--class', '2', '--out', file, ...CPU);
    expect([code, stderr]).toEqual([
      2,
      'error: --class is 2: expected one of dark, light, or one of 0 … 1.\n',
    ]);
  });

  it('draws from weights beside their config.json, as the lab exports them, what the run itself draws', async () => {
    const exported = folder();
    cpSync(join(images, 'config.json'), join(exported, 'config.json'));
    cpSync(join(images, 'checkpoints/4/ema.safetensors'), join(exported, 'model.safetensors'));
    const sheets = [join(folder(), 'run.png'), join(folder(), 'exported.png')] as const;
    await diffusion('sample', images, '--out', sheets[0], ...CPU);
    const { code } = await diffusion('sample', exported, '--out', sheets[1], ...CPU);
    expect(code).toBe(0);
    expect(readFileSync(sheets[1])).toEqual(readFileSync(sheets[0]));
  });

  it('writes the reverse process as an animation, every n steps and its end', async () => {
    const path = folder();
    const gif = join(path, 'reverse.gif');
    await diffusion(
      'sample',
      points,
      '--steps',
      '6',
      '--every',
      '2',
      '--gif',
      gif,
      '--out',
      join(path, 'p.svg'),
      ...CPU,
    );
    const { pages, loop, delay } = await sharp(gif, { animated: true }).metadata();
    expect([pages, loop, delay?.at(-1)]).toEqual([4, 0, 2000]);
    expect(readFileSync(join(path, 'p.svg'), 'utf8')).toMatch(
      /^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/,
    );
  });

  it('ends quietly with 130 on Ctrl-C', async () => {
    const { child, end } = start(
      ['sample', points, '--count', '2000000', '--batch', '100', ...CPU],
      folder(),
    );
    child.stderr!.once('data', () => child.kill('SIGINT'));
    const { code, stderr } = await end;
    expect(code).toBe(130);
    expect(stderr).not.toContain('error');
  });

  it('takes DPM-Solver++ by name, whose order 1 draws what DDIM draws and whose order 2 does not', async () => {
    const out = folder();
    const draw = async (name: string, ...more: string[]) => {
      const file = join(out, name);
      const { code, stderr } = await diffusion(
        'sample',
        images,
        '--steps',
        '5',
        '--out',
        file,
        ...more,
        ...CPU,
      );
      expect([code, stderr]).toEqual([0, expect.not.stringContaining('error')]);
      return hash(file);
    };
    const [implicit, first, second, third] = await Promise.all([
      draw('ddim.png'),
      draw('first.png', '--sampler', 'dpm-solver++', '--order', '1'),
      draw('second.png', '--sampler', 'dpm-solver++'),
      draw('third.png', '--sampler', 'dpm-solver++', '--order', '3'),
    ]);
    expect(first).toBe(implicit);
    expect(new Set([first, second, third]).size).toBe(3);
  });

  it('takes a sampler by name, and its noise from --churn and --eta: Euler ancestral without any is DDIM', async () => {
    const out = folder();
    const draw = async (name: string, ...more: string[]) => {
      const file = join(out, name);
      const args = ['sample', images, '--steps', '5', '--out', file, ...more, ...CPU];
      const { code, stderr } = await diffusion(...args);
      expect([code, stderr]).toEqual([0, expect.not.stringContaining('error')]);
      return hash(file);
    };
    const sheets = [
      await draw('ddim.png'),
      await draw('heun.png', '--sampler', 'heun'),
      await draw('dpm.png', '--sampler', 'dpm-solver++'),
      await draw('churned.png', '--sampler', 'heun', '--churn', '4'),
      await draw('euler.png', '--sampler', 'euler-ancestral'),
      await draw('still.png', '--sampler', 'euler-ancestral', '--eta', '0'),
    ];
    expect(new Set(sheets).size).toBe(5);
    expect(sheets.at(-1)).toBe(sheets[0]);
    expect(await draw('again.png', '--sampler', 'heun', '--batch', '2')).toBe(sheets[1]);
  });

  it('spreads the steps as --times says, and lets a sampler find them to a tolerance', async () => {
    const out = folder();
    const draw = async (name: string, ...more: string[]) => {
      const file = join(out, name);
      const args = ['sample', images, '--out', file, ...more, ...CPU];
      const { code, stderr } = await diffusion(...args);
      expect([code, stderr]).toEqual([0, expect.not.stringContaining('error')]);
      return hash(file);
    };
    const spread = await Promise.all(
      ['leading', 'trailing', 'karras', 'log-snr'].map((times) =>
        draw(`${times}.png`, '--steps', '3', '--times', times),
      ),
    );
    expect(new Set(spread).size).toBe(4);
    const found = await Promise.all([
      draw('rk45.png', '--sampler', 'rk45', '--tolerance', '0.01'),
      draw('adaptive.png', '--sampler', 'dpm-adaptive'),
    ]);
    expect(new Set([...spread, ...found]).size).toBe(6);
  });

  it('refuses a sampler that it does not know and names those there are, and options of another sampler', async () => {
    const refused = async (...more: string[]) => {
      const { code, stderr } = await diffusion('sample', images, ...more, ...CPU);
      expect(code).toBe(2);
      return stderr;
    };
    expect(await refused('--sampler', 'dpm')).toContain(
      `Allowed choices are ${Object.keys(SAMPLERS).join(', ')}.`,
    );
    expect(await refused('--sampler', 'lms', '--order', '5')).toContain('Expected 1, 2, 3 or 4.');
    expect(await refused('--sampler', 'deis', '--order', '4')).toBe(
      'error: --order does not go with --sampler deis: order must be 1, 2 or 3, not 4.\n',
    );
    expect(await refused('--sampler', 'rk45', '--steps', '4')).toBe(
      'error: --steps is for a list of steps: rk45 finds its own, to a --tolerance.\n',
    );
    expect(await refused('--times', 'even-ish')).toContain(
      `Allowed choices are ${Object.keys(TIMES).join(', ')}.`,
    );
    const owners = (setting: 'eta' | 'order' | 'churn' | 'tolerance') =>
      Object.keys(SAMPLERS).filter((name) => SAMPLERS[name]!.knows.includes(setting));
    expect(owners('eta')).toEqual(expect.arrayContaining(['ddim', 'euler-ancestral', 'dpm2-ancestral']));
    expect(owners('churn')).toEqual(['heun']);
    for (const [sampler, setting] of [
      ['ddim', 'order'],
      ['ddim', 'churn'],
      ['dpm-solver++', 'eta'],
      ['heun', 'eta'],
      ['heun', 'order'],
      ['ancestral', 'eta'],
      ['heun', 'tolerance'],
    ] as const)
      expect(await refused('--sampler', sampler, `--${setting}`, '1')).toBe(
        `error: --${setting} belongs to --sampler ${owners(setting).join(' or ')}: ${sampler} has no such choice.\n`,
      );
  });

  it('refuses more samples than one picture holds before it draws any', async () => {
    const many = await inProcess(sampleCommand, images, '--count', '1000000000', ...CPU);
    expect(many.error).toMatch(
      /^--count is 1000000000: expected fewer, since one picture holds them all, and of \d+×\d+ /,
    );
    const cloud = await inProcess(sampleCommand, points, '--count', '1000000000', ...CPU);
    expect(cloud.error).toBe('--count is 1000000000: expected at most 10000000, which one picture can hold.');
  });

  it('refuses more steps than the schedule has, and options that do not go together', async () => {
    const many = await diffusion('sample', points, '--steps', '9', ...CPU);
    expect([many.code, many.stderr]).toEqual([
      2,
      'error: sampling.steps is 9: expected at most the 8 steps of the schedule.\n',
    ]);
    const guided = await diffusion('sample', points, '--guidance', '1', ...CPU);
    expect([guided.code, guided.stderr]).toEqual([
      2,
      expect.stringMatching(/^error: sampling\.guidance needs a model/),
    ]);
    const missing = await diffusion('sample', 'no/such/run', ...CPU);
    expect([missing.code, missing.stderr]).toEqual([1, 'error: There is no run at no/such/run.\n']);
  });
});

describe('diffusion evaluate', () => {
  it('prints the bound term by term, keeps it with the run, and plots it', async () => {
    const run = join(folder(), 'run');
    cpSync(points, run, { recursive: true });
    const { code, stdout } = await diffusion('evaluate', run, '--limit', '30', '--timesteps', '4', ...CPU);
    expect(code).toBe(0);
    const row = (name: string) => Number(new RegExp(`^  ${name}.*?(-?\\d+\\.\\d{4})`, 'm').exec(stdout)?.[1]);
    expect(row('L_T') + row('L_\\{t-1\\}   7 transitions') + row('L_0')).toBeCloseTo(row('sum'), 3);
    expect(stdout).toContain('Each example was evaluated at 4 of 8 timesteps');
    expect(readFileSync(join(run, 'bound.svg'), 'utf8')).toContain('</svg>');
    expect(readFileSync(join(run, 'report.html'), 'utf8')).toContain('The variational bound by t');

    const json = await diffusion('evaluate', run, '--limit', '30', '--timesteps', '8', '--json', ...CPU);
    const evaluation = JSON.parse(json.stdout);
    expect(evaluation).toMatchObject({ images: 30, timesteps: 8, split: 'test', step: 10 });
    expect(evaluation.terms.length).toBe(8);
    // Two coordinates an example, and the sign of a likelihood.
    expect(evaluation.boundBits).toBeCloseTo(-2 * evaluation.bitsPerDim, 9);
    expect(evaluation.boundBitsStandardError).toBeCloseTo(2 * evaluation.standardError, 9);
    expect(evaluation.nullBits).toBeCloseTo(-2 * evaluation.nullBitsPerDim, 9);
    expect(evaluation.rate + evaluation.reconstruction).toBeCloseTo(evaluation.bitsPerDim, 9);
    expect(evaluation.bounds).toBe('p(x)');
    expect(JSON.parse(readFileSync(join(run, 'evaluation.json'), 'utf8'))).toEqual(evaluation);
  });

  it('--ode tells the bits of images whatever the parts, under what class the network is told', async () => {
    const bits = async (...more: string[]) => {
      const { code, stdout } = await diffusion(
        'evaluate',
        images,
        '--ode',
        '--limit',
        '2',
        '--json',
        ...more,
        ...CPU,
      );
      expect(code).toBe(0);
      return JSON.parse(stdout);
    };
    const told = await bits();
    expect(told).toMatchObject({ images: 2, density: 'p(x | class)' });
    // No better than by chance: a network of four steps, and eight bits are those of a uniform density.
    expect(told.odeBits).toBeGreaterThan(2);
    expect(told.odeBits).toBeLessThan(20);
    expect((await bits('--seed', '1')).odeBits).not.toBe(told.odeBits);
  });

  it('refuses settings of the bound where there is none, before it opens the run', async () => {
    const refused = await diffusion('evaluate', 'no/such/run', '--ode', '--timesteps', '5', ...CPU);
    expect([refused.code, refused.stderr]).toEqual([
      2,
      'error: --timesteps is of the bound, and --ode takes the likelihood by the flow.\n',
    ]);
  });
});

describe('diffusion inspect', () => {
  it('shows model, blocks, process, checkpoints and the training curve of a run', async () => {
    const { code, stdout } = await diffusion('inspect', images);
    expect(code).toBe(0);
    expect(stdout).toMatch(/UNet2DModel for images, 4×4×1, 2 classes: [\d,]+ parameters/);
    expect(stdout).toMatch(/^ {2}down_blocks\.0 +\d+$/m);
    expect(stdout).toContain('cosine schedule of 10 steps, predicts v');
    expect(stdout).toContain('checkpoints at step 4');
  });

  it('shows the tensors of a safetensors file, and says what is wrong with another', async () => {
    const file = goldenPath('unet-mnist/diffusion_pytorch_model.safetensors');
    const { stdout } = await diffusion('inspect', file);
    expect(stdout).toContain('tensors of F32: 280,177 numbers');
    const other = await diffusion('inspect', goldenPath('unet-mnist/config.json'));
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(/^error: .* cannot be read as safetensors: .*\.\n$/);
  });

  it('prints no control characters of a file that nobody vouches for', async () => {
    const file = join(folder(), 'hostile.safetensors');
    const title = '\u001b]0;owned\u0007\u009b31m\u202e';
    writeFileSync(
      file,
      writeSafetensors(
        { [`${title}.w`]: { dtype: 'F32', shape: [], data: Float32Array.of(0) } },
        { by: `${title}\n` },
      ),
    );
    const { code, stdout } = await diffusion('inspect', file);
    expect(code).toBe(0);
    const escaped = '\\u001b]0;owned\\u0007\\u009b31m\\u202e';
    expect(stdout.split('\n')).toEqual([
      '1 tensors of F32: 1 numbers',
      `  by: ${escaped}\\u000a`,
      expect.stringMatching(/^ {2}\\u001b\]0;owned\\u0007\\u009b31m\\u202e +1$/),
      '',
    ]);
    const hostile = join(folder(), `${title}.safetensors`);
    writeFileSync(hostile, 'x');
    expect((await diffusion('inspect', hostile)).stderr).toContain(`${escaped}.safetensors cannot be read`);
  });

  it('does not mind a reader that has seen enough', async () => {
    const { child, end } = start(['inspect', images]);
    child.stdout!.destroy();
    const { code, stderr } = await end;
    expect([code, stderr]).toEqual([0, '']);
  });
});

describe('diffusion convert', () => {
  it('takes a folder of diffusers to a run and back with the same weights and the same config', async () => {
    const path = folder();
    const there = await diffusion('convert', goldenPath('unet-ddpm-cifar'), join(path, 'run'));
    expect([there.code, there.stderr]).toEqual([0, '']);
    expect((await diffusion('convert', join(path, 'run'), join(path, 'back'))).code).toBe(0);
    const weights = 'diffusion_pytorch_model.safetensors';
    expect(readSafetensors(readFileSync(join(path, 'back', weights))).tensors).toEqual(
      readSafetensors(readFileSync(goldenPath(`unet-ddpm-cifar/${weights}`))).tensors,
    );
    const { _diffusers_version: _, ...config } = JSON.parse(
      readFileSync(join(path, 'back', 'config.json'), 'utf8'),
    );
    const { _diffusers_version: __, ...golden } = JSON.parse(
      readFileSync(goldenPath('unet-ddpm-cifar/config.json'), 'utf8'),
    );
    expect(config).toEqual(golden);
  });

  it('writes the scheduler of a run as diffusers names it', async () => {
    const out = join(folder(), 'diffusers');
    await diffusion('convert', images, out);
    expect(JSON.parse(readFileSync(join(out, 'scheduler_config.json'), 'utf8'))).toEqual({
      _class_name: 'DDPMScheduler',
      num_train_timesteps: 10,
      beta_schedule: 'squaredcos_cap_v2',
      prediction_type: 'v_prediction',
      variance_type: 'fixed_small',
      rescale_betas_zero_snr: false,
      clip_sample: true,
      clip_sample_range: 1,
    });
    const sheets = [join(out, 'a.png'), join(out, 'b.png')] as const;
    await diffusion('sample', images, '--out', sheets[0], ...CPU);
    await diffusion('sample', out, '--out', sheets[1], ...CPU);
    expect(hash(sheets[1])).toBe(hash(sheets[0]));
  });

  it('refuses what has no counterpart, and a folder that holds something', async () => {
    const { code, stderr } = await diffusion('convert', points, join(folder(), 'out'));
    expect([code, stderr]).toEqual([
      1,
      'error: diffusers has no counterpart of this MLP: only a UNet2DModel can be converted.\n',
    ]);
    expect((await diffusion('convert', images, images)).stderr).toBe(
      `error: ${images} holds something already: choose another folder.\n`,
    );
    expect(existsSync(join(images, 'unet'))).toBe(false);
  });
});

describe('the command line', () => {
  it('says what was meant where a command is misspelt, and what is allowed where a value is not, with exit code 2', async () => {
    const command = await diffusion('trian');
    expect([command.code, command.stderr]).toEqual([2, expect.stringContaining('Did you mean train?')]);
    const value = await diffusion('train', '--preset', 'moons', '--steps', 'ten');
    expect([value.code, value.stderr]).toEqual([
      2,
      expect.stringContaining('Expected a whole number of at least 1.'),
    ]);
  });

  it('has help, with exit code 0', async () => {
    const { code, stdout } = await diffusion('train', '--help');
    expect([code, stdout]).toEqual([0, expect.stringContaining('Usage: diffusion train')]);
    for (const command of [
      trainCommand,
      sampleCommand,
      compareCommand,
      evaluateCommand,
      inspectCommand,
      convertCommand,
    ]) {
      for (const option of command.options) expect(option.description).not.toBe('');
      expect(command.description()).toMatch(/\.$/);
    }
  });
});
