import { beforeAll } from 'vitest';
import { conformance } from '../../ops/test/conformance.js';
import { useWasm } from '../src/index.js';

beforeAll(() => useWasm());

conformance();
