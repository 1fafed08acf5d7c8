// What the ranks other than the first do: what that says.

import { broadcastValue, type Communicator } from '@diffusion-ts/parallel';
import { type Built, build, type RunConfig } from '@diffusion-ts/recipes';
import { disposeParams, type Params } from '@diffusion-ts/tensor';
import { type ActiveBackend, startBackend } from './backend.js';
import type { CompareCommandOptions } from './commands/compare.js';
import type { EvaluationAsked } from './commands/evaluate.js';
import type { SampleOptions } from './commands/sample.js';
import { join, type Order } from './ranks.js';
import type { Fingerprint } from './run/fingerprint.js';
import { FailedTogether, sharedParams } from './shared.js';

/** What is told of a run whose folder rank 0 alone has; its weights are shared. */
interface OfRun {
  readonly config: RunConfig;
}

/** By the names that rank 0 calls them by; what each needs is loaded with it. */
const TASKS = {
  backend: async ({ backend }: { backend: ActiveBackend }) => void (await startBackend(backend)),
  train: async ({ config, data }: OfRun & { data: Fingerprint | null }) =>
    (await import('./runs/train-run.js')).trainAlong(config, data),
  sheet: async ({ config }: OfRun) =>
    drawAlong(config, (await import('./runs/watching-sheet.js')).watchingSheet),
  reverse: async ({ config }: OfRun) =>
    drawAlong(config, (await import('./runs/reverse-frames.js')).reverseFrames),
  animate: async ({ config }: OfRun) =>
    drawAlong(config, (await import('./runs/quickstart-run.js')).animated),
  sample: async ({ folder, options }: { folder: string; options: SampleOptions }) =>
    (await import('./commands/sample.js')).sampleOnRank(folder, options),
  compare: async ({ folder, options }: { folder: string; options: CompareCommandOptions }) =>
    (await import('./commands/compare.js')).compareOnRank(folder, options),
  evaluate: async ({ folder, options }: { folder: string; options: EvaluationAsked }) =>
    (await import('./commands/evaluate.js')).evaluateOnRank(folder, options),
} satisfies Readonly<Record<string, (given: never) => Promise<void>>>;

/** The name of something that all ranks do. */
export type Task = keyof typeof TASKS;
/** What a rank needs to know to do it. */
export type Given<Name extends Task> = Parameters<(typeof TASKS)[Name]>[0];

/** Does what rank 0 says until there is nothing more to do. */
export async function followed(communicator: Communicator, backend: ActiveBackend): Promise<void> {
  // Whatever there is to say, rank 0 says.
  process.stdout.write = process.stderr.write = () => true;
  await startBackend(backend);
  join(communicator);
  for (;;) {
    const order = await broadcastValue<Order>(communicator, null);
    if (order === null) return;
    const [task, given] = order;
    const work = TASKS[task] as (given: unknown) => Promise<void>;
    await work(given).catch((error: unknown) => {
      // Then rank 0 knows it too, and says what comes next.
      if (!(error instanceof FailedTogether)) throw error;
    });
  }
}

// What a thread runs.
export default followed;

/** Takes its share of what is drawn of the weights that rank 0 has. */
async function drawAlong(
  config: RunConfig,
  draw: (built: Built, params: Params, config: RunConfig) => Promise<unknown>,
): Promise<void> {
  const params = await sharedParams(undefined);
  try {
    await draw(build(config), params, config);
  } finally {
    disposeParams(params);
  }
}
