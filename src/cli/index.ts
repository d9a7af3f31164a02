#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { UsageError } from '../core/errors';
import { VERSION } from '../version';
import { indexCommand } from './buildIndex';
import { dataCommand } from './dataCheck';
import { evaluateCommand } from './evaluate';
import { featuresCommand } from './features';
import { generateCommand } from './generate';
import { previewCommand } from './preview';
import { reportCommand } from './report';
import { scoreCommand } from './score';
import { searchCommand } from './search';
import { Interrupted } from './shared';
import { trainCommand } from './train';
import { vocabularyCommand } from './vocabulary';

/** Words of an option may be joined by - or _, so that the common spelling `--data_path` works. */
function joinedByDashes(argument: string): string {
  if (!argument.startsWith('--')) return argument;
  const [name, ...value] = argument.split('=');
  return [name!.replaceAll('_', '-'), ...value].join('=');
}

async function main(): Promise<number> {
  const program = new Command('tfjs-captioning')
    .description('Caption pictures, train captioners and score captions, in TypeScript on TensorFlow.js.')
    .version(VERSION)
    .option('--trace', 'show the stack trace of an error')
    .addCommand(trainCommand())
    .addCommand(featuresCommand())
    .addCommand(generateCommand())
    .addCommand(evaluateCommand())
    .addCommand(scoreCommand())
    .addCommand(indexCommand())
    .addCommand(searchCommand())
    .addCommand(dataCommand().addCommand(vocabularyCommand()).addCommand(previewCommand()))
    .addCommand(reportCommand());
  for (const command of [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)])
    command.exitOverride().showHelpAfterError('(add --help for the options)');
  const given = process.argv.slice(2).map(joinedByDashes);
  const words = given.filter((word) => word !== '--trace'); // allowed anywhere
  try {
    await program.parseAsync(words, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof Interrupted) return 130;
    const { message, stack } = error as Error;
    process.stderr.write(`Error: ${given.includes('--trace') ? stack : message}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

// A reader that has seen enough, such as `head`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
process.exitCode = await main();
