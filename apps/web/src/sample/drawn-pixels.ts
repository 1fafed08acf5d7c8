// A drawing as it stands in the address: four levels of grey, three pixels a character.

import { atLevel, BASE_64, nearestLevel } from '../ui/base-64.js';

const LEVELS = 4;
const PIXELS_A_CHARACTER = 3;

/** The pixels, from `low` to `high`, as text. */
export function encodePixels(pixels: Float32Array, low: number, high: number): string {
  const levels = Array.from(pixels, (value) => nearestLevel(value, LEVELS, low, high));
  let text = '';
  for (let i = 0; i < levels.length; i += PIXELS_A_CHARACTER) {
    const [a, b = 0, c = 0] = levels.slice(i, i + PIXELS_A_CHARACTER);
    text += BASE_64[a! + LEVELS * (b + LEVELS * c)]!;
  }
  return text;
}

/** The pixels of such a text; undefined where it is not of as many as asked for. */
export function decodePixels(
  text: string,
  count: number,
  low: number,
  high: number,
): Float32Array | undefined {
  if (text.length !== Math.ceil(count / PIXELS_A_CHARACTER) || !/^[\w-]*$/.test(text)) return undefined;
  return Float32Array.from({ length: count }, (_, i) => {
    const character = BASE_64.indexOf(text[Math.floor(i / PIXELS_A_CHARACTER)]!);
    const level = Math.floor(character / LEVELS ** (i % PIXELS_A_CHARACTER)) % LEVELS;
    return atLevel(level, LEVELS, low, high);
  });
}
