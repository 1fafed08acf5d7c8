import type { Dataset } from './dataset.js';

/** The same examples without their classes, for a network that is not told any. What else their condition says stays. */
export function withoutLabels(dataset: Dataset): Dataset {
  const { size, shape, range } = dataset;
  return {
    size,
    shape,
    range,
    ...(dataset.fingerprint && { fingerprint: () => dataset.fingerprint!() }),
    async batch(indices, random) {
      const { x0, condition = {} } = await dataset.batch(indices, random);
      const { label, ...rest } = condition;
      label?.dispose();
      return Object.keys(rest).length === 0 ? { x0 } : { x0, condition: rest };
    },
  };
}
