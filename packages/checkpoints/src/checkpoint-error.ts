/** A file that is not what it claims to be, or tensors that no file can hold. The message is one sentence. */
export class CheckpointError extends RangeError {
  override readonly name = 'CheckpointError';
}
