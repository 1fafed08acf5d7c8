import '@diffusion-ts/testing/plain-threads';
import { vi } from 'vitest';

// The same on every machine: as many workers as a test asks for.
vi.mock('../src/cores.js', () => ({ physicalCores: () => 1 }));
