const MAX_BYTES = 200_000_000;
const MAX_CONFIG_BYTES = 1_000_000;

/** What somebody chose: weights, and the config.json beside them if there was one. */
export interface CheckpointFiles {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly config: unknown;
}

/**
 * Reads a `.safetensors` file and, where it is chosen along, its `config.json`.
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
  const described = all.find(({ name }) => name.endsWith('.json'));
  let config: unknown;
  if (described !== undefined) {
    if (described.size > MAX_CONFIG_BYTES) {
      throw new RangeError(
        `${described.name} has ${Math.round(described.size / 1e6)} MB, too many for a config.`,
      );
    }
    try {
      config = JSON.parse(await described.text());
    } catch {
      throw new RangeError(`${described.name} is not JSON.`);
    }
  }
  return { name: weights.name, bytes: new Uint8Array(await weights.arrayBuffer()), config };
}
