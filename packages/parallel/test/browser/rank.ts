import { runRank } from '../../src/web.js';
import ask from '../questions.js';

runRank(ask);
