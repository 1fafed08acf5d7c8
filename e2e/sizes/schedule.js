// One schedule, and no tfjs.
import { cosine } from '@diffusion-ts/schedules';

console.log(cosine({ steps: 1000 }).level(500).alpha);
