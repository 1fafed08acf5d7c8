import * as tf from '@tensorflow/tfjs-core';

/** The part of `tf.engine()` that knows what the current tidy has made, there at run time but not in its types. */
interface Scopes {
  state: { activeScope: { track: tf.Tensor[] } };
}

/**
 * `tf.tidy` for a function that may answer later. What an asynchronous one has made before its first `await` is still in
 * use when it hands back its promise, so that is left alone: from there on it frees what it makes.
 */
export function tidyNow<T extends tf.TensorContainer>(f: () => T | Promise<T>): T | Promise<T> {
  let later: Promise<T> | undefined;
  const now = tf.tidy((): tf.TensorContainer => {
    const result = f();
    if (!(result instanceof Promise)) return result;
    later = result;
    return [...(tf.engine() as unknown as Scopes).state.activeScope.track];
  });
  return later ?? (now as T);
}

/**
 * What `f` makes of an answer that comes now or later; `always` runs once when that is done, or has failed.
 */
export function whenAnswered<A extends tf.TensorContainer, B>(
  ask: () => A | Promise<A>,
  f: (answer: A) => B,
  always: () => void,
): B | Promise<B> {
  let answer: A | Promise<A>;
  try {
    answer = tidyNow(ask);
    if (answer instanceof Promise) return answer.then(f).finally(always);
    return f(answer);
  } finally {
    if (!(answer! instanceof Promise)) always();
  }
}
