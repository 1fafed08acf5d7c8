import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { binarised, type Dataset, withoutLabels } from '@diffusion-ts/datasets';
import { idx, idxClasses, imageFolder, mnist } from '@diffusion-ts/datasets/node';
import {
  isPoints,
  isSequences,
  type PointsConfig,
  pointsOf,
  preparedImages,
  type RunConfig,
  type SequencesConfig,
  type Split,
  sequencesOf,
} from '@diffusion-ts/recipes';
import { Refusal } from './errors.js';

/** Data that are read or drawn as they are. */
export type PlainConfig = Exclude<RunConfig['data'], { kind: 'latents' }>;

/**
 * Data to learn from or to be tested on. Points to be tested on are drawn anew; a folder of images has no test images of its
 * own, so there the same ones are used for both unless another `path` is given.
 */
export async function openPlainData(config: PlainConfig, split: Split): Promise<Dataset> {
  if (isPoints(config)) return pointsOf(config, split);
  if (isSequences(config)) return sequencesOf(config, split);
  const dataset = await openImages(config, split);
  return preparedImages(config.labels ? dataset : withoutLabels(dataset), config);
}

async function openImages(
  config: Exclude<PlainConfig, PointsConfig | SequencesConfig>,
  split: Split,
): Promise<Dataset> {
  switch (config.kind) {
    case 'mnist':
      return mnist({ split });
    case 'mnist-binary':
      return binarised(await mnist({ split }));
    case 'idx': {
      const folder = given(
        config.path,
        'a folder of IDX files (train-images-idx3-ubyte, … , gzipped or not)',
      );
      const file = (prefix: string, what: string): string => idxFile(folder, `${prefix}-${what}-ubyte`);
      if (split === 'train') {
        const images = file('train', 'images-idx3');
        return idx(config.labels ? { images, labels: file('train', 'labels-idx1') } : { images });
      }
      const images = file('t10k', 'images-idx3');
      if (!config.labels) return idx({ images });
      // A class may be missing among few images: the network counts those that it learned from.
      const classes = await idxClasses(file('train', 'labels-idx1'));
      return idx({ images, labels: file('t10k', 'labels-idx1'), classes });
    }
    case 'images': {
      const { height, width, channels } = config;
      const flip = config.flip && split === 'train';
      return imageFolder(given(config.path, 'a folder of images'), { height, width, channels, flip });
    }
  }
}

function given(path: string | null, meaning: string): string {
  if (path === null) {
    throw new Refusal(`data.path is not set: name ${meaning} with --data PATH.`, { exitCode: 2 });
  }
  if (!existsSync(path)) {
    throw new Refusal(`There are no data at ${path}: say where they are with --data PATH.`);
  }
  return path;
}

/** The file of that name, compressed or not, with a dot for the last hyphen as some archives have it. */
function idxFile(folder: string, name: string): string {
  const candidates = [name, name.replace('-idx', '.idx')].flatMap((file) => [file, `${file}.gz`]);
  const found = candidates.map((file) => join(folder, file)).find(existsSync);
  if (found !== undefined) return found;
  throw new Refusal(`${folder} holds no ${name} (nor ${name}.gz).`);
}
