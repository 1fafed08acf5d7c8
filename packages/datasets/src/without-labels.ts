import type { Dataset } from './dataset.js';

/** The same examples without their classes, for a network that is not told any. */
export function withoutLabels({ size, shape, range, batch }: Dataset): Dataset {
  return {
    size,
    shape,
    range,
    async batch(indices, random) {
      const { x0, labels } = await batch(indices, random);
      labels?.dispose();
      return { x0 };
    },
  };
}
