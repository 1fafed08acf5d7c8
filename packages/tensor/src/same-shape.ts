/** Whether two shapes are the same. (`tf.util`, where tfjs has it, brings 10 kB with it into every bundle.) */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}
