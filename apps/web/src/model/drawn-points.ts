// Points drawn by hand, as they stand in the address: two characters a coordinate.

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const LEVELS = DIGITS.length ** 2;
const EXTENT = 1.5;
/** As many as fit in an address that everybody can pass on. */
export const MAX_POINTS = 300;

export function encodePoints(points: Float32Array): string {
  return Array.from(points, (value) => {
    const level = Math.round(((value + EXTENT) / (2 * EXTENT)) * (LEVELS - 1));
    const clipped = Math.min(LEVELS - 1, Math.max(0, level));
    return DIGITS[Math.floor(clipped / DIGITS.length)]! + DIGITS[clipped % DIGITS.length]!;
  }).join('');
}

/** The points of an address; what is no point in it is left out. */
export function decodePoints(text: string): Float32Array {
  const pairs = text.match(/[\w-]{4}/g)?.slice(0, MAX_POINTS) ?? [];
  const coordinate = (pair: string): number => {
    const level = DIGITS.indexOf(pair[0]!) * DIGITS.length + DIGITS.indexOf(pair[1]!);
    return (level / (LEVELS - 1)) * 2 * EXTENT - EXTENT;
  };
  return Float32Array.from(
    pairs.flatMap((pair) => [coordinate(pair.slice(0, 2)), coordinate(pair.slice(2))]),
  );
}
