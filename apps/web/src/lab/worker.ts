// Where the worker begins. WebKit evaluates this module once more where another one imports it, and then has two workers
// in one, so there is nothing here that another one could want: see `vite.config.ts`.
import './serve.js';
