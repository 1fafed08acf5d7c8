export { adamW, squaredNorm } from './adam-w';
export { attention, attentionGradient, attentionScratch } from './attention';
export { constantsSize, setConstants } from './constants';
export {
  convolution,
  convolutionFilterGradient,
  convolutionInputGradient,
  convolutionScratch,
  depthwiseFilterGradient,
  depthwiseInputGradient,
  shape,
} from './convolution';
export { add, addRow, copyRows, relu, silu, siluGradient, sumRows, upsample, upsampleGradient } from './elementwise';
export { gemm, gemmScratch } from './gemm';
export { groupNorm, groupNormGradient, groupNormScratch } from './group-norm';
export { normal, uniform } from './random';
export { softmaxGradient } from './softmax';
export {
  transposeTaps,
  winograd,
  winogradFilter,
  winogradFilterGradient,
  winogradFilterSize,
  winogradScratch,
} from './winograd';
