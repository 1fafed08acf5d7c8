import { onEachBackend } from '@diffusion-ts/testing';
import { conformance } from './conformance.js';

onEachBackend(conformance);
