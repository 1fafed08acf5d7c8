// A page that draws samples of a trained U-Net, its weights fetched.
import { useWasm } from '@diffusion-ts/backend-wasm';
import { paramsFromSafetensors } from '@diffusion-ts/checkpoints';
import { gaussianDiffusion, latent } from '@diffusion-ts/forward-process';
import { unet } from '@diffusion-ts/models';
import { epsilonPrediction, fixedSmall, reverseProcess } from '@diffusion-ts/reverse-process';
import { ddim } from '@diffusion-ts/samplers';
import { linear, trailing } from '@diffusion-ts/schedules';
import { finish, rng } from '@diffusion-ts/tensor';

await useWasm();
const model = unet({ in_channels: 1, out_channels: 1, block_out_channels: [32, 64], norm_num_groups: 8 });
const file = await (await fetch('model.safetensors')).arrayBuffer();
const params = paramsFromSafetensors(new Uint8Array(file), model.layouts);
const forward = gaussianDiffusion(linear({ steps: 1000 }));
const reverse = reverseProcess({
  forward,
  denoiser: (xt, told, condition) => model.apply(params, xt, told, condition),
  predicts: epsilonPrediction,
  variance: fixedSmall,
});
const xT = latent(forward, rng(0), [4, 28, 28, 1]);
console.log(await finish(ddim({ times: trailing(25) })(reverse, xT)));
