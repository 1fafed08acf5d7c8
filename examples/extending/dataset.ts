// A data set: how many examples, of what shape and range, and the tensors of those that are asked for. Shuffling, batches,
// prefetching and the exact resume come with `batches`.

import '@tensorflow/tfjs-backend-cpu';
import { batches, checkIndices, type Dataset, toBatch } from '@diffusion-ts/datasets';

/** Sines of a random phase, `[length, 1]`, by their number of waves. */
export function waves({ size, length }: { size: number; length: number }): Dataset {
  const phase = (i: number): number => ((i * 0.618034) % 1) * 2 * Math.PI;
  return {
    size,
    shape: [length, 1],
    range: [-1, 1],
    classes: ['one wave', 'two waves'],
    async batch(indices) {
      checkIndices(indices, size);
      const values = Array.from(indices).flatMap((i) =>
        Array.from({ length }, (_, k) => Math.sin((2 * Math.PI * (1 + (i % 2)) * k) / length + phase(i))),
      );
      const labels = Int32Array.from(indices, (i) => i % 2);
      return toBatch(Float32Array.from(values), [length, 1], labels);
    },
  };
}

for await (const { x0, condition } of batches(waves({ size: 100, length: 16 }), { size: 8, seed: 0 })) {
  console.log(x0.shape.join(), condition?.label?.shape.join()); // 8,16,1 8
  break;
}
