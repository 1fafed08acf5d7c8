import { Command, CommanderError } from 'commander';
import { compareCommand } from './commands/compare.js';
import { convertCommand } from './commands/convert.js';
import { evaluateCommand } from './commands/evaluate.js';
import { inspectCommand } from './commands/inspect.js';
import { sampleCommand } from './commands/sample.js';
import { trainCommand } from './commands/train.js';
import { fail } from './errors.js';

const program: Command = new Command('diffusion')
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

/** Does what a command line says, and leaves the exit code with the process. */
export async function run(args: readonly string[]): Promise<void> {
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    // What commander throws it has said already, be it an error or the help that was asked for.
    process.exitCode = error instanceof CommanderError ? (error.exitCode === 0 ? 0 : 2) : fail(error);
  }
}
