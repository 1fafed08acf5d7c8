/**
 * The first key that occurs twice in one object of a valid JSON text, or undefined. `JSON.parse` would silently keep
 * the last of them.
 */
export function duplicateKey(json: string): string | undefined {
  const open: Set<string>[] = [];
  for (let i = 0; i < json.length; i++) {
    const character = json[i];
    if (character === '{') open.push(new Set());
    else if (character === '}') open.pop();
    else if (character === '"') {
      const start = i;
      for (i++; json[i] !== '"'; i++) if (json[i] === '\\') i++;
      if (!isKey(json, i + 1)) continue;
      const key = JSON.parse(json.slice(start, i + 1)) as string;
      const keys = open.at(-1)!;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

/** Only a key is followed by a colon. */
function isKey(json: string, end: number): boolean {
  while (' \t\n\r'.includes(json.charAt(end) || '?')) end++;
  return json[end] === ':';
}
