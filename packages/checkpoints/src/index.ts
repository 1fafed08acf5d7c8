export { CheckpointError } from './checkpoint-error.js';
export { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from './half-floats.js';
export { parseJson } from './json.js';
export { paramsFromSafetensors, paramsToSafetensors } from './params.js';
export { prefixed, unprefixed } from './prefixed.js';
export { type RawTensor, readSafetensors, type Safetensors, writeSafetensors } from './safetensors.js';
