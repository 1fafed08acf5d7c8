import { cifar10Ddpm } from './cifar10-ddpm.js';
import { fashionMnist } from './fashion-mnist.js';
import { images } from './images.js';
import { mnist } from './mnist.js';
import { moons, swissRoll } from './points.js';
import type { Preset } from './preset.js';

export const PRESETS: Readonly<Record<string, Preset>> = {
  mnist,
  'fashion-mnist': fashionMnist,
  'cifar10-ddpm': cifar10Ddpm,
  moons,
  'swiss-roll': swissRoll,
  images,
};
