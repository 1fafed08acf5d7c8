import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { hasNode, useNode } from '../src/index.js';
import { describeInstalled } from './installed.js';

describe('useNode', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('says what to run where nothing is installed', async () => {
    const empty = mkdtempSync(join(tmpdir(), 'diffusion-native-'));
    vi.stubEnv('DIFFUSION_TS_NATIVE', empty);
    expect(hasNode()).toBe(false);
    await expect(useNode()).rejects.toThrow('run `npx diffusion-native`');
    rmSync(empty, { recursive: true });
  });

  it.each([0, 1.5, Number.NaN])('refuses %s threads', async (threads) => {
    await expect(useNode({ threads })).rejects.toThrow(
      new RangeError(`threads must be a whole number from 1 on, not ${threads}`),
    );
  });
});

describeInstalled('useNode, installed', () => {
  it('makes tensorflow the active backend and tells what it runs on, whatever was active before', async () => {
    const info = await useNode({ threads: 2 });
    expect(tf.getBackend()).toBe('tensorflow');
    expect(info).toMatchObject({ version: expect.stringMatching(/^\d+\.\d+\.\d+$/), threads: 2 });
    expect(info.libtensorflow).not.toBe('');
    await import('@tensorflow/tfjs-backend-cpu');
    await tf.setBackend('cpu');
    expect(await useNode()).toBe(info);
    expect(tf.getBackend()).toBe('tensorflow');
  });

  it('computes with the tensors of the tfjs-core that the caller imported', async () => {
    await useNode();
    const before = tf.memory().numTensors;
    const y = tf.matMul(tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.tensor2d([5, 6, 7, 8], [2, 2]));
    expect([...y.dataSync()]).toEqual([19, 22, 43, 50]);
    expect(y).toBeInstanceOf(tf.Tensor);
    expect(tf.memory().numTensors).toBe(before + 3);
  });

  it('puts back what Node 23 took from util', async () => {
    await useNode();
    const { values, indices } = tf.topk(tf.tensor1d([3, 1, 2]), 2);
    expect([...values.dataSync(), ...indices.dataSync()]).toEqual([3, 2, 0, 2]);
  });
});
