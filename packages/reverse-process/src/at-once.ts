/**
 * What has come already. A gradient cannot wait: losses ask for it.
 * @throws TypeError where the answer is a promise.
 */
export function atOnce<
  T extends {
    /** Frees an answer that comes too late. */
    dispose(): void;
  },
>(answer: T | Promise<T>): T {
  if (!(answer instanceof Promise)) return answer;
  answer.then(
    (late) => late.dispose(),
    () => {},
  );
  throw new TypeError(
    'the network answers with a promise, and a gradient needs its output at once: train with one that computes here',
  );
}
