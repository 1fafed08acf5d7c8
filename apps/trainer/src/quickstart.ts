import { join } from 'node:path';
import { PRESETS } from '@diffusion-ts/recipes';
import { startBackend } from './backend.js';
import { fail } from './errors.js';
import { interruptible } from './interrupt.js';
import { quickstart } from './runs/quickstart-run.js';

const interrupt = interruptible(() => console.error('\nStopping; the next quickstart goes on from here.'));
try {
  const backend = await startBackend('wasm');
  await quickstart({
    backend,
    workers: 'auto',
    run: join('runs', 'quickstart'),
    preset: PRESETS.mnist,
    seconds: 5 * 60,
    samples: 60,
    testImages: 256,
    timesteps: 32,
    signal: interrupt.signal,
  });
} catch (error) {
  process.exitCode = interrupt.signal.aborted ? interrupt.exitCode() : fail(error);
} finally {
  interrupt.release();
}
