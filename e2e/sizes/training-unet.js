// A page that trains a U-Net on images of its own and samples it.
import { useWasm } from '@diffusion-ts/backend-wasm';
import { batches, fromArrays } from '@diffusion-ts/datasets';
import { gaussianDiffusion, latent } from '@diffusion-ts/forward-process';
import { simple } from '@diffusion-ts/losses';
import { unet } from '@diffusion-ts/models';
import { fixedSmall, reverseProcess, vPrediction } from '@diffusion-ts/reverse-process';
import { ddim } from '@diffusion-ts/samplers';
import { cosine, trailing } from '@diffusion-ts/schedules';
import { finish, rng } from '@diffusion-ts/tensor';
import { constantRate, initialState, stratifiedTimes, train } from '@diffusion-ts/training';

await useWasm();
const data = fromArrays({ values: new Float32Array(64 * 784), shape: [28, 28, 1] });
const model = unet({ in_channels: 1, out_channels: 1, block_out_channels: [32, 64], norm_num_groups: 8 });
const forward = gaussianDiffusion(cosine({ steps: 1000 }));
const reverse = (params) =>
  reverseProcess({
    forward,
    denoiser: (xt, told, condition) => model.apply(params, xt, told, condition),
    predicts: vPrediction,
    variance: fixedSmall,
  });
const run = train({
  state: initialState(model.init(rng(0))),
  reverse,
  loss: simple(),
  times: stratifiedTimes(),
  batches: (start) => batches(data, { size: 64, seed: 0, start }),
  rng: rng(1),
  steps: 300,
  learningRate: constantRate(1e-3),
});
const { params } = await finish(run);
const xT = latent(forward, rng(2), [8, 28, 28, 1]);
console.log(await finish(ddim({ times: trailing(25) })(reverse(params), xT)));
