import type { Condition } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { assignment } from './assignment.js';
import type { Coupling } from './coupling.js';

/**
 * Minibatch optimal transport (Pooladian et al. 2023; Tong et al. 2023): the noise of a batch goes to its examples by the
 * assignment of least Σ ‖x_0 − ε‖², so that the straight paths of flow matching hardly cross. Examples keep their order and
 * their condition. Noise changes hands only among examples that are told the same: what is told then says as little of the
 * noise as before, and samples of a class start from the same N(0, I). O(batch³) on the host.
 *
 * What a network learns of such pairs is a flow, E[ε − x_0 | x_t], and no score: draw from it with samplers that add no noise.
 * @example
 * const record = await trainStep(state, { x0 }, { ...options, coupling: optimalTransport() });
 */
export function optimalTransport(): Coupling {
  return async (x0, noise, condition) => {
    const size = x0.shape[0]!;
    // ‖x − ε‖² = ‖x‖² + ‖ε‖² − 2 x·ε, of which an assignment changes the last alone.
    const products = tf.tidy(() =>
      tf.matMul(tf.reshape(x0, [size, -1]), tf.reshape(noise, [size, -1]), false, true),
    );
    const alike = await products.data<'float32'>();
    products.dispose();
    // Of data that are not finite there is no assignment, and the step will refuse them.
    if (!alike.every(Number.isFinite)) return tf.clone(noise);
    const source = Int32Array.from({ length: size }, (_, i) => i);
    for (const rows of await toldTheSame(size, condition)) {
      const cost = Float64Array.from(rows.flatMap((i) => rows.map((j) => -alike[i * size + j]!)));
      assignment(cost, rows.length).forEach((column, row) => {
        source[rows[row]!] = rows[column]!;
      });
    }
    return tf.tidy(() => tf.gather(noise, tf.tensor1d(source, 'int32')));
  };
}

/** The examples of a batch in groups whose condition is the same. */
async function toldTheSame(size: number, condition: Condition = {}): Promise<number[][]> {
  const told = await Promise.all(Object.values(condition).map((tensor) => tensor.data()));
  const groups = new Map<string, number[]>();
  for (let i = 0; i < size; i++) {
    const rows = told.map((values) =>
      values.slice((i * values.length) / size, ((i + 1) * values.length) / size),
    );
    const key = rows.map(String).join(';');
    groups.set(key, [...(groups.get(key) ?? []), i]);
  }
  return [...groups.values()];
}
