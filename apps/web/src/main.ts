import './font.css';
import './app.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { mendLanguage } from './ui/locale.js';

// Before a page brings uPlot.
mendLanguage(navigator);

mount(App, { target: document.getElementById('app')! });

if (import.meta.env.PROD && 'serviceWorker' in navigator) {
  // Where it is refused (a file:// page, a private window) the site still works, only not offline.
  navigator.serviceWorker.register('./sw.js').catch(() => {});
}
