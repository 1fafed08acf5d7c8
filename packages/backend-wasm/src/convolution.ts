import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Room } from './room.js';

/** A convolution of images `[batch, height, width, channels]` by a filter `[filterHeight, filterWidth, channels, outChannels]`. */
export interface Geometry {
  batch: number;
  height: number;
  width: number;
  channels: number;
  outHeight: number;
  outWidth: number;
  outChannels: number;
  filterHeight: number;
  filterWidth: number;
  strideY: number;
  strideX: number;
  dilationY: number;
  dilationX: number;
  top: number;
  left: number;
}

/** Whether Winograd's algorithm applies, and the image is not so small that its tiles are mostly empty. */
function isWinograd(g: Geometry): boolean {
  return (
    g.filterHeight === 3 &&
    g.filterWidth === 3 &&
    g.strideY === 1 &&
    g.strideX === 1 &&
    g.dilationY === 1 &&
    g.dilationX === 1 &&
    g.outHeight >= 3 &&
    g.outWidth >= 3 &&
    g.batch * g.channels * g.outChannels > 0
  );
}

/** Below this many channels the transformation of the input, four at a time, costs more than it saves. */
const FEW_CHANNELS = 3;

/** Tells the kernels which convolution the next call computes. */
export function state(room: Room, g: Geometry): void {
  room.kernels.shape(
    g.height,
    g.width,
    g.channels,
    g.outHeight,
    g.outWidth,
    g.outChannels,
    g.filterHeight,
    g.filterWidth,
    g.strideY,
    g.strideX,
    g.dilationY,
    g.dilationX,
    g.top,
    g.left,
  );
}

/** What is added to a convolution: the bias to every pixel, the residual as it lies. */
interface Addends {
  bias?: TensorInfo | undefined;
  residual?: TensorInfo | undefined;
}

/** y = x ∗ filter + bias + residual, `[batch, outHeight, outWidth, outChannels]`. */
export function convolve(
  room: Room,
  x: TensorInfo,
  filter: TensorInfo,
  { bias, residual }: Addends,
  g: Geometry,
): TensorInfo {
  const { kernels, address } = room;
  const y = room.output([g.batch, g.outHeight, g.outWidth, g.outChannels]);
  const biasAddress = bias === undefined ? 0 : address(bias);
  const residualAddress = residual === undefined ? 0 : address(residual);
  if (isWinograd(g) && g.channels >= FEW_CHANNELS) {
    const bytes = kernels.winogradFilterSize(g.channels, g.outChannels);
    const scratch = room.scratch(bytes + kernels.winogradScratch(g.channels, g.outChannels));
    const kind = `winograd ${g.channels} ${g.outChannels}`;
    const u = room.derived(filter, kind, bytes, scratch, (to) =>
      kernels.winogradFilter(to, address(filter), g.channels, g.outChannels, 0, scratch + bytes),
    );
    const finite = kernels.winograd(
      address(x),
      g.batch,
      g.height,
      g.width,
      g.channels,
      u,
      biasAddress,
      residualAddress,
      address(y),
      g.outHeight,
      g.outWidth,
      g.outChannels,
      g.top,
      g.left,
      scratch + bytes,
    );
    if (finite) return y;
  }
  state(room, g);
  const scratch = room.scratch(kernels.convolutionScratch());
  kernels.convolution(
    address(x),
    g.batch,
    address(filter),
    biasAddress,
    residualAddress,
    address(y),
    scratch,
  );
  return y;
}

/** The gradient for x, `[batch, height, width, channels]`. */
export function convolveInputGradient(
  room: Room,
  dy: TensorInfo,
  filter: TensorInfo,
  g: Geometry,
): TensorInfo {
  const { kernels, address } = room;
  const dx = room.output([g.batch, g.height, g.width, g.channels]);
  if (isWinograd(g)) {
    const bytes = kernels.winogradFilterSize(g.outChannels, g.channels);
    const turned = 4 * 9 * g.channels * g.outChannels;
    const scratch = room.scratch(bytes + turned + kernels.winogradScratch(g.outChannels, g.channels));
    const kind = `winograd turned ${g.channels} ${g.outChannels}`;
    const u = room.derived(filter, kind, bytes, scratch, (to) => {
      kernels.transposeTaps(scratch + bytes, address(filter), 9, g.channels, g.outChannels);
      kernels.winogradFilter(to, scratch + bytes, g.outChannels, g.channels, 1, scratch + bytes + turned);
    });
    const finite = kernels.winograd(
      address(dy),
      g.batch,
      g.outHeight,
      g.outWidth,
      g.outChannels,
      u,
      0,
      0,
      address(dx),
      g.height,
      g.width,
      g.channels,
      2 - g.top,
      2 - g.left,
      scratch + bytes + turned,
    );
    if (finite) return dx;
  }
  state(room, g);
  const scratch = room.scratch(kernels.convolutionScratch());
  kernels.convolutionInputGradient(address(dy), g.batch, address(filter), address(dx), scratch);
  return dx;
}

/** The gradient for the filter, `[filterHeight, filterWidth, channels, outChannels]`. */
export function convolveFilterGradient(room: Room, x: TensorInfo, dy: TensorInfo, g: Geometry): TensorInfo {
  const { kernels, address } = room;
  const dw = room.output([g.filterHeight, g.filterWidth, g.channels, g.outChannels]);
  if (isWinograd(g) && g.channels >= FEW_CHANNELS) {
    const scratch = room.scratch(kernels.winogradScratch(g.channels, g.outChannels));
    const finite = kernels.winogradFilterGradient(
      address(x),
      g.batch,
      g.height,
      g.width,
      g.channels,
      address(dy),
      g.outHeight,
      g.outWidth,
      g.outChannels,
      address(dw),
      g.top,
      g.left,
      scratch,
    );
    if (finite) return dw;
  }
  state(room, g);
  const scratch = room.scratch(kernels.convolutionScratch());
  kernels.convolutionFilterGradient(address(x), g.batch, address(dy), address(dw), scratch);
  return dw;
}
