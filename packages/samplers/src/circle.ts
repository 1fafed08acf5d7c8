import type { NoiseLevel, NoiseSchedule } from '@diffusion-ts/schedules';
import { axpby } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Frame } from './adaptive-walk.js';

/**
 * The frame in which the probability flow is finite on every schedule, from the data to pure noise: θ = arctan(σ/α) and
 * z = x/√(α² + σ²) = cos θ x_0 + sin θ ε, so that dz/dθ = v̂ = cos θ ε̂ − sin θ x̂_0 (Salimans & Ho 2022, appendix D).
 */
export function circle(schedule: NoiseSchedule): Frame {
  const coordinate = ({ alpha, sigma }: NoiseLevel): number => Math.atan2(sigma, alpha);
  const radius = ({ alpha, sigma }: NoiseLevel): number => Math.hypot(alpha, sigma);
  return {
    coordinate,
    level: (theta) => schedule.level(schedule.timeOf(-2 * Math.log(Math.tan(theta)))),
    enter: (x, level) => tf.div(x, radius(level)),
    leave: (z, level) => tf.mul(z, radius(level)),
    // v̂ = (cos θ z − x̂_0)/sin θ.
    slope(z, x0, level) {
      const theta = coordinate(level);
      return axpby(1 / Math.tan(theta), z, -1 / Math.sin(theta), x0);
    },
    x0(z, v, level) {
      const theta = coordinate(level);
      return axpby(Math.cos(theta), z, -Math.sin(theta), v);
    },
  };
}
