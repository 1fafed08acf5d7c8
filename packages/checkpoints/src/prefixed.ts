/**
 * The entries of a tree, be they tensors or layouts, with each name preceded by `prefix`: several trees in one file, such
 * as an optimizer's moments `m.` and `v.`, which are laid out like the parameters.
 */
export function prefixed<T>(tree: Readonly<Record<string, T>>, prefix: string): Record<string, T> {
  return Object.fromEntries(Object.entries(tree).map(([name, value]) => [prefix + name, value]));
}

/** The inverse of `prefixed`: the entries whose names begin with `prefix`, without it. */
export function unprefixed<T>(tree: Readonly<Record<string, T>>, prefix: string): Record<string, T> {
  const own = Object.entries(tree).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(own.map(([name, value]) => [name.slice(prefix.length), value]));
}
