import { expect, it } from 'vitest';
import { readCheckpointFiles } from '../src/files/checkpoint.js';

const file = (name: string, ...parts: string[]): File => new File(parts, name);
const weights = file('diffusion_pytorch_model.safetensors', 'weights');
const unet = file(
  'config.json',
  '{"_class_name":"UNet2DModel","sample_size":8,"in_channels":1,"out_channels":1}',
);

it('weights alone have no config, those of a run the one beside them', async () => {
  expect((await readCheckpointFiles([weights])).config).toBe(undefined);
  const own = file('config.json', '\uFEFF{"model":{"_class_name":"MLP"}}');
  const { name, bytes, config } = await readCheckpointFiles([own, weights]);
  expect(config).toEqual({ model: { _class_name: 'MLP' } });
  expect([name, new TextDecoder().decode(bytes)]).toEqual(['diffusion_pytorch_model.safetensors', 'weights']);
});

it('a network of diffusers and its scheduler are the config of a run', async () => {
  const scheduler = file(
    'scheduler_config.json',
    '{"_class_name":"DPMSolverMultistepScheduler","lambda_min_clipped":-Infinity,"prediction_type":"v_prediction"}',
  );
  const { config } = await readCheckpointFiles([scheduler, unet, weights]);
  expect(config).toMatchObject({
    data: { kind: 'images', height: 8, width: 8, channels: 1 },
    process: { predicts: 'v', clip: null },
    sampling: { sampler: 'dpm-solver++' },
  });
});

it('a network of diffusers without its scheduler is called what it is', async () => {
  await expect(readCheckpointFiles([unet, weights])).rejects.toThrow(
    'config.json is that of a network of diffusers: choose its scheduler_config.json along with it, which says what it was trained for.',
  );
});

it.each([
  ['', 'config.json is not JSON.'],
  ['{', 'config.json is not JSON.'],
])('a config that is not JSON is refused by its name: %s', async (text, message) => {
  await expect(readCheckpointFiles([file('config.json', text), weights])).rejects.toThrow(message);
});
