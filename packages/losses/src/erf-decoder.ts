import * as tf from '@tensorflow/tfjs-core';
import { binsOf, isPositive } from './bins.js';
import type { Decoder } from './decoder.js';

/**
 * For integer data k/127.5 − 1, the mass that the Gaussian gives to the bin of width 1/127.5 around x_0, the outer bins
 * reaching to infinity (Ho et al. 2020, eq. 13), by the Gaussian's own CDF, ½ (1 + erf(z/√2)), and in log space: without a
 * floor, good to float32 at any distance (beyond 1e16 deviations it stays as it is there), its gradient finite everywhere.
 */
export const erfDecoder: Decoder = (p, x0) =>
  tf.tidy(() => {
    const { middle, half, logHalf, lowest, highest } = binsOf(p, x0);
    // By symmetry the bin lies on the side of the upper tail: from `near`, which the mean may be behind, to `far`.
    const folded = tf.where(lowest, tf.neg(middle), tf.where(highest, middle, tf.abs(middle)));
    const y = tf.clipByValue(folded, -FARTHEST, FARTHEST);
    const outer = tf.logicalOr(lowest, highest);
    const near = tf.sub(y, half);
    const far = tf.where(outer, FARTHEST, tf.add(y, half));

    // Either way of writing the mass is exact in its own place, and kept within it elsewhere for the gradient's sake.
    const room = tf.minimum(tf.sub(2, half), tf.sub(8, tf.mul(tf.abs(y), half)));
    const isNarrow = isPositive(tf.where(outer, -1, room));
    const narrow = logIntegral(tf.where(isNarrow, y, 0), tf.where(isNarrow, half, 1), logHalf);
    const behind = tf.relu(near);
    const around = tf.relu(tf.neg(near));
    const tail = logTail(behind);
    const beyond = tf.sub(tail, logTail(tf.maximum(far, tf.add(behind, 1))));
    const apart = tf.add(tail, tf.log(tf.sub(1, tf.exp(tf.neg(tf.maximum(beyond, 1))))));
    const rest = tf.add(tf.exp(logTail(around)), tf.exp(logTail(tf.maximum(far, 0))));
    const most = tf.log(tf.sub(1, tf.minimum(rest, 0.75)));
    return tf.where(isNarrow, narrow, tf.where(isPositive(near), apart, most));
  });

/** float32 has no squares of more deviations, nor the sum of many of them. */
const FARTHEST = 1e16;
const HALF_LOG_2PI = Math.log(2 * Math.PI) / 2;

// Gauss–Legendre of eight points on [0, 1].
const NODES = [
  [0.01985507175123188, 0.0506142681451881],
  [0.10166676129318664, 0.11119051722668724],
  [0.2372337950418355, 0.15685332293894363],
  [0.4082826787521751, 0.181341891689181],
  [0.5917173212478249, 0.181341891689181],
  [0.7627662049581645, 0.15685332293894363],
  [0.8983332387068134, 0.11119051722668724],
  [0.9801449282487681, 0.0506142681451881],
] as const;

/**
 * ln ∫ φ from y − h to y + h, of a bin that the density varies little over: φ(y) e^(yh) ∫_0^h e^(−u²/2) (e^(y(u−h)) +
 * e^(−y(u+h))) du is a sum of positive numbers, where the difference of two CDFs has no digits left.
 */
function logIntegral(y: tf.Tensor, h: tf.Tensor, logH: tf.Tensor): tf.Tensor {
  const yh = tf.mul(y, h);
  const square = tf.mul(tf.square(h), -0.5);
  const sum = NODES.map(([u, weight]) => {
    const both = tf.add(tf.exp(tf.mul(yh, u - 1)), tf.exp(tf.mul(yh, -u - 1)));
    return tf.mul(tf.mul(tf.exp(tf.mul(square, u * u)), both), weight);
  }).reduce<tf.Tensor>((a, b) => tf.add(a, b), tf.scalar(0));
  return tf.add(tf.add(tf.log(sum), logH), tf.sub(tf.sub(yh, tf.mul(tf.square(y), 0.5)), HALF_LOG_2PI));
}

// (x + C) (1 − Φ(x))/φ(x) as a polynomial in C/(x + C), interpolated at Chebyshev's nodes of all x ≥ 0: 1.8e-7 relative.
const C = 2.5;
const MILLS = [
  0.999999904, 1.00002319, 0.839088432, 0.533736152, 0.0134046493, 0.217900411, -1.3488487, 1.19910633,
  -0.215326041, -0.174148137, 0.0683492338,
];

/** ln(1 − Φ(x)) of x ≥ 0, to float32: the density times Mills's ratio, which falls like 1/x. */
export function logTail(x: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const t = tf.div(C, tf.add(x, C));
    const polynomial = MILLS.reduceRight<tf.Tensor>((sum, c) => tf.add(tf.mul(sum, t), c), tf.scalar(0));
    const ratio = tf.log(tf.mul(tf.mul(polynomial, t), 1 / C));
    return tf.sub(ratio, tf.add(tf.mul(tf.square(x), 0.5), HALF_LOG_2PI));
  });
}
