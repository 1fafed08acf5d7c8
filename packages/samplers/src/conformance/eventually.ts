import type { Denoiser } from '@diffusion-ts/tensor';

/** A network that hands over its work, and answers after a while. */
export function eventually(denoiser: Denoiser): Denoiser {
  return async (...question) => {
    await new Promise((resolve) => setTimeout(resolve, 0));
    return denoiser(...question);
  };
}
