import type { z } from 'zod';
import type { runConfig } from '../config/schema.js';

/** A config in which whatever is left out takes its default. */
export type Preset = z.input<typeof runConfig>;
