// GroupNorm (Wu and He 2018) with an optional SiLU behind it. An image fits the cache: three passes cost one.

import { constantTable } from './constants';
import { sigmoid4, siluSlope4 } from './math';
import { clear, F, load, roundUp, store } from './vector';

/** Bytes of scratch for `channels` channels. */
export function groupNormScratch(channels: usize): usize {
  return 6 * roundUp(channels, 4) * F;
}

/** values[c] of each group's channels becomes the group's value. */
function spread(to: usize, groups: usize, size: usize, from: usize): void {
  for (let g: usize = 0; g < groups; g++) {
    const value = f32.load(from + g * F);
    for (let i: usize = 0; i < size; i++) {
      f32.store(to, value);
      to += F;
    }
  }
}

/** The sum over the `size` channels of group `g`. */
function groupSum(values: usize, g: usize, size: usize): f64 {
  let sum: f64 = 0;
  for (let i = g * size; i < (g + 1) * size; i++) sum += <f64>f32.load(values + i * F);
  return sum;
}

/** sums[c] = Σ over rows of x. */
function sumPass(x: usize, rows: usize, channels: usize, sums: usize): void {
  for (let i: usize = 0; i < rows; i++) {
    for (let c: usize = 0; c < channels; c += 4) {
      const at = sums + c * F;
      v128.store(at, f32x4.add(v128.load(at), load(x + c * F, channels - c)));
    }
    x += channels * F;
  }
}

/** sums[c] = Σ over rows of d = x − mean, squares[c] = Σ d². */
function squarePass(x: usize, rows: usize, channels: usize, mean: usize, sums: usize, squares: usize): void {
  for (let i: usize = 0; i < rows; i++) {
    for (let c: usize = 0; c < channels; c += 4) {
      const at = c * F;
      const rest = channels - c;
      const d = f32x4.sub(load(x + at, rest), v128.load(mean + at));
      v128.store(sums + at, f32x4.add(v128.load(sums + at), d));
      v128.store(squares + at, f32x4.add(v128.load(squares + at), f32x4.mul(d, d)));
    }
    x += channels * F;
  }
}

/**
 * y = activation(scale (x − mean) inverseDeviation + offset) for x[n][rows][channels]. `perExample` is the bytes between
 * the rows of scale and offset: 0 if all examples share them.
 */
export function groupNorm(
  x: usize,
  scale: usize,
  offset: usize,
  perExample: usize,
  y: usize,
  means: usize,
  inverses: usize,
  n: usize,
  rows: usize,
  channels: usize,
  groups: usize,
  epsilon: f64,
  silu: bool,
  scratch: usize,
): void {
  const stride = roundUp(channels, 4) * F;
  const sums = scratch;
  const mean = sums + stride;
  const factor = mean + stride;
  const shift = factor + stride;
  const squares = shift + stride;
  const size = channels / groups;
  const count = <f64>(rows * size);
  clear(scratch, stride);
  for (let image: usize = 0; image < n; image++) {
    clear(sums, channels);
    sumPass(x, rows, channels, sums);
    for (let g: usize = 0; g < groups; g++) f32.store(means + g * F, <f32>(groupSum(sums, g, size) / count));
    spread(mean, groups, size, means);
    clear(sums, channels);
    clear(squares, channels);
    squarePass(x, rows, channels, mean, sums, squares);
    for (let g: usize = 0; g < groups; g++) {
      // What the float32 sum missed of the mean matters where the mean is many deviations from zero.
      const missed = groupSum(sums, g, size) / count;
      const better = <f64>f32.load(means + g * F) + missed;
      const variance = groupSum(squares, g, size) / count - missed * missed;
      const rounded = <f32>better;
      const inverse = 1 / Math.sqrt(variance + epsilon);
      f32.store(means + g * F, rounded);
      f32.store(inverses + g * F, <f32>inverse);
      for (let c = g * size; c < (g + 1) * size; c++) {
        const gain = <f64>f32.load(scale + c * F) * inverse;
        f32.store(mean + c * F, rounded);
        f32.store(factor + c * F, <f32>gain);
        f32.store(shift + c * F, <f32>(<f64>f32.load(offset + c * F) - (better - <f64>rounded) * gain));
      }
    }
    if (silu) siluPass(x, y, rows, channels, mean, factor, shift);
    else plainPass(x, y, rows, channels, mean, factor, shift);
    x += rows * channels * F;
    y += rows * channels * F;
    means += groups * F;
    inverses += groups * F;
    scale += perExample;
    offset += perExample;
  }
}

@inline
function normalised(x: usize, c: usize, channels: usize, mean: usize, factor: usize, shift: usize): v128 {
  const centred = f32x4.sub(load(x + c * F, channels - c), v128.load(mean + c * F));
  return f32x4.add(f32x4.mul(centred, v128.load(factor + c * F)), v128.load(shift + c * F));
}

function plainPass(x: usize, y: usize, rows: usize, channels: usize, mean: usize, factor: usize, shift: usize): void {
  for (let i: usize = 0; i < rows; i++) {
    for (let c: usize = 0; c < channels; c += 4) {
      store(y + c * F, normalised(x, c, channels, mean, factor, shift), channels - c);
    }
    x += channels * F;
    y += channels * F;
  }
}

function siluPass(x: usize, y: usize, rows: usize, channels: usize, mean: usize, factor: usize, shift: usize): void {
  const constants = constantTable();
  for (let i: usize = 0; i < rows; i++) {
    for (let c: usize = 0; c < channels; c += 4) {
      const z = normalised(x, c, channels, mean, factor, shift);
      store(y + c * F, f32x4.mul(z, sigmoid4(z, constants)), channels - c);
    }
    x += channels * F;
    y += channels * F;
  }
}

/** The gradients for x, scale and offset; the latter two have the shape of scale. */
export function groupNormGradient(
  dy: usize,
  x: usize,
  scale: usize,
  offset: usize,
  perExample: usize,
  means: usize,
  inverses: usize,
  dx: usize,
  dscale: usize,
  doffset: usize,
  n: usize,
  rows: usize,
  channels: usize,
  groups: usize,
  silu: bool,
  scratch: usize,
): void {
  const stride = roundUp(channels, 4) * F;
  const mean = scratch;
  const inverse = mean + stride;
  const gain = inverse + stride;
  const bias = gain + stride;
  const sumZ = bias + stride; // Σ dz, the gradient for the offset
  const sumZx = sumZ + stride; // Σ dz x̂, the gradient for the scale
  const size = channels / groups;
  const count = <f64>(rows * size);
  clear(scratch, 6 * roundUp(channels, 4));
  if (perExample === 0) {
    clear(dscale, channels);
    clear(doffset, channels);
  }
  for (let image: usize = 0; image < n; image++) {
    spread(mean, groups, size, means);
    spread(inverse, groups, size, inverses);
    for (let c: usize = 0; c < channels; c++) {
      f32.store(gain + c * F, f32.load(scale + c * F));
      f32.store(bias + c * F, f32.load(offset + c * F));
    }
    clear(sumZ, channels);
    clear(sumZx, channels);
    if (silu) siluGradientPass(dy, x, dx, rows, channels, mean, inverse, gain, bias, sumZ, sumZx);
    else plainGradientPass(dy, x, dx, rows, channels, mean, inverse, gain, sumZ, sumZx);
    for (let c: usize = 0; c < channels; c++) {
      const at = c * F;
      if (perExample === 0) {
        f32.store(dscale + at, f32.load(dscale + at) + f32.load(sumZx + at));
        f32.store(doffset + at, f32.load(doffset + at) + f32.load(sumZ + at));
      } else {
        f32.store(dscale + at, f32.load(sumZx + at));
        f32.store(doffset + at, f32.load(sumZ + at));
      }
      f32.store(sumZ + at, f32.load(sumZ + at) * f32.load(scale + at));
      f32.store(sumZx + at, f32.load(sumZx + at) * f32.load(scale + at));
    }
    // From here on sumZ and sumZx hold, for each channel, the means of gain·dz and of gain·dz·x̂ over its group.
    for (let g: usize = 0; g < groups; g++) {
      const meanZ = <f32>(groupSum(sumZ, g, size) / count);
      const meanZx = <f32>(groupSum(sumZx, g, size) / count);
      for (let c = g * size; c < (g + 1) * size; c++) {
        f32.store(sumZ + c * F, meanZ);
        f32.store(sumZx + c * F, meanZx);
      }
    }
    for (let i: usize = 0; i < rows; i++) {
      for (let c: usize = 0; c < channels; c += 4) {
        const at = c * F;
        const rest = channels - c;
        const r = v128.load(inverse + at);
        const xHat = f32x4.mul(f32x4.sub(load(x + at, rest), v128.load(mean + at)), r);
        const pull = f32x4.add(v128.load(sumZ + at), f32x4.mul(xHat, v128.load(sumZx + at)));
        store(dx + at, f32x4.mul(r, f32x4.sub(load(dx + at, rest), pull)), rest);
      }
      x += channels * F;
      dx += channels * F;
    }
    dy += rows * channels * F;
    means += groups * F;
    inverses += groups * F;
    scale += perExample;
    offset += perExample;
    if (perExample !== 0) {
      dscale += perExample;
      doffset += perExample;
    }
  }
}

/** dx = gain dz for now, and the sums of dz and dz x̂. */
function siluGradientPass(
  dy: usize, x: usize, dx: usize, rows: usize, channels: usize, mean: usize, inverse: usize, gain: usize, bias: usize,
  sumZ: usize, sumZx: usize,
): void {
  const constants = constantTable();
  for (let i: usize = 0; i < rows; i++) {
    for (let c: usize = 0; c < channels; c += 4) {
      const at = c * F;
      const rest = channels - c;
      const g = v128.load(gain + at);
      const xHat = f32x4.mul(f32x4.sub(load(x + at, rest), v128.load(mean + at)), v128.load(inverse + at));
      const z = f32x4.add(f32x4.mul(xHat, g), v128.load(bias + at));
      const dz = f32x4.mul(load(dy + at, rest), siluSlope4(z, sigmoid4(z, constants), constants));
      v128.store(sumZ + at, f32x4.add(v128.load(sumZ + at), dz));
      v128.store(sumZx + at, f32x4.add(v128.load(sumZx + at), f32x4.mul(dz, xHat)));
      store(dx + at, f32x4.mul(dz, g), rest);
    }
    x += channels * F;
    dy += channels * F;
    dx += channels * F;
  }
}

function plainGradientPass(
  dy: usize, x: usize, dx: usize, rows: usize, channels: usize, mean: usize, inverse: usize, gain: usize,
  sumZ: usize, sumZx: usize,
): void {
  for (let i: usize = 0; i < rows; i++) {
    for (let c: usize = 0; c < channels; c += 4) {
      const at = c * F;
      const rest = channels - c;
      const xHat = f32x4.mul(f32x4.sub(load(x + at, rest), v128.load(mean + at)), v128.load(inverse + at));
      const dz = load(dy + at, rest);
      v128.store(sumZ + at, f32x4.add(v128.load(sumZ + at), dz));
      v128.store(sumZx + at, f32x4.add(v128.load(sumZx + at), f32x4.mul(dz, xHat)));
      store(dx + at, f32x4.mul(dz, v128.load(gain + at)), rest);
    }
    x += channels * F;
    dy += channels * F;
    dx += channels * F;
  }
}
