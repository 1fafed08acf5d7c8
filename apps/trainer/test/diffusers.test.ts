import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, type RunConfig } from '@diffusion-ts/recipes';
import { parseConfig } from '@diffusion-ts/recipes/config';
import { disposeParams, type Params, rng } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { isDiffusers, readDiffusers, readDiffusersConfig, writeDiffusers } from '../src/diffusers.js';
import { folder } from './folder.js';

function configOf(process: object): RunConfig {
  const learned = 'variance' in process && process.variance === 'learnedRange';
  const model = {
    _class_name: 'UNet2DModel',
    sample_size: [4, 8],
    in_channels: 1,
    out_channels: learned ? 2 : 1,
    block_out_channels: [4],
    down_block_types: ['DownBlock2D'],
    up_block_types: ['UpBlock2D'],
    layers_per_block: 1,
    norm_num_groups: 2,
    attention_head_dim: 4,
    num_class_embeds: 3,
  };
  const config = parseConfig({ data: { kind: 'mnist' }, model, process }, 'config');
  return { ...config, model: build(config).network.config };
}

let params: Params;

async function written(config: RunConfig): Promise<string> {
  const path = join(folder(), 'model');
  const weights = build(config).network.init(rng(1));
  await writeDiffusers(path, config, weights);
  disposeParams(weights);
  return path;
}

describe('a folder of diffusers', () => {
  beforeAll(async () => {
    await useBackend('cpu');
    params = build(configOf({})).network.init(rng(1));
  });
  afterAll(() => disposeParams(params));

  it('that this project wrote gives back the whole config', async () => {
    const config = configOf({ schedule: { kind: 'sigmoid', steps: 30 }, predicts: 'x0' });
    const opened = await readDiffusers(await written(config));
    expect(opened.config).toEqual(config);
    expect(opened.built.network).toMatchObject({ shape: [4, 8, 1], classes: 2, nullLabel: 2 });
    expect([...opened.params['conv_in.weight']!.dataSync()]).toEqual([
      ...params['conv_in.weight']!.dataSync(),
    ]);
    disposeParams(opened.params);
  });

  it.each([
    { schedule: { kind: 'linear', steps: 1000 } },
    { schedule: { kind: 'linear', steps: 50, start: 0.01, end: 0.2 }, variance: 'fixedLarge' },
    { schedule: { kind: 'quadratic', steps: 100 }, predicts: 'v' },
    { schedule: { kind: 'cosine', steps: 100 }, predicts: 'x0', variance: 'learnedRange' },
    { schedule: { kind: 'cosine', steps: 100, offset: 0.02 } },
    { schedule: { kind: 'sigmoid', steps: 40 } },
    { schedule: { kind: 'linear', steps: 1000 }, zeroTerminalSnr: true, predicts: 'v' },
  ])('of diffusers itself has the process of its scheduler: %j', async (process) => {
    const config = configOf(process);
    const path = await written(config);
    rmSync(join(path, 'diffusion-ts.json'));
    const opened = await readDiffusers(path);
    expect(opened.config.process).toMatchObject({
      predicts: config.process.predicts,
      variance: config.process.variance,
      zeroTerminalSnr: config.process.zeroTerminalSnr,
    });
    const { schedule } = build(config).forward;
    const read = opened.built.forward.schedule;
    expect(read.steps).toBe(schedule.steps);
    for (let t = 0; t < schedule.steps!; t++) {
      expect(Math.abs(read.level(t).alpha ** 2 - schedule.level(t).alpha ** 2)).toBeLessThan(1e-12);
    }
    expect(opened.built.network).toMatchObject({ shape: [4, 8, 1], classes: 3 });
    disposeParams(opened.params);
  });

  it('keeps every weight, whatever its layout, on the way there and back', async () => {
    const opened = await readDiffusers(await written(configOf({})));
    expect(Object.keys(opened.params).sort()).toEqual(Object.keys(params).sort());
    for (const [name, param] of Object.entries(params)) {
      expect(opened.params[name]!.shape, name).toEqual(param.shape);
      expect(opened.params[name]!.dataSync(), name).toEqual(param.dataSync());
    }
    disposeParams(opened.params);
  });

  it('holds the network alone, and not the uncertainty that was learned with it', async () => {
    const config = configOf({});
    const opened = await readDiffusers(
      await written({ ...config, loss: { ...config.loss, uncertainty: true } as RunConfig['loss'] }),
    );
    expect(Object.keys(opened.params).sort()).toEqual(Object.keys(params).sort());
    expect(opened.config).toEqual(config);
    disposeParams(opened.params);
  });

  it.each([
    [{ schedule: { kind: 'rectified' }, predicts: 'flow' }, 'has no rectified schedule.'],
    [{ schedule: { kind: 'variance-exploding' }, predicts: 'edm' }, 'has no variance-exploding schedule.'],
    [{ predicts: 'edm' }, 'has no network that predicts edm.'],
    [{ predicts: 'previous' }, 'has no network that predicts previous.'],
  ])('has no counterpart of %j, and nothing is written', async (process, sentence) => {
    const config = configOf(process);
    const path = join(folder(), 'model');
    await expect(writeDiffusers(path, config, params)).rejects.toThrow(
      `diffusers' DDPMScheduler ${sentence}`,
    );
    expect(existsSync(path)).toBe(false);
  });

  it('may be a pipeline, with the network and the scheduler in folders of their own', async () => {
    const path = await written(configOf({ schedule: { kind: 'cosine', steps: 10 } }));
    for (const [name, files] of [
      ['unet', ['config.json', 'diffusion_pytorch_model.safetensors']],
      ['scheduler', ['scheduler_config.json']],
    ] as const) {
      mkdirSync(join(path, name));
      for (const file of files) renameSync(join(path, file), join(path, name, file));
    }
    rmSync(join(path, 'diffusion-ts.json'));
    const opened = await readDiffusers(path);
    expect(opened.config.process.schedule).toMatchObject({ kind: 'cosine', steps: 10 });
    disposeParams(opened.params);
  });

  it('with a scheduler that is not known here is refused by name', async () => {
    const path = await written(configOf({}));
    rmSync(join(path, 'diffusion-ts.json'));
    writeFileSync(join(path, 'scheduler_config.json'), '{"beta_schedule":"laplace"}');
    await expect(readDiffusers(path)).rejects.toThrow(
      'scheduler_config.json: beta_schedule is "laplace": expected one of linear, scaled_linear, squaredcos_cap_v2, sigmoid.',
    );
  });

  it('whose scheduler was changed after it was written has the process and the sampler of the scheduler, and says so', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => {});
    const path = await written(configOf({ schedule: { kind: 'cosine', steps: 10 }, predicts: 'v' }));
    const scheduler = join(path, 'scheduler_config.json');
    const ours = JSON.parse(readFileSync(join(path, 'diffusion-ts.json'), 'utf8'));
    writeFileSync(
      join(path, 'diffusion-ts.json'),
      JSON.stringify({ ...ours, sampling: { sampler: 'heun', count: 7 } }),
    );
    expect(readDiffusersConfig(path).sampling).toMatchObject({ sampler: 'heun', count: 7 });
    expect(said).not.toHaveBeenCalled();

    const json = JSON.parse(readFileSync(scheduler, 'utf8'));
    writeFileSync(scheduler, JSON.stringify({ ...json, prediction_type: 'epsilon', clip_sample: false }));
    const { process, sampling, data } = readDiffusersConfig(path);
    expect(process).toMatchObject({
      predicts: 'epsilon',
      clip: null,
      schedule: { kind: 'cosine', steps: 10 },
    });
    expect(sampling).toMatchObject({ sampler: 'heun', count: 7 });
    expect(data).toMatchObject({ kind: 'mnist' });
    expect(said).toHaveBeenLastCalledWith(
      `${scheduler} was changed since it was written: its process counts, not that of diffusion-ts.json.`,
    );

    writeFileSync(scheduler, JSON.stringify({ ...json, _class_name: 'DPMSolverMultistepScheduler' }));
    expect(readDiffusersConfig(path).sampling).toMatchObject({
      sampler: 'dpm-solver++',
      times: 'linspace-to-data',
      count: 7,
    });
    said.mockRestore();
  });

  it('may have a byte-order mark and the infinities of Python', async () => {
    const path = await written(configOf({}));
    rmSync(join(path, 'diffusion-ts.json'));
    writeFileSync(
      join(path, 'scheduler_config.json'),
      '\uFEFF{"_class_name":"DPMSolverMultistepScheduler","lambda_min_clipped":-Infinity,"variance_type":null}',
    );
    expect(readDiffusersConfig(path).process).toMatchObject({ variance: 'fixedSmall', clip: null });
    writeFileSync(join(path, 'scheduler_config.json'), '{"beta_start":NaN}');
    expect(() => readDiffusersConfig(path)).toThrow(
      'scheduler_config.json: beta_start is NaN: expected a number.',
    );
  });

  it('with a part beside network and scheduler makes no pictures by itself, and is refused by its name', () => {
    const path = folder();
    writeFileSync(
      join(path, 'model_index.json'),
      '{"_class_name":"LDMPipeline","vqvae":["diffusers","VQModel"],"unet":[]}',
    );
    expect(isDiffusers(path)).toBe(true);
    expect(() => readDiffusersConfig(path)).toThrow(
      `${join(path, 'model_index.json')} names a part that is not read here, "vqvae": expected a pipeline of unet and scheduler alone.`,
    );
  });

  it('is known by its config, whatever its weights are called', async () => {
    const path = await written(configOf({}));
    renameSync(join(path, 'diffusion_pytorch_model.safetensors'), join(path, 'diffusion_pytorch_model.bin'));
    expect(isDiffusers(path)).toBe(true);
    await expect(readDiffusers(path)).rejects.toThrow(
      'diffusion_pytorch_model.bin is a pickle of Python: save the model with safe_serialization=True, as diffusion_pytorch_model.safetensors',
    );
  });
});
