import { ConfigError } from '../config-error.js';
import { explain } from './explain.js';
import { type RunConfig, runConfig } from './schema.js';

/**
 * The config of a run with every default filled in. What a config.json keeps beside it, `alphaBars`, is left out.
 * @param source where it came from, as the message begins.
 * @throws ConfigError naming the key, its value and what is allowed.
 */
export function parseConfig(config: unknown, source: string): RunConfig {
  const result = runConfig.safeParse(settingsIn(config));
  if (result.success) return result.data;
  throw new ConfigError(`${source}: ${explain(result.error, config)}`);
}

function settingsIn(config: unknown): unknown {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) return config;
  const { alphaBars: _, ...settings } = config as Readonly<Record<string, unknown>>;
  return settings;
}
