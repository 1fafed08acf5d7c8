import { ConfigError } from '../config-error.js';
import { explain } from './explain.js';
import { type RunConfig, runConfig } from './schema.js';

/**
 * The config of a run with every default filled in.
 * @param source where it came from, as the message begins.
 * @throws ConfigError naming the key, its value and what is allowed.
 */
export function parseConfig(config: unknown, source: string): RunConfig {
  const result = runConfig.safeParse(config);
  if (result.success) return result.data;
  throw new ConfigError(`${source}: ${explain(result.error, config)}`);
}
