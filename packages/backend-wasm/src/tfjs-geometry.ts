import * as tf from '@tensorflow/tfjs-core';
import type { Geometry } from './convolution.js';
import { expectLengths, expectWhole } from './shapes.js';

/** A convolution as a kernel of tfjs is told it. */
export interface TfjsConvolution {
  readonly geometry: Geometry;
  /** The shape of y, as the images of this convolution lie. */
  readonly y: readonly number[];
  /** Whether images are NHWC. Ours are; others are left to tfjs. */
  readonly isNhwc: boolean;
}

/**
 * The convolution of images of one shape by a filter of another, of which either may be an attribute.
 * @throws RangeError if the shapes do not fit each other, or an attribute makes no sense.
 */
export function tfjsConvolution(
  kernel: string,
  images: readonly number[],
  filter: readonly number[],
  { strides, pad, dilations, dataFormat, dimRoundingMode }: tf.NamedAttrMap,
  depthwise = false,
): TfjsConvolution {
  expectLengths(kernel, 'images', images, 4);
  expectLengths(kernel, 'filter', filter, 4);
  expectSteps(kernel, 'strides', strides);
  if (dilations !== undefined) expectSteps(kernel, 'dilations', dilations);
  expectPadding(kernel, pad);
  const layout = tf.backend_util.convertConv2DDataFormat((dataFormat as 'NHWC' | undefined) ?? 'NHWC');
  const info = tf.backend_util.computeConv2DInfo(
    images as [number, number, number, number],
    filter as [number, number, number, number],
    strides as [number, number],
    (dilations as [number, number] | undefined) ?? 1,
    pad as 'same',
    dimRoundingMode as 'floor' | undefined,
    depthwise,
    layout,
  );
  if (filter[2] !== info.inChannels) {
    throw new RangeError(
      `${kernel}: filter [${filter}] must have the ${info.inChannels} channels of [${images}]`,
    );
  }
  if (!(info.outHeight >= 0 && info.outWidth >= 0)) {
    throw new RangeError(`${kernel}: filter [${filter}] must fit the padded images [${images}]`);
  }
  const geometry = {
    batch: info.batchSize,
    height: info.inHeight,
    width: info.inWidth,
    channels: info.inChannels,
    outHeight: info.outHeight,
    outWidth: info.outWidth,
    outChannels: info.outChannels,
    filterHeight: info.filterHeight,
    filterWidth: info.filterWidth,
    strideY: info.strideHeight,
    strideX: info.strideWidth,
    dilationY: info.dilationHeight,
    dilationX: info.dilationWidth,
    top: info.padInfo.top,
    left: info.padInfo.left,
  };
  return { geometry, y: info.outShape, isNhwc: layout === 'channelsLast' };
}

function expectSteps(kernel: string, name: string, steps: unknown): void {
  const pair = Array.isArray(steps) ? steps.slice(0, 2) : [steps, steps];
  if (pair.length < 2) throw new RangeError(`${kernel}: ${name} must be two numbers, not [${steps}]`);
  for (const step of pair) expectWhole(kernel, name, step, 1);
}

function expectPadding(kernel: string, pad: unknown): void {
  if (pad === 'same' || pad === 'valid') return;
  const sides = Array.isArray(pad) ? pad.flat() : [pad];
  const isPairs = Array.isArray(pad) && pad.length === 4 && pad.every((pair) => pair?.length === 2);
  const isWhole = sides.every((side) => Number.isInteger(side) && Math.abs(side as number) <= 2 ** 30);
  if (!isWhole || (Array.isArray(pad) && !isPairs)) {
    throw new RangeError(
      `${kernel}: pad must be same, valid, a whole number or four pairs of them, not ${pad}`,
    );
  }
}
