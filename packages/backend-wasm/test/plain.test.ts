// The build of the kernels for engines without relaxed SIMD, held to PyTorch's numbers too.

import { vi } from 'vitest';

vi.mock('../src/fused.js', () => ({ hasFusedProducts: () => false }));
vi.mock('#fused-binary', () => {
  throw new Error('the build for relaxed SIMD was loaded');
});

await import('./golden.test.js');
