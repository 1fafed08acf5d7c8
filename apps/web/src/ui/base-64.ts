// Numbers as they stand in an address: the nearest of some evenly spread levels, in digits that every browser leaves alone.

export const BASE_64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** The level, of as many from `low` to `high`, that is nearest to a number. */
export function nearestLevel(value: number, levels: number, low: number, high: number): number {
  const level = Math.round(((value - low) / (high - low)) * (levels - 1));
  return Math.min(levels - 1, Math.max(0, level));
}

/** The number that a level stands for. */
export function atLevel(level: number, levels: number, low: number, high: number): number {
  return low + (level / (levels - 1)) * (high - low);
}
