// Light or dark: the system's choice until the visitor makes one. A canvas follows by reading `palette()`.

const system = matchMedia('(prefers-color-scheme: dark)');

function isDark(): boolean {
  const chosen = document.documentElement.dataset.theme;
  return chosen === undefined ? system.matches : chosen === 'dark';
}

let dark = $state(isDark());
system.addEventListener('change', () => {
  dark = isDark();
});

export function isDarkTheme(): boolean {
  return dark;
}

export function toggleTheme(): void {
  document.documentElement.dataset.theme = dark ? 'light' : 'dark';
  dark = !dark;
  try {
    localStorage.setItem('theme', dark ? 'dark' : 'light');
  } catch {
    // Storage may be switched off: the choice then lasts as long as the page.
  }
}

export interface Palette {
  readonly paper: string;
  readonly card: string;
  readonly ink: string;
  readonly soft: string;
  readonly line: string;
  readonly faint: string;
  readonly accent: string;
  /** For runs that are compared; the accent is the first. */
  readonly series: readonly string[];
}

const LIGHT: Palette = {
  paper: '#fbfaf7',
  card: '#ffffff',
  ink: '#1d1d1f',
  soft: '#5f5e5b',
  line: '#e4e1da',
  faint: '#b9b5ac',
  accent: '#3346c4',
  series: ['#3346c4', '#c2571a', '#0f7b6c', '#a0347f', '#7a6a00', '#5f5e5b'],
};
const DARK: Palette = {
  paper: '#121316',
  card: '#191b1f',
  ink: '#eceae6',
  soft: '#a9a7a2',
  line: '#2c2f35',
  faint: '#565a63',
  accent: '#9aa9ff',
  series: ['#9aa9ff', '#f2a26b', '#57c9b6', '#e78cc8', '#d8c65a', '#a9a7a2'],
};

/** The colours for a canvas, which cannot use the style sheet's; reading it makes an effect follow the theme. */
export function palette(): Palette {
  return dark ? DARK : LIGHT;
}
