/** East Africa Time is three hours ahead of UTC, the whole year. */
const aheadMs = 3 * 3_600_000;

/** `2026-07-01T00:00:00+03:00`. */
export const nairobiTime = (epochMs: number): string =>
  `${new Date(epochMs + aheadMs).toISOString().slice(0, 19)}+03:00`;
