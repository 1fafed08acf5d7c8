/** A config that cannot be used; the message is one sentence that names the setting, its value and what is allowed. */
export class ConfigError extends RangeError {
  override readonly name = 'ConfigError';
}

/**
 * What `make` makes, and whatever it refuses as the fault of a setting.
 * @throws ConfigError that begins with the setting and goes on as what `make` threw; a ConfigError of its own as it is.
 */
export function blaming<T>(setting: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError(`${setting}${(cause as Error).message}.`, { cause });
  }
}
