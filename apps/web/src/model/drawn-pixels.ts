// A drawing as it stands in the address: four levels of grey, three pixels a character.

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const LEVELS = 4;
const PIXELS_A_CHARACTER = 3;

/** The pixels, from `low` to `high`, as text. */
export function encodePixels(pixels: Float32Array, low: number, high: number): string {
  const levels = Array.from(pixels, (value) => {
    const level = Math.round(((value - low) / (high - low)) * (LEVELS - 1));
    return Math.min(LEVELS - 1, Math.max(0, level));
  });
  let text = '';
  for (let i = 0; i < levels.length; i += PIXELS_A_CHARACTER) {
    const [a, b = 0, c = 0] = levels.slice(i, i + PIXELS_A_CHARACTER);
    text += DIGITS[a! + LEVELS * (b + LEVELS * c)]!;
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
    const character = DIGITS.indexOf(text[Math.floor(i / PIXELS_A_CHARACTER)]!);
    const level = Math.floor(character / LEVELS ** (i % PIXELS_A_CHARACTER)) % LEVELS;
    return low + (level / (LEVELS - 1)) * (high - low);
  });
}
