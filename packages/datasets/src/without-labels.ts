import { type Dataset, derived } from './dataset.js';

/** The same examples without their classes, for a network that is not told any. What else their condition says stays. */
export function withoutLabels(dataset: Dataset): Dataset {
  const { classes: _, ...rest } = derived(dataset, {
    async batch(indices, random) {
      const { x0, condition = {} } = await dataset.batch(indices, random);
      const { label, ...others } = condition;
      label?.dispose();
      return Object.keys(others).length === 0 ? { x0 } : { x0, condition: others };
    },
  });
  return rest;
}
