const dayMs = 86_400_000;
/** East Africa Time, which knows no summer time. */
const offsetMs = 3 * 3_600_000;

/** The day of a moment, counted since 1970-01-01. */
export const dayOf = (epochMs: number) => Math.floor((epochMs + offsetMs) / dayMs);

/** The midnight with which a day begins. */
export const startOfDayMs = (day: number) => day * dayMs - offsetMs;

/** First day of the month in which that day lies. */
export function firstOfMonth(day: number): number {
  const date = new Date(day * dayMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth()) / dayMs;
}

/** First day of the month after. */
export const firstOfNextMonth = (day: number) => firstOfMonth(firstOfMonth(day) + 31);

/** `2026-11` */
export const monthName = (day: number) => dayName(day).slice(0, 7);

/** `2026-11-29` */
const dayName = (day: number) => new Date(day * dayMs).toISOString().slice(0, 10);

/** A day (its first moment in East Africa Time) or RFC 3339 with a time zone, in ms; null: neither. */
export function dateMs(text: string): number | null {
  const day = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(text) : NaN;
  if (!Number.isNaN(day)) return dayName(day / dayMs) === text ? day - offsetMs : null;
  const moment = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(text);
  const ms = moment ? Date.parse(text) : NaN;
  return Number.isNaN(ms) ? null : ms;
}
