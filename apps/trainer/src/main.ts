#!/usr/bin/env node
import { asLaunched } from './as-launched.js';
import { run } from './program.js';

// A reader that has seen enough (`diffusion inspect … | head`) is no error, and no reason to stop training.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // EIO is that of a terminal that was closed.
  if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
  process.exit();
});
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  // EIO is that of a terminal that was closed.
  if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
});

await asLaunched(() => run(process.argv.slice(2)));
