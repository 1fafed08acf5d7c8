import { beforeAll } from 'vitest';
import { useWasm } from '../src/index.js';

// The tests of ops stand in their own package and are no part of what it publishes: hence by path.
const { conformance } = (await import(new URL('../../ops/test/conformance.ts', import.meta.url).href)) as {
  conformance(): void;
};

beforeAll(() => useWasm());

conformance();
