import { afterEach, expect, test, vi } from 'vitest';
import { mpi } from '../src/node.js';

afterEach(() => void vi.doUnmock('koffi'));

const PACKAGES = 'on Debian, apt install openmpi-bin libopenmpi3';

test.each([
  ['libnowhere.so', `no MPI library is found as libnowhere.so: ${PACKAGES}`],
  [
    'libm.so.6',
    `the MPI library must be Open MPI or MPICH, which this one is not (it does not say what it is): ${PACKAGES}`,
  ],
])('%s is refused in one sentence', async (library, sentence) => {
  await expect(mpi({ library })).rejects.toThrow(new Error(sentence));
});

test('where koffi is missing it is said how to install it', async () => {
  vi.doMock('koffi', () => {
    throw new Error('no such package');
  });
  await expect(mpi()).rejects.toThrow(
    new Error('mpi() needs koffi to open the MPI library: npm install koffi'),
  );
});
