// Four floats at a time, and the few memory moves that every kernel shares.

/** Bytes of one float and of one vector. */
export const F: usize = 4;
export const V: usize = 16;

/** c + a b, in one instruction that rounds once where the engine has it (relaxed SIMD). */
@inline
export function addProduct(c: v128, a: v128, b: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(c, f32x4.mul(a, b));
}

/** c − a b, as `addProduct`. */
@inline
export function subtractProduct(c: v128, a: v128, b: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_nmadd(a, b, c);
  return f32x4.sub(c, f32x4.mul(a, b));
}

/** Reads the first `count` (1 … 3) floats at `p`; the other lanes are zero. Never reads beyond. */
export function loadPart(p: usize, count: usize): v128 {
  let v = v128.load32_zero(p);
  if (count > 1) v = v128.load_lane<f32>(p + 4, v, 1);
  if (count > 2) v = v128.load_lane<f32>(p + 8, v, 2);
  return v;
}

/** Writes the first `count` (1 … 3) lanes at `p`. */
export function storePart(p: usize, v: v128, count: usize): void {
  v128.store_lane<f32>(p, v, 0);
  if (count > 1) v128.store_lane<f32>(p + 4, v, 1);
  if (count > 2) v128.store_lane<f32>(p + 8, v, 2);
}

@inline
export function load(p: usize, count: usize): v128 {
  return count >= 4 ? v128.load(p) : loadPart(p, count);
}

@inline
export function store(p: usize, v: v128, count: usize): void {
  if (count >= 4) v128.store(p, v);
  else storePart(p, v, count);
}

/** Writes the transpose of the 4×4 matrix with rows a, b, c, d: its rows are `step` bytes apart. */
@inline
export function storeTransposed(dst: usize, step: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab0 = i32x4.shuffle(a, b, 0, 4, 1, 5);
  const ab1 = i32x4.shuffle(a, b, 2, 6, 3, 7);
  const cd0 = i32x4.shuffle(c, d, 0, 4, 1, 5);
  const cd1 = i32x4.shuffle(c, d, 2, 6, 3, 7);
  v128.store(dst, i64x2.shuffle(ab0, cd0, 0, 2));
  v128.store(dst + step, i64x2.shuffle(ab0, cd0, 1, 3));
  v128.store(dst + 2 * step, i64x2.shuffle(ab1, cd1, 0, 2));
  v128.store(dst + 3 * step, i64x2.shuffle(ab1, cd1, 1, 3));
}

@inline
export function sumLanes(v: v128): f32 {
  return (
    f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
  );
}

@inline
export function greatestLane(v: v128): f32 {
  return max(
    max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)), max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)),
  );
}

@inline
export function roundUp(n: usize, multiple: usize): usize {
  return ((n + multiple - 1) / multiple) * multiple;
}

@inline
export function least(a: usize, b: usize): usize {
  return a < b ? a : b;
}

/** Copies `count` floats. */
export function copy(to: usize, from: usize, count: usize): void {
  const end = to + (count & ~3) * F;
  while (to < end) {
    v128.store(to, v128.load(from));
    to += V;
    from += V;
  }
  if (count & 3) storePart(to, loadPart(from, count & 3), count & 3);
}

/** Writes `count` zeros. */
export function clear(to: usize, count: usize): void {
  memory.fill(to, 0, count * F);
}

/** to[i] += from[i] for `count` floats. */
export function accumulate(to: usize, from: usize, count: usize): void {
  const end = to + (count & ~3) * F;
  while (to < end) {
    v128.store(to, f32x4.add(v128.load(to), v128.load(from)));
    to += V;
    from += V;
  }
  const rest = count & 3;
  if (rest) storePart(to, f32x4.add(loadPart(to, rest), loadPart(from, rest)), rest);
}
