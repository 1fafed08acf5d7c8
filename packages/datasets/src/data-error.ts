/** A file or folder that is not what it claims to be; the message is one sentence that names it. */
export class DataError extends RangeError {
  override readonly name = 'DataError';
}
