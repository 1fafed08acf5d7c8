/** On how many of the workers a step is taken, so that each has as many of its images. */
export function ranksFor(batch: number, workers: number): number {
  return Array.from({ length: workers }, (_, i) => workers - i).find((size) => batch % size === 0)!;
}
