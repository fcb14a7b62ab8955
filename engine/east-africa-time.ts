import { strict as assert } from "node:assert";
import { dayMs } from "./clock.ts";

/** East Africa Time is so far ahead of UTC, and knows no summer time. */
export const aheadMs = 3 * 3_600_000;

/** The day of a moment, counted since 1970-01-01. */
export const dayOf = (epochMs: number) => Math.floor((epochMs + aheadMs) / dayMs);

/** The midnight with which a day begins. */
export const startOfDayMs = (day: number) => day * dayMs - aheadMs;

/** First day of the month in which that day lies. */
export function firstOfMonth(day: number): number {
  const date = new Date(day * dayMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth()) / dayMs;
}

/** First day of the month after. */
export const firstOfNextMonth = (day: number) => firstOfMonth(firstOfMonth(day) + 31);

/** `2026-11-29` */
export const dayName = (day: number) => new Date(day * dayMs).toISOString().slice(0, 10);

/** The day of a moment, by its name. */
export const localDay = (epochMs: number) => dayName(dayOf(epochMs));

/** `2026-11` */
export type Month = string;

export const monthPattern = /^[0-9]{4}-(0[1-9]|1[0-2])$/;

export const monthName = (day: number): Month => dayName(day).slice(0, 7);

export const monthOf = (epochMs: number): Month => monthName(dayOf(epochMs));

/** From its first day to the next one's. */
export function daysOf(month: Month): { fromDay: number; toDay: number } {
  assert(monthPattern.test(month), `${month} is no month`);
  const fromDay = Date.parse(`${month}-01`) / dayMs;
  return { fromDay, toDay: firstOfNextMonth(fromDay) };
}

/** From its first moment to the next one's, ms since the epoch. */
export function spanOf(month: Month): { fromMs: number; toMs: number } {
  const { fromDay, toDay } = daysOf(month);
  return { fromMs: startOfDayMs(fromDay), toMs: startOfDayMs(toDay) };
}

export const monthAfter = (month: Month): Month => monthOf(spanOf(month).toMs);

/** `2026-11-29T10:15:00`, as the clocks there show it. */
export const localTime = (epochMs: number): string => new Date(epochMs + aheadMs).toISOString().slice(0, 19);

/** `2026-11-29T10:15:00+03:00` */
export const zonedTime = (epochMs: number): string => `${localTime(epochMs)}+03:00`;

/** A day (its first moment in East Africa Time) or RFC 3339 with a time zone, in ms; null: neither. */
export function dateMs(text: string): number | null {
  const day = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(text) : NaN;
  if (!Number.isNaN(day)) return dayName(day / dayMs) === text ? day - aheadMs : null;
  const moment = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(text);
  const ms = moment ? Date.parse(text) : NaN;
  return Number.isNaN(ms) ? null : ms;
}

const months = "January February March April May June July August September October November December".split(
  " ",
);

/** For people: `30 December 2026, 00:00 EAT`. */
export function spokenTime(epochMs: number): string {
  const local = new Date(epochMs + aheadMs);
  const clock = local.toISOString().slice(11, 16);
  return `${local.getUTCDate()} ${months[local.getUTCMonth()] ?? ""} ${local.getUTCFullYear()}, ${clock} EAT`;
}
