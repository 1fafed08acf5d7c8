import type { Plugin } from 'vite';

/** Every browser that runs the lab reads woff2: the fallbacks of KaTeX's fonts, a megabyte of files, are left out. */
export function onlyWoff2(): Plugin {
  return {
    name: 'only-woff2',
    enforce: 'pre',
    transform(code, id) {
      if (!id.endsWith('katex.min.css')) return undefined;
      return code.replaceAll(/,url\([^)]*\) format\("(?:woff|truetype)"\)/g, '');
    },
  };
}
