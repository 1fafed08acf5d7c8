/**
 * What is wrong with the labels of `size` examples, as the rest of a sentence that begins with where they came from;
 * undefined where there is one for each, all in 0 … classes − 1.
 */
export function labelProblem(
  labels: ArrayLike<number>,
  classes: number,
  size: number,
  examples: string,
): string | undefined {
  if (labels.length !== size) {
    return `has ${labels.length} labels, expected one for each of the ${size} ${examples}`;
  }
  for (let i = 0; i < size; i++) {
    const label = labels[i]!;
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      return `has ${label} at ${i}, expected one of the ${classes} classes 0 … ${classes - 1}`;
    }
  }
  return undefined;
}
