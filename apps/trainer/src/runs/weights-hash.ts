import { createHash } from 'node:crypto';
import type { Params } from '@diffusion-ts/tensor';

/** By which the same weights are known again. */
export async function weightsHash(params: Params): Promise<string> {
  const hash = createHash('sha256');
  for (const name of Object.keys(params).sort()) hash.update(await params[name]!.data<'float32'>());
  return hash.digest('hex');
}
