/**
 * What a JSON text says, as Python reads it too: with NaN, Infinity and -Infinity, and a byte-order mark before it.
 * @throws SyntaxError if it is no JSON.
 */
export function parseJson(text: string): unknown {
  const plain = text
    .replace(/^\uFEFF/, '')
    // Within a string they are text; JSON has no infinity, but numbers that are as large.
    .replace(/"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g, (found) => NUMBERS[found] ?? found);
  return JSON.parse(plain, (_, value) => (value === NOT_A_NUMBER ? Number.NaN : value));
}

// No text that anybody writes.
const NOT_A_NUMBER = '\u0000NaN';
const NUMBERS: Readonly<Record<string, string>> = {
  Infinity: '1e999',
  '-Infinity': '-1e999',
  NaN: JSON.stringify(NOT_A_NUMBER),
};
