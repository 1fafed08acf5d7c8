let message = $state('');

/** Says something to screen readers, politely. */
export function announce(text: string): void {
  message = text;
}

export function announced(): string {
  return message;
}
