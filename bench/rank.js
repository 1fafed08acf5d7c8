// What every rank of the suite `parallel` does, a thread or a process: rank 0 says what, and the others do it too.

import { useWasm } from '@diffusion-ts/backend-wasm';
import { latent } from '@diffusion-ts/forward-process';
import { broadcastValue, gatherValues } from '@diffusion-ts/parallel';
import { build, PRESETS } from '@diffusion-ts/recipes';
import { parseConfig } from '@diffusion-ts/recipes/config';
import { finish, rng } from '@diffusion-ts/tensor';
import { initialState, trainStep } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { referenceUnet } from './cases.js';

await useWasm();

const IMAGE = [28, 28, 1];

/** The quickstart's network and the reference U-Net, each with the settings that it is trained with. */
const RUNS = {
  mnist: {
    ...PRESETS.mnist,
    model: { ...PRESETS.mnist.model, sample_size: 28, in_channels: 1, out_channels: 1, num_class_embeds: 11 },
  },
  unet: {
    ...PRESETS.mnist,
    data: { kind: 'mnist', labels: false },
    model: { _class_name: 'UNet2DModel', ...referenceUnet },
    training: { ...PRESETS.mnist.training, labelDropout: 0 },
    sampling: { sampler: 'ddim', steps: 5, guidance: 0 },
  },
};

/** What can be asked of all ranks at once, by name. */
function tasksOf(communicator) {
  const { rank, size, sum, gather } = communicator;
  /** The rows of this rank of `count`, of a tensor that is the same however many ranks there are. */
  const own = (count, random) => random.rows((rank * count) / size);
  const runs = Object.fromEntries(
    Object.entries(RUNS).map(([name, config]) => {
      const parsed = parseConfig(config, name);
      const built = build(parsed);
      const state = initialState(built.network.init(rng(0)));
      return [name, { ...parsed, built, state, steps: built.trainSteps(rng(1)) }];
    }),
  );
  /** One step of training on a batch of `count` images in all, drawn here once. */
  function step(name, count, more = { communicator }) {
    let batch;
    return async () => {
      const { state, steps } = runs[name];
      batch ??= {
        x0: own(count, rng(2)).normal([count / size, ...IMAGE]),
        ...(name === 'mnist' && { condition: { label: tf.fill([count / size], 7, 'int32') } }),
      };
      await trainStep(state, batch, { ...steps, ...more });
    };
  }
  /** The sum over all ranks of numbers that each has. */
  const adds = (numbersOf) => async () => tf.dispose(await sum(numbersOf()));
  const flat = (count) => {
    let numbers;
    return adds(() => {
      numbers ??= tf.zeros([count]);
      return { numbers };
    });
  };

  return {
    // Small ones, by the dozen: what takes steps by the thousand is compiled JavaScript.
    'warm-up': step('unet', size),
    'unet step 32': step('unet', 32),
    'unet step 64': step('unet', 64),
    'mnist step 64': step('mnist', 64),
    // Each keeps its gradients to itself: what the machine gives ranks that compute at the same time.
    'unet step 64 apart': step('unet', 64, {}),
    // As many tensors, of the same shapes, as a step adds up.
    'unet sum': adds(() => runs.unet.state.params),
    ...Object.fromEntries([1, 1e4, 1e5, 1e6, 4e6].map((count) => [`sum ${count}`, flat(count)])),
    /** Draws images, each rank its share, and collects them. */
    async 'unet sample 32'() {
      const { built, state, sampling } = runs.unet;
      const process = built.process(state.params);
      const xT = latent(process.forward, own(32, rng(3)), [32 / size, ...IMAGE]);
      const drawn = await finish(built.sampler(sampling)(process, xT));
      tf.dispose([xT, drawn, await gather(drawn)]);
      process.dispose();
    },
    /** The most that all ranks together have held so far, in kB: threads are of one process. */
    async memory() {
      const all = await gatherValues(communicator, [process.pid, process.resourceUsage().maxRSS]);
      return [...new Map(all).values()].reduce((total, held) => total + held);
    },
  };
}

/** Rank 0: asks all ranks for one of the tasks, and does it too. */
export function leading(communicator) {
  const tasks = tasksOf(communicator);
  return async (name) => {
    await broadcastValue(communicator, name);
    return await tasks[name]?.();
  };
}

/** The other ranks: do what is asked until it is `end`. */
export default async function follow(communicator) {
  const tasks = tasksOf(communicator);
  for (;;) {
    const name = await broadcastValue(communicator, '');
    if (name === 'end') return;
    await tasks[name]();
  }
}
