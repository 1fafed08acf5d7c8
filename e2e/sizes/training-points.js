// A page that trains an MLP on points and samples it: the example of the root's README.
import { useWasm } from '@diffusion-ts/backend-wasm';
import { batches, swissRoll } from '@diffusion-ts/datasets';
import { gaussianDiffusion, latent } from '@diffusion-ts/forward-process';
import { simple } from '@diffusion-ts/losses';
import { mlp } from '@diffusion-ts/models';
import { fixedSmall, reverseProcess, vPrediction } from '@diffusion-ts/reverse-process';
import { ddim } from '@diffusion-ts/samplers';
import { cosine, trailing } from '@diffusion-ts/schedules';
import { finish, rng } from '@diffusion-ts/tensor';
import { constantRate, initialState, stratifiedTimes, train } from '@diffusion-ts/training';

await useWasm();
const data = swissRoll({ size: 1000, seed: 0 });
const model = mlp({ dimensions: 2 });
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
const xT = latent(forward, rng(2), [8, 2]);
console.log(await finish(ddim({ times: trailing(25) })(reverse(params), xT)));
