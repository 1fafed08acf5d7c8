import { describe, expect, it } from 'vitest';
import { DERIVATION_CODE } from '../src/derivation/code.js';
import { excerpt } from '../src/derivation/excerpt.js';

describe('an excerpt', () => {
  const source =
    'const a = 1;\n  function f(\n    x: number,\n  ): number {\n    return x + a;\n  }\nf(2);\n';

  it('ends where the function closes, without its indent', () => {
    const { line, lines } = excerpt('f.ts', source, 'function f', ['return']);
    expect(line).toBe(2);
    expect(lines.map(({ text }) => text)).toEqual([
      'function f(',
      '  x: number,',
      '): number {',
      '  return x + a;',
      '}',
    ]);
    expect(lines.map(({ marked }) => marked)).toEqual([false, false, false, true, false]);
  });

  it('says so when the code has moved on', () => {
    expect(() => excerpt('f.ts', source, 'function g', [])).toThrow('f.ts does not contain "function g"');
    expect(() => excerpt('f.ts', source, 'function f', ['throw'])).toThrow('does not contain "throw"');
  });
});

describe('the derivation', () => {
  it('finds every line of code that it shows', () => {
    for (const { lines } of Object.values(DERIVATION_CODE)) {
      expect(lines.length).toBeGreaterThan(2);
      expect(lines.filter(({ marked }) => marked).length).toBeGreaterThan(0);
    }
  });
});
