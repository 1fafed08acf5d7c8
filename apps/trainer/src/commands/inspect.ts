import { Command } from 'commander';
export const inspectCommand: Command = new Command('inspect');
