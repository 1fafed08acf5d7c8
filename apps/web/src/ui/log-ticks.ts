/** As few as one can read a logarithmic axis by. */
const FEW = 3;
const MOST_POWERS = 5;
/** What the powers of ten are multiplied by, the coarsest first. */
const DIGITS = [[1], [1, 3], [1, 2, 5], [1, 2, 3, 5, 7]] as const;

/** Round numbers from `min` to `max` for a logarithmic axis, a handful of them however far the two lie apart. */
export function logTicks(min: number, max: number): number[] {
  const first = Math.floor(Math.log10(min));
  const last = Math.floor(Math.log10(max));
  const every = Math.ceil(Math.log10(max / min) / MOST_POWERS);
  const powers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  for (const digits of DIGITS) {
    const ticks = powers
      .filter((power) => digits.length > 1 || power % every === 0)
      .flatMap((power) => digits.map((digit) => Number(`${digit}e${power}`)))
      .filter((tick) => tick >= min && tick <= max);
    if (ticks.length >= FEW) return ticks;
  }
  return evenTicks(min, max);
}

/** Where the two are so near that an even step will do. */
function evenTicks(min: number, max: number): number[] {
  const power = Math.floor(Math.log10((max - min) / FEW));
  const steps = [5, 2, 1].map((digit) => Number(`${digit}e${power}`));
  const step = steps.find((wide) => Math.floor(max / wide) - Math.ceil(min / wide) + 1 >= FEW);
  if (step === undefined) return [];
  const count = Math.floor(max / step) - Math.ceil(min / step) + 1;
  return Array.from({ length: count }, (_, i) =>
    Number(((Math.ceil(min / step) + i) * step).toPrecision(12)),
  );
}
