// A browser may say that it speaks "C" or "en-US@posix", which is no language: uPlot, which formats numbers as soon as it
// is loaded, would throw.

export function mendLanguage(navigator: { readonly language: string }): void {
  try {
    new Intl.NumberFormat(navigator.language);
  } catch {
    Object.defineProperty(navigator, 'language', { value: 'en', configurable: true });
  }
}
