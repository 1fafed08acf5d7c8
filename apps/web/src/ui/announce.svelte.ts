let message = $state('');

/** Says something to screen readers, politely. */
export function announce(text: string): void {
  // The same words again would be no change, and so not be read.
  message = text === message ? `${text}\u00a0` : text;
}

export function announced(): string {
  return message;
}
