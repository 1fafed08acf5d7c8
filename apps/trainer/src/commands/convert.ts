import { Command } from 'commander';
export const convertCommand: Command = new Command('convert');
