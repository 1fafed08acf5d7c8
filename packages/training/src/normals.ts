import type { Rng } from '@diffusion-ts/tensor';

/** Standard normal numbers on the host, one from the stream of each row. */
export function normals(rng: Rng, count: number): Float64Array {
  const z = rng.normal([count]);
  const values = Float64Array.from(z.dataSync());
  z.dispose();
  return values;
}
