const MAX_BYTES = 200_000_000;
const MAX_CONFIG_BYTES = 1_000_000;
const SCHEDULER = 'scheduler_config.json';

/** What somebody chose: weights, and the configs beside them if there were any. */
export interface CheckpointFiles {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly config: unknown;
}

/**
 * Reads a `.safetensors` file and, where they are chosen along, its `config.json` and, of diffusers, the
 * `scheduler_config.json`.
 * @throws RangeError with one sentence for the visitor, if the files are not these.
 */
export async function readCheckpointFiles(files: Iterable<File>): Promise<CheckpointFiles> {
  const all = [...files];
  const weights = all.find(({ name }) => name.endsWith('.safetensors'));
  if (weights === undefined)
    throw new RangeError('Choose a .safetensors file, with its config.json if it has one.');
  if (weights.size > MAX_BYTES) {
    throw new RangeError(
      `${weights.name} has ${Math.round(weights.size / 1e6)} MB, too many for a browser tab.`,
    );
  }
  const described = all.filter(({ name }) => name.endsWith('.json'));
  const scheduler = described.find(({ name }) => name === SCHEDULER);
  const own = described.find((file) => file !== scheduler);
  const config = own && (await readJson(own));
  return {
    name: weights.name,
    bytes: new Uint8Array(await weights.arrayBuffer()),
    config: isOfDiffusers(config) ? await ofDiffusers(config, scheduler) : config,
  };
}

/** The config of a network of diffusers has its class at the top, that of a run inside `model`. */
function isOfDiffusers(config: unknown): config is Readonly<Record<string, unknown>> {
  return typeof config === 'object' && config !== null && '_class_name' in config;
}

async function ofDiffusers(
  model: Readonly<Record<string, unknown>>,
  scheduler: File | undefined,
): Promise<unknown> {
  if (scheduler === undefined) {
    throw new RangeError(
      `config.json is that of a network of diffusers: choose its ${SCHEDULER} along with it, which says what it was trained for.`,
    );
  }
  const settings = await readJson(scheduler);
  if (typeof settings !== 'object' || settings === null)
    throw new RangeError(`${SCHEDULER} must hold a JSON object.`);
  const { fromDiffusers } = await import('@diffusion-ts/recipes/diffusers');
  return fromDiffusers(model, settings as Readonly<Record<string, unknown>>);
}

async function readJson(file: File): Promise<unknown> {
  if (file.size > MAX_CONFIG_BYTES) {
    throw new RangeError(`${file.name} has ${Math.round(file.size / 1e6)} MB, too many for a config.`);
  }
  const { parseJson } = await import('@diffusion-ts/checkpoints');
  try {
    return parseJson(await file.text());
  } catch {
    throw new RangeError(`${file.name} is not JSON.`);
  }
}
