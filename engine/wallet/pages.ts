/** Entries that are looked at at a time: what a page of a statement or an export takes of memory, and of the database. */
const pageEntries = 1000;

/** The sequences from the one to the other in pages: more than `after`, and at most `upTo`. Null: there are none. */
export function* pagesOf(
  first: number | null,
  last: number | null,
): Generator<{ after: number; upTo: number }> {
  if (first === null || last === null) return;
  for (let after = first - 1; after < last; after += pageEntries)
    yield { after, upTo: Math.min(after + pageEntries, last) };
}
