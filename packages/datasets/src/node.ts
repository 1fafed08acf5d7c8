export { type IdxFiles, idx, idxClasses } from './idx-files.js';
export { type ImageFolderOptions, imageFolder } from './image-folder.js';
export { mnist } from './mnist.js';
