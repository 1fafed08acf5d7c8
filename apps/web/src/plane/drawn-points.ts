// Points drawn by hand, as they stand in the address: two characters a coordinate.

import { atLevel, BASE_64, nearestLevel } from '../ui/base-64.js';

const BASE = BASE_64.length;
const EXTENT = 1.5;
/** As many as fit in an address that everybody can pass on. */
export const MAX_POINTS = 300;

export function encodePoints(points: Float32Array): string {
  return Array.from(points, (value) => {
    const level = nearestLevel(value, BASE ** 2, -EXTENT, EXTENT);
    return BASE_64[Math.floor(level / BASE)]! + BASE_64[level % BASE]!;
  }).join('');
}

/** The points of an address; what is no point in it is left out. */
export function decodePoints(text: string): Float32Array {
  const pairs = text.match(/[\w-]{4}/g)?.slice(0, MAX_POINTS) ?? [];
  const coordinate = (pair: string): number => {
    const level = BASE_64.indexOf(pair[0]!) * BASE + BASE_64.indexOf(pair[1]!);
    return atLevel(level, BASE ** 2, -EXTENT, EXTENT);
  };
  return Float32Array.from(
    pairs.flatMap((pair) => [coordinate(pair.slice(0, 2)), coordinate(pair.slice(2))]),
  );
}
