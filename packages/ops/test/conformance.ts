import { adamWConforms } from './conformance/adam-w.js';
import { attentionConforms } from './conformance/attention.js';
import { conv2dConforms } from './conformance/conv2d.js';
import { emptyConforms } from './conformance/empty.js';
import { groupNormConforms } from './conformance/group-norm.js';
import { linearConforms } from './conformance/linear.js';
import { siluConforms } from './conformance/silu.js';
import { upsampleNearestConforms } from './conformance/upsample-nearest.js';

/**
 * Declares the tests that every backend must pass, on the active one: each op and each of its gradients against a
 * float64 reference that knows nothing of tfjs, and what the kernels promise about NaN, memory and fresh tensors.
 */
export function conformance(): void {
  conv2dConforms();
  linearConforms();
  siluConforms();
  groupNormConforms();
  attentionConforms();
  upsampleNearestConforms();
  adamWConforms();
  emptyConforms();
}
