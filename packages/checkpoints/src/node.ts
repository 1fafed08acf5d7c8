export { type DiffusersFolder, readDiffusersFolder, writeDiffusersFolder } from './diffusers-folder.js';
