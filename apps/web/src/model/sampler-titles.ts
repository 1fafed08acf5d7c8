/** How the samplers of the package are called in the papers, and what each does; others go by their own name. */
const KNOWN: Readonly<Record<string, { readonly title: string; readonly note: string }>> = {
  ancestral: { title: 'DDPM', note: 'Ancestral: draws fresh noise at every step.' },
  ddim: { title: 'DDIM', note: 'No noise but the first: the probability flow.' },
  dpmSolverPlusPlus: { title: 'DPM-Solver++', note: 'The flow too, with a memory of earlier steps.' },
};

export function samplerTitle(name: string): string {
  return KNOWN[name]?.title ?? name;
}

export function samplerNote(name: string): string {
  return KNOWN[name]?.note ?? 'A sampler of the package.';
}
