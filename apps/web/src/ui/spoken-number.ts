/** A number with as many digits as one wants to read; small ones as a · 10ⁿ. */
export function spokenNumber(value: number, digits = 3): string {
  if (value === 0) return '0';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  if (Math.abs(value) >= 10 ** -digits) return value.toFixed(digits).replace('-', '−');
  const [mantissa, exponent] = value.toExponential(1).split('e') as [string, string];
  return `${mantissa.replace('-', '−')} · 10${superscript(Number(exponent))}`;
}

function superscript(n: number): string {
  return [...`${n}`].map((c) => (c === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(c)]!)).join('');
}
