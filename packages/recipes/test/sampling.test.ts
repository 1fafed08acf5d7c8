import { latent } from '@diffusion-ts/forward-process';
import { atOnce } from '@diffusion-ts/reverse-process';
import { SAMPLERS } from '@diffusion-ts/samplers';
import {
  even,
  every,
  karras,
  leading,
  leadingToData,
  linspace,
  linspaceToData,
  logSnrSpaced,
  type NoiseSchedule,
  sections,
  trailing,
} from '@diffusion-ts/schedules';
import { finish, mapParams, type Params, rng } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  ConfigError,
  diffusionOf,
  type Network,
  samplerOf,
  samplingProcess,
  scheduleOf,
  TIMES,
  timesOf,
} from '../src/index.js';
import { labelled, namesAt, type Setting, tiny } from './settings.js';

const COSINE = { kind: 'cosine', steps: 100 };
const RECTIFIED = { kind: 'rectified' };
const EDM = { kind: 'variance-exploding' };

function timesIn(schedule: object, sampling: object): { list: number[]; schedule: NoiseSchedule } {
  const config = tiny(['process.schedule', schedule], ['sampling', sampling]);
  const built = scheduleOf(config.process.schedule);
  return { list: [...timesOf(config.sampling, built)(built)], schedule: built };
}

const LISTED = namesAt('sampling.sampler').filter((name) => !SAMPLERS[name]!.findsSteps);

describe('the times that a run is sampled at', () => {
  it('are the most noise, the least and the data for a sampler that finds the others, whatever else is set', () => {
    for (const sampler of ['rk45', 'dpm-adaptive'])
      expect(timesIn(COSINE, { sampler, steps: 7, times: 'leading' }).list).toEqual([99, 0, -1]);
    expect(timesIn(RECTIFIED, { sampler: 'rk45', steps: null }).list).toEqual([1, 1e-3, 0]);
  });

  it('are those of as many sections for the ancestral sampler, and the last of equal parts for the others', () => {
    for (const sampler of LISTED) {
      const { list, schedule } = timesIn(COSINE, { sampler, steps: 7 });
      expect(list).toEqual([...(sampler === 'ancestral' ? sections([7]) : trailing(7))(schedule)]);
    }
  });

  it('are all there are where no number is given, or that of the schedule itself', () => {
    for (const sampler of LISTED) {
      for (const steps of [null, 100]) {
        const { list, schedule } = timesIn(COSINE, { sampler, steps });
        expect(list).toEqual([...every()(schedule)]);
      }
    }
  });

  it("are Karras's levels where noise grows beyond the data, however far", () => {
    for (const sampler of LISTED) {
      for (const edm of [EDM, { ...EDM, sigmaMax: 0.8 }]) {
        const { list, schedule } = timesIn(edm, { sampler, steps: 18 });
        expect(list).toEqual([...karras({ steps: 18 })(schedule)]);
      }
      const { list } = timesIn(RECTIFIED, { sampler, steps: 4 });
      expect(list).toEqual([1, 0.75, 0.5, 0.25, 0]);
    }
  });

  it.each(namesAt('sampling.times'))('are spread as they are told to: %s', (times) => {
    const rules = {
      sections: sections([6]),
      leading: leading(6),
      'leading-to-data': leadingToData(6),
      trailing: trailing(6),
      linspace: linspace(6),
      'linspace-to-data': linspaceToData(6),
      even: even(6),
      karras: karras({ steps: 6 }),
      'log-snr': logSnrSpaced(6),
    };
    for (const sampler of LISTED) {
      const { list, schedule } = timesIn(COSINE, { sampler, times, steps: 6 });
      expect(list).toEqual([...rules[times as keyof typeof rules](schedule)]);
    }
    expect(Object.keys(TIMES)).toEqual(namesAt('sampling.times'));
  });

  it('are spread as they are told to where there are as many as the schedule has steps', () => {
    const { list, schedule } = timesIn(COSINE, { times: 'karras', steps: null });
    expect(list).toEqual([...karras({ steps: 100 })(schedule)]);
    expect(timesIn(COSINE, { times: 'karras', steps: 100 }).list).toEqual(list);
  });

  it('are refused in one sentence where the schedule cannot be divided so', () => {
    expect(() => timesIn(RECTIFIED, { times: 'sections', steps: 5 })).toThrow(
      /^sampling\.times is sections: sections\(\) was asked of a schedule of continuous time, .*\.$/,
    );
    for (const times of namesAt('sampling.times').filter((name) => name !== 'sections')) {
      expect(timesIn(RECTIFIED, { times, steps: 5 }).list).toHaveLength(6);
    }
  });

  it('are refused in one sentence where the schedule has fewer, or has no number of its own', () => {
    expect(() => timesIn(COSINE, { steps: 101 })).toThrow(
      new ConfigError('sampling.steps is 101: expected at most the 100 steps of the schedule.'),
    );
    for (const schedule of [RECTIFIED, EDM]) {
      expect(() => timesIn(schedule, { steps: null })).toThrow(
        new ConfigError(
          'sampling.steps is null: expected a number, since the schedule has no steps of its own.',
        ),
      );
    }
  });
});

/** Weights of which every element counts: the last layer of a fresh network is zero. */
function weightsOf(network: Network): Params {
  return tf.tidy(() =>
    mapParams(network.init(rng(0)), ({ shape }, name) => tf.mul(rng(5).fork(name).normal(shape), 0.5)),
  );
}

async function sampled(...changes: Setting[]): Promise<number[]> {
  const config = labelled(['sampling.guidance', 0], ...changes);
  const { network, forward } = diffusionOf(config);
  const params = weightsOf(network);
  const { process, sampling } = config;
  const reverse = samplingProcess(network, params, forward, process, sampling.guidance);
  const xT = latent(forward, rng(6), [3, 2]);
  const label = tf.tensor1d([0, 1, 1], 'int32');
  try {
    const options = { rng: rng(7), condition: { label } };
    const samples = await finish(samplerOf(sampling, forward)(reverse, xT, options));
    const values = [...samples.dataSync()];
    samples.dispose();
    return values;
  } finally {
    reverse.dispose();
    tf.dispose([xT, label, params]);
  }
}

describe('the sampler of a run', () => {
  beforeAll(() => useBackend('cpu'));

  it('is the one that is named, and no other but Euler’s, which is DDIM’s', async () => {
    const before = tf.memory().numTensors;
    const samples = new Map<string, string>();
    for (const sampler of namesAt('sampling.sampler')) {
      const drawn = await sampled(['sampling.sampler', sampler]);
      expect(drawn.every(Number.isFinite)).toBe(true);
      samples.set(sampler, drawn.join());
    }
    expect(samples.get('euler')).toBe(samples.get('ddim'));
    expect(new Set(samples.values()).size).toBe(samples.size - 1);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('has the order and the tolerance that are given, and else its own', async () => {
    for (const [sampler, setting, own, other] of [
      ['lms', 'order', 4, 2],
      ['deis', 'order', 2, 3],
      ['rk45', 'tolerance', 1e-4, 0.5],
      ['dpm-adaptive', 'tolerance', 0.01, 0.5],
    ] as const) {
      const of = (value: number | null) =>
        sampled(['sampling.sampler', sampler], [`sampling.${setting}`, value]);
      expect(await of(null)).toEqual(await of(own));
      expect(await of(other)).not.toEqual(await of(own));
    }
  });

  it('has the η, the order and the churn that are given, where it knows them', async () => {
    const ddim = await sampled(['sampling.eta', 0]);
    expect(await sampled(['sampling.eta', null])).toEqual(ddim);
    const ancestral: Setting = ['sampling.sampler', 'euler-ancestral'];
    expect(await sampled(ancestral, ['sampling.eta', null])).toEqual(
      await sampled(ancestral, ['sampling.eta', 1]),
    );
    const heun: Setting = ['sampling.sampler', 'heun'];
    expect(await sampled(heun, ['sampling.churn', 3])).not.toEqual(await sampled(heun));
    expect(await sampled(['sampling.eta', 1])).not.toEqual(ddim);
    const dpm = (order: number) => sampled(['sampling.sampler', 'dpm-solver++'], ['sampling.order', order]);
    (await dpm(1)).forEach((x, i) => {
      expect(x).toBeCloseTo(ddim[i]!, 5);
    });
    expect(await dpm(2)).not.toEqual(await dpm(3));
    expect(await sampled(['sampling.sampler', 'heun'], ['sampling.eta', 1])).toEqual(
      await sampled(['sampling.sampler', 'heun']),
    );
  });
});

describe('the process that a run is sampled from', () => {
  beforeAll(() => useBackend('cpu'));

  it('is guided away from what the network says without a class, as far as is asked', async () => {
    const before = tf.memory().numTensors;
    const free = await sampled(['sampling.guidance', 0]);
    expect(await sampled(['sampling.guidance', 0.5])).not.toEqual(free);
    expect(tf.memory().numTensors).toBe(before);

    const config = labelled();
    const { network, forward } = diffusionOf(config);
    const params = weightsOf(network);
    const xt = tf.ones([1, 2]);
    const label = (k: number) => ({ label: tf.tensor1d([k], 'int32') });
    const process = samplingProcess(network, params, forward, config.process, 2);
    const alone = samplingProcess(network, params, forward, config.process, 0);
    const answer = (reverse: typeof alone, k: number) => [
      ...atOnce(reverse.evaluate(xt, 5, label(k))).prediction.dataSync(),
    ];
    const [one, none] = [answer(alone, 1), answer(alone, 2)];
    answer(process, 1).forEach((value, i) => {
      expect(value).toBeCloseTo(3 * one[i]! - 2 * none[i]!, 4);
    });
    process.dispose();
  });

  it('keeps x_0 of images in the range of the config, or lets it be, and that of points always', () => {
    const image = {
      ...{ _class_name: 'UNet2DModel', sample_size: 4, in_channels: 1, out_channels: 1, layers_per_block: 1 },
      ...{ block_out_channels: [4], down_block_types: ['DownBlock2D'], up_block_types: ['UpBlock2D'] },
      ...{ norm_num_groups: 2, attention_head_dim: 4 },
    };
    const images = tiny(['model', image], ['data', { kind: 'mnist', labels: false }]);
    for (const [config, clip] of [
      [tiny(), false],
      [images, [-1, 1]],
      [{ ...images, process: { ...images.process, clip: 2.5 } }, [-2.5, 2.5]],
      [{ ...images, process: { ...images.process, clip: null } }, false],
    ] as const) {
      const { network, forward } = diffusionOf(config);
      expect(samplingProcess(network, {}, forward, config.process, 0).clip).toEqual(clip);
    }
  });

  it('cannot be guided where the network never learned without a class', () => {
    const sentence =
      'sampling.guidance needs a model that was trained with classes or an image, and with some of them hidden; this one was not.';
    for (const config of [tiny(), labelled(['training.labelDropout', 0])]) {
      const { network, forward } = diffusionOf(config);
      expect(() => samplingProcess(network, {}, forward, config.process, 1)).toThrow(
        new ConfigError(sentence),
      );
    }
  });
});
