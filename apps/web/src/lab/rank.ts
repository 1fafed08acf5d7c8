// A worker that helps: a rank after the first. It does its share of one job after the other, until it is ended.

import { broadcastValue, type Communicator } from '@diffusion-ts/parallel';
import { runRank } from '@diffusion-ts/parallel/web';
import { start } from './backend.js';
import { isAbort } from './protocol.js';
import type { Asked, Shares } from './shares.js';

type Help<Told> = (communicator: Communicator, told: Told) => Promise<void>;

const HELP: { readonly [Name in keyof Shares]: () => Promise<Help<Shares[Name]>> } = {
  digits: async () => (await import('../digits/train.js')).helpToTrain,
  sample: async () => (await import('../sample/draw-model.js')).helpToDraw,
};

runRank(async (communicator) => {
  await start();
  for (;;) {
    // The first rank's counts.
    const { share, told } = await broadcastValue<Asked>(communicator, null as never);
    try {
      const help = (await HELP[share]()) as Help<unknown>;
      await help(communicator, told);
    } catch (error) {
      // All ranks have stopped, because the visitor did.
      if (!isAbort(error)) throw error;
    }
  }
});
