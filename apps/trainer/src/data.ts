import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Dataset, withoutLabels } from '@diffusion-ts/datasets';
import { idx, imageFolder, mnist } from '@diffusion-ts/datasets/node';
import { isPoints, pointsOf, type RunConfig, type Split } from '@diffusion-ts/recipes';
import { Refusal } from './errors.js';

/**
 * The data of a run, to learn from or to be tested on. Points to be tested on are drawn anew; a folder of images has no
 * test images of its own, so there the same ones are used for both unless another `path` is given.
 */
export async function openData(config: RunConfig['data'], split: Split): Promise<Dataset> {
  if (isPoints(config)) return pointsOf(config, split);
  const dataset = await openImages(config, split);
  return config.labels ? dataset : withoutLabels(dataset);
}

async function openImages(
  config: Exclude<RunConfig['data'], { size: number }>,
  split: Split,
): Promise<Dataset> {
  switch (config.kind) {
    case 'mnist':
      return mnist({ split });
    case 'idx': {
      const folder = given(
        config.path,
        'a folder of IDX files (train-images-idx3-ubyte, … , gzipped or not)',
      );
      const prefix = split === 'train' ? 'train' : 't10k';
      const images = idxFile(folder, `${prefix}-images-idx3-ubyte`);
      return idx(
        config.labels ? { images, labels: idxFile(folder, `${prefix}-labels-idx1-ubyte`) } : { images },
      );
    }
    case 'images': {
      const { height, width, channels } = config;
      const flip = config.flip && split === 'train';
      return imageFolder(given(config.path, 'a folder of images'), { height, width, channels, flip });
    }
  }
}

function given(path: string | null, meaning: string): string {
  if (path !== null) return path;
  throw new Refusal(`data.path is not set: name ${meaning} with --data PATH.`, { exitCode: 2 });
}

/** The file of that name, compressed or not, with a dot for the last hyphen as some archives have it. */
function idxFile(folder: string, name: string): string {
  const candidates = [name, name.replace('-idx', '.idx')].flatMap((file) => [file, `${file}.gz`]);
  const found = candidates.map((file) => join(folder, file)).find(existsSync);
  if (found !== undefined) return found;
  throw new Refusal(`${folder} holds no ${name} (nor ${name}.gz).`);
}
