const BARS = '▁▂▃▄▅▆▇█';

/** A curve in one line of text, at most `width` characters wide; each is the mean of a stretch of the values. */
export function sparkline(values: readonly number[], width = 60): string {
  const columns = Math.min(width, values.length);
  const means = Array.from({ length: columns }, (_, i) => {
    const stretch = values.slice(
      Math.floor((i * values.length) / columns),
      Math.floor(((i + 1) * values.length) / columns),
    );
    return stretch.reduce((sum, value) => sum + value, 0) / stretch.length;
  });
  const low = Math.min(...means);
  const span = Math.max(...means) - low || 1;
  return means.map((mean) => BARS[Math.round(((mean - low) / span) * (BARS.length - 1))]).join('');
}
