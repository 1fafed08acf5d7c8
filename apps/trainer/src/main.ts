#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { compareCommand } from './commands/compare.js';
import { convertCommand } from './commands/convert.js';
import { evaluateCommand } from './commands/evaluate.js';
import { inspectCommand } from './commands/inspect.js';
import { sampleCommand } from './commands/sample.js';
import { trainCommand } from './commands/train.js';
import { fail } from './errors.js';

const program = new Command('diffusion')
  .description('Train, sample, compare, evaluate, inspect and convert diffusion models.')
  .showHelpAfterError('(add --help to see what there is)')
  .exitOverride();
for (const command of [
  trainCommand,
  sampleCommand,
  compareCommand,
  evaluateCommand,
  inspectCommand,
  convertCommand,
]) {
  program.addCommand(command.copyInheritedSettings(program));
}

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

try {
  await program.parseAsync();
} catch (error) {
  // What commander throws it has said already, be it an error or the help that was asked for.
  process.exitCode = error instanceof CommanderError ? (error.exitCode === 0 ? 0 : 2) : fail(error);
}
