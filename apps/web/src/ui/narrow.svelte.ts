/** Whether the page is as narrow as a phone. */
const query = matchMedia('(max-width: 760px)');
let narrow = $state(query.matches);
query.addEventListener('change', () => {
  narrow = query.matches;
});

export function isNarrow(): boolean {
  return narrow;
}
