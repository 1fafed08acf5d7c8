export { type Autoencoder, autoencoderKl } from './autoencoder-kl.js';
export { type AutoencoderKlConfig, autoencoderKlConfig } from './autoencoder-kl-config.js';
export { type ClassifierConfig, classifier } from './classifier.js';
export { type MixerConfig, mixer } from './mixer.js';
export { type MlpConfig, mlp } from './mlp.js';
export type { Accepted, Model } from './model.js';
export { unet } from './unet.js';
export { type DownBlockType, type UNetConfig, type UpBlockType, unetConfig } from './unet-config.js';
