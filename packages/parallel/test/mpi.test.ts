import { afterEach, expect, test, vi } from 'vitest';
import { mpi } from '../src/node.js';

afterEach(() => void vi.doUnmock('koffi'));

const ask = (): Promise<never> => expect.fail('started');

const PACKAGES = 'on Debian, apt install openmpi-bin libopenmpi3';

test.each([
  ['libnowhere.so', `no MPI library is found as libnowhere.so: ${PACKAGES}`],
  [
    'libm.so.6',
    `the MPI library must be Open MPI or MPICH, which this one is not (it does not say what it is): ${PACKAGES}`,
  ],
])('%s is refused in one sentence', async (library, sentence) => {
  await expect(mpi(ask, { library })).rejects.toThrow(new Error(sentence));
});

test('where koffi is missing it is said how to install it', async () => {
  vi.doMock('koffi', () => {
    throw new Error('no such package');
  });
  await expect(mpi(ask)).rejects.toThrow(
    new Error('mpi needs koffi to open the MPI library: npm install koffi'),
  );
});

test.each([0, -1, Number.NaN, Infinity])('a patience of %s is refused in one sentence', async (patience) => {
  await expect(mpi(ask, { patience })).rejects.toThrow(
    new RangeError(`patience must be a number of seconds above 0 and at most 2147483, not ${patience}`),
  );
});
