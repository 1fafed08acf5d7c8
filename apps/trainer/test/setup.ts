import '@diffusion-ts/testing/plain-threads';
import { afterAll, vi } from 'vitest';
import { removeFolders } from './folder.js';

afterAll(removeFolders);

// The same on every machine: as many workers as a test asks for.
vi.mock('../src/cores.js', () => ({ physicalCores: () => 1 }));
