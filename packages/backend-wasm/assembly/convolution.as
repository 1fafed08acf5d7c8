// Convolutions of any size, stride, dilation and padding: the patches of a block of pixels as the rows of a matrix.

import { gemm, gemmScratch } from './gemm';
import { accumulate, clear, copy, F, load, store } from './vector';

/** Floats of patches unrolled at a time. */
const BLOCK: usize = 1 << 17;

// What a convolution is, set by `shape` before a call: a kernel has no memory of its own to keep it in.
let height: i32 = 0;
let width: i32 = 0;
let channels: usize = 0;
let outHeight: i32 = 0;
let outWidth: i32 = 0;
let outChannels: usize = 0;
let filterHeight: i32 = 0;
let filterWidth: i32 = 0;
let strideY: i32 = 0;
let strideX: i32 = 0;
let dilationY: i32 = 0;
let dilationX: i32 = 0;
let padTop: i32 = 0;
let padLeft: i32 = 0;

/** States the convolution that the next call computes. */
export function shape(
  h: i32, w: i32, c: usize, oh: i32, ow: i32, oc: usize, fh: i32, fw: i32,
  sy: i32, sx: i32, dy: i32, dx: i32, top: i32, left: i32,
): void {
  height = h;
  width = w;
  channels = c;
  outHeight = oh;
  outWidth = ow;
  outChannels = oc;
  filterHeight = fh;
  filterWidth = fw;
  strideY = sy;
  strideX = sx;
  dilationY = dy;
  dilationX = dx;
  padTop = top;
  padLeft = left;
}

@inline
function depth(): usize {
  return <usize>(filterHeight * filterWidth) * channels;
}

@inline
function blockRows(): usize {
  const rows = (BLOCK / max(depth(), 1)) & ~3;
  return rows < 32 ? 32 : rows;
}

/** Whether the image itself is the matrix of patches. */
@inline
function isPointwise(): bool {
  return (
    filterHeight === 1 && filterWidth === 1 && strideY === 1 && strideX === 1 && padTop === 0 && padLeft === 0 &&
    outHeight === height && outWidth === width
  );
}

/** Bytes of scratch that the convolution stated by `shape` needs. */
export function convolutionScratch(): f64 {
  return <f64>gemmScratch() + (<f64>blockRows() * <f64>depth() + <f64>max(outChannels, depth())) * <f64>F;
}

/** The patches of `count` output pixels from number `first` on, one row each. */
function unroll(to: usize, x: usize, first: usize, count: usize): void {
  const line = <usize>filterWidth * channels;
  for (let i: usize = 0; i < count; i++) {
    const at = <i32>(first + i);
    const image = at / (outHeight * outWidth);
    const left = (at % outWidth) * strideX - padLeft;
    const top = ((at / outWidth) % outHeight) * strideY - padTop;
    const inside = dilationX === 1 && left >= 0 && left + filterWidth <= width;
    for (let fy = 0; fy < filterHeight; fy++) {
      const y = top + fy * dilationY;
      if (y < 0 || y >= height) {
        clear(to, line);
        to += line * F;
        continue;
      }
      const row = x + <usize>((image * height + y) * width) * channels * F;
      if (inside) {
        copy(to, row + <usize>left * channels * F, line);
        to += line * F;
        continue;
      }
      for (let fx = 0; fx < filterWidth; fx++) {
        const column = left + fx * dilationX;
        if (column < 0 || column >= width) clear(to, channels);
        else copy(to, row + <usize>column * channels * F, channels);
        to += channels * F;
      }
    }
  }
}

/** The transpose of `unroll`: every row is added to the pixels it came from. */
function rollUp(from: usize, x: usize, first: usize, count: usize): void {
  for (let i: usize = 0; i < count; i++) {
    const at = <i32>(first + i);
    const image = at / (outHeight * outWidth);
    const left = (at % outWidth) * strideX - padLeft;
    const top = ((at / outWidth) % outHeight) * strideY - padTop;
    for (let fy = 0; fy < filterHeight; fy++) {
      const y = top + fy * dilationY;
      const inside = y >= 0 && y < height;
      for (let fx = 0; fx < filterWidth; fx++) {
        const column = left + fx * dilationX;
        if (inside && column >= 0 && column < width) {
          accumulate(x + <usize>((image * height + y) * width + column) * channels * F, from, channels);
        }
        from += channels * F;
      }
    }
  }
}

/** y = x ∗ w + bias + residual; `bias` and `residual` are 0 for none. */
export function convolution(
  x: usize, n: i32, w: usize, bias: usize, residual: usize, y: usize, scratch: usize,
): void {
  const pixels = <usize>(n * outHeight * outWidth);
  const k = depth();
  const patches = scratch + gemmScratch();
  const block = blockRows();
  const zeros = patches + block * k * F;
  clear(zeros, outChannels);
  const init = bias === 0 ? zeros : bias;
  const row = outChannels * F;
  if (isPointwise()) {
    gemm(x, k * F, F, w, row, F, y, row, pixels, outChannels, k, init, 0, scratch);
    if (residual !== 0) accumulate(y, residual, pixels * outChannels);
    return;
  }
  for (let first: usize = 0; first < pixels; first += block) {
    const count = min(block, pixels - first);
    unroll(patches, x, first, count);
    gemm(patches, k * F, F, w, row, F, y + first * row, row, count, outChannels, k, init, 0, scratch);
    if (residual !== 0) accumulate(y + first * row, residual + first * row, count * outChannels);
  }
}

/** The gradient for x: dx = dy ∗ᵀ w. */
export function convolutionInputGradient(dy: usize, n: i32, w: usize, dx: usize, scratch: usize): void {
  const pixels = <usize>(n * outHeight * outWidth);
  const k = depth();
  const patches = scratch + gemmScratch();
  const block = blockRows();
  const zeros = patches + block * k * F;
  clear(zeros, k);
  const row = outChannels * F;
  if (isPointwise()) {
    gemm(dy, row, F, w, F, row, dx, k * F, pixels, k, outChannels, zeros, 0, scratch);
    return;
  }
  clear(dx, <usize>(n * height * width) * channels);
  for (let first: usize = 0; first < pixels; first += block) {
    const count = min(block, pixels - first);
    gemm(dy + first * row, row, F, w, F, row, patches, k * F, count, k, outChannels, zeros, 0, scratch);
    rollUp(patches, dx, first, count);
  }
}

/** The gradient for w. */
export function convolutionFilterGradient(x: usize, n: i32, dy: usize, dw: usize, scratch: usize): void {
  const pixels = <usize>(n * outHeight * outWidth);
  const k = depth();
  const patches = scratch + gemmScratch();
  const block = blockRows();
  const zeros = patches + block * k * F;
  clear(zeros, outChannels);
  const row = outChannels * F;
  if (isPointwise()) {
    gemm(x, F, k * F, dy, row, F, dw, row, k, outChannels, pixels, zeros, 0, scratch);
    return;
  }
  if (pixels === 0) clear(dw, k * outChannels);
  for (let first: usize = 0; first < pixels; first += block) {
    const count = min(block, pixels - first);
    unroll(patches, x, first, count);
    gemm(
      patches, F, k * F, dy + first * row, row, F, dw, row, k, outChannels, count,
      first === 0 ? zeros : dw, first === 0 ? 0 : row, scratch,
    );
  }
}

/** The gradient for x of a depthwise convolution: filter [filterHeight][filterWidth][channels][outChannels / channels]. */
export function depthwiseInputGradient(dy: usize, n: i32, w: usize, dx: usize): void {
  clear(dx, <usize>(n * height * width) * channels);
  depthwise(dy, n, w, dx, false);
}

/** The gradient for the filter of a depthwise convolution. */
export function depthwiseFilterGradient(x: usize, n: i32, dy: usize, dw: usize): void {
  clear(dw, <usize>(filterHeight * filterWidth) * outChannels);
  depthwise(dy, n, dw, x, true);
}

/** Visits every product of the sum y = x ∗ w, and adds dy w to x, or dy x to w. */
function depthwise(dy: usize, n: i32, w: usize, x: usize, toFilter: bool): void {
  if (outChannels === 0) return;
  const multiplier = outChannels / channels;
  for (let image = 0; image < n; image++) {
    for (let oy = 0; oy < outHeight; oy++) {
      for (let ox = 0; ox < outWidth; ox++) {
        const top = oy * strideY - padTop;
        const left = ox * strideX - padLeft;
        for (let fy = 0; fy < filterHeight; fy++) {
          const iy = top + fy * dilationY;
          if (iy < 0 || iy >= height) continue;
          for (let fx = 0; fx < filterWidth; fx++) {
            const ix = left + fx * dilationX;
            if (ix < 0 || ix >= width) continue;
            const pixel = x + <usize>((image * height + iy) * width + ix) * channels * F;
            const tap = w + <usize>(fy * filterWidth + fx) * outChannels * F;
            if (multiplier === 1) {
              const to = toFilter ? tap : pixel;
              multiplyAdd(to, dy, toFilter ? pixel : tap, channels);
            } else if (toFilter) {
              for (let i: usize = 0; i < outChannels; i++) {
                const at = tap + i * F;
                f32.store(at, f32.load(at) + f32.load(dy + i * F) * f32.load(pixel + (i / multiplier) * F));
              }
            } else {
              for (let i: usize = 0; i < outChannels; i++) {
                const at = pixel + (i / multiplier) * F;
                f32.store(at, f32.load(at) + f32.load(dy + i * F) * f32.load(tap + i * F));
              }
            }
          }
        }
        dy += outChannels * F;
      }
    }
  }
}

/** to[i] += a[i] b[i]. */
function multiplyAdd(to: usize, a: usize, b: usize, count: usize): void {
  for (let i: usize = 0; i < count; i += 4) {
    const at = i * F;
    const rest = count - i;
    store(to + at, f32x4.add(load(to + at, rest), f32x4.mul(load(a + at, rest), load(b + at, rest))), rest);
  }
}
