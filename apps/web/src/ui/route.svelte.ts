// The address is the state: `#/page?knob=value`. Knobs at their defaults are left out of it.

export type Knob = string | number | boolean;

// Browsers refuse an address that changes with every frame, as what plays by itself would have it.
const REST_MS = 100;

interface Route {
  page: string;
  query: URLSearchParams;
}

function parse(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  return { page: path, query: new URLSearchParams(query) };
}

let current = $state.raw(parse(location.hash));
addEventListener('hashchange', () => {
  current = parse(location.hash);
});

const lastAddress: Record<string, string> = $state({});

/** Where a page is: with the knobs it was left with. */
export function addressOf(name: string): string {
  return lastAddress[name] ?? `#/${name}`;
}

/** Where a page is with these knobs. */
export function addressWith(
  name: string,
  knobs: Readonly<Record<string, Knob>>,
  defaults: Readonly<Record<string, Knob>>,
): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(knobs)) if (value !== defaults[key]) query.set(key, `${value}`);
  const text = query.toString();
  return `#/${name}${text === '' ? '' : `?${text}`}`;
}

/** The name of the page that the address asks for; '' for none. */
export function page(): string {
  return current.page;
}

/**
 * Knobs of a page that live in the address: set from it now and whenever it changes, written to it when they rest.
 * Call it while a component is being set up. A value that `allowed` refuses counts as the default.
 */
export function knobs<T extends Record<string, Knob>>(
  name: string,
  defaults: T,
  allowed: { readonly [K in keyof T]?: (value: T[K]) => boolean } = {},
): T {
  const read = (): T =>
    Object.fromEntries(
      Object.entries(defaults).map(([key, fallback]) => {
        const text = current.query.get(key);
        const value = text === null ? fallback : parseLike(fallback, text);
        const fits = value !== undefined && (allowed[key]?.(value as T[string]) ?? true);
        return [key, fits ? value : fallback];
      }),
    ) as T;
  const state = $state(read());

  $effect(() => {
    if (current.page === name || current.page === '') Object.assign(state, read());
  });
  $effect(() => {
    const hash = addressWith(name, state, defaults);
    lastAddress[name] = hash;
    // Not through `current`: this effect must not run because of its own writing.
    const timer = setTimeout(() => {
      if (location.hash !== hash) history.replaceState(null, '', hash);
    }, REST_MS);
    return () => clearTimeout(timer);
  });
  return state;
}

function parseLike(like: Knob, text: string): Knob | undefined {
  if (typeof like === 'boolean') return text === 'true';
  if (typeof like === 'string') return text;
  const number = Number(text);
  return text !== '' && Number.isFinite(number) ? number : undefined;
}

/** Whether a value is one of a list. */
export function isOneOf<T>(values: readonly T[]): (value: T) => boolean {
  return (value) => values.includes(value);
}

/** Whether a number is a whole one of a range. */
export function isWhole(min: number, max: number): (value: number) => boolean {
  return (value) => Number.isInteger(value) && value >= min && value <= max;
}
