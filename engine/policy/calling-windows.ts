import { dayMs } from "../clock.ts";
import { aheadMs, dayOf, startOfDayMs } from "../east-africa-time.ts";

/** In the order of a week, by which its days are counted. */
export const weekDays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type WeekDay = (typeof weekDays)[number];

/** When calls may be placed: on those days from the one time up to, and not at, the other. East Africa Time. */
export interface CallingWindow {
  days: readonly WeekDay[];
  /** `08:00` */
  from: string;
  /** Later on the same day; `24:00` is its end. */
  to: string;
}

const minuteMs = 60_000;
const minutesOf = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));

/** 1970-01-01 was a Thursday. */
const weekDayOf = (day: number): WeekDay => weekDays[(((day + 3) % 7) + 7) % 7] ?? "mon";

export function isOpen(windows: readonly CallingWindow[], nowMs: number): boolean {
  if (windows.length === 0) return true;
  const minute = Math.floor(((nowMs + aheadMs) % dayMs) / minuteMs);
  const weekDay = weekDayOf(dayOf(nowMs));
  return windows.some(
    ({ days, from, to }) => days.includes(weekDay) && minutesOf(from) <= minute && minute < minutesOf(to),
  );
}

/** When the next window begins, ms since the epoch. There is one within a week, since each has a day. */
export function opensAtMs(windows: readonly CallingWindow[], nowMs: number): number {
  const today = dayOf(nowMs);
  const begins = Array.from({ length: 8 }, (_, ahead) => today + ahead).flatMap((day) =>
    windows
      .filter(({ days }) => days.includes(weekDayOf(day)))
      .map(({ from }) => startOfDayMs(day) + minutesOf(from) * minuteMs)
      .filter((beginsMs) => beginsMs > nowMs),
  );
  return Math.min(...begins);
}
