/** What a soft pen of radius `radius` leaves on a grey image in [−1, 1] at a point; the image is new. */
export function penned(
  image: Float32Array,
  width: number,
  point: { x: number; y: number },
  radius = 1.5,
): Float32Array {
  return image.map((value, i) => {
    const distance = Math.hypot((i % width) + 0.5 - point.x, Math.floor(i / width) + 0.5 - point.y);
    const ink = 2 * Math.min(1, Math.max(0, radius + 0.5 - distance)) - 1;
    return Math.max(value, ink);
  });
}

/** The mask with a disc of ones around a point; the mask is new. */
export function masked(
  mask: Float32Array,
  width: number,
  point: { x: number; y: number },
  radius = 2.6,
): Float32Array {
  return mask.map((value, i) => {
    const distance = Math.hypot((i % width) + 0.5 - point.x, Math.floor(i / width) + 0.5 - point.y);
    return distance <= radius ? 1 : value;
  });
}
