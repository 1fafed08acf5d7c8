/** Throws unless `value` is a whole number of at least 1. */
export function checkCount(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new RangeError(`${name} is ${value}, expected a whole number of at least 1`);
  }
}

/** Throws unless `value` is finite and above 0. */
export function checkPositive(name: string, value: number): void {
  if (!(value > 0 && value < Number.POSITIVE_INFINITY)) {
    throw new RangeError(`${name} is ${value}, expected a positive number`);
  }
}

/** Throws unless `value` is a function; `meaning` says which. */
export function checkFunction(name: string, value: unknown, meaning: string): void {
  if (typeof value !== 'function') throw new TypeError(`${name} is ${said(value)}, expected ${meaning}`);
}

/** Throws unless `value` is a list of numbers, of an array or in one of another kind. */
export function checkList(name: string, value: ArrayLike<number>): void {
  const isList = Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);
  if (!isList) throw new TypeError(`${name} is ${said(value)}, expected a list of numbers`);
  Array.from(value).forEach((entry, i) => {
    if (typeof entry !== 'number') throw new TypeError(`${name}[${i}] is ${said(entry)}, expected a number`);
  });
}

/** What came, in a word. */
export function said(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
