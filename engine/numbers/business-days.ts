import { dayMs } from "../clock.ts";
import { localDay } from "../east-africa-time.ts";

/** The day in Nairobi so many working days after, as `2026-06-27`: Monday to Friday, public holidays not left out. */
export function businessDayAfter(atMs: number, days: number): string {
  // Noon, far from midnight in any reckoning.
  let noonMs = Date.parse(`${localDay(atMs)}T12:00:00Z`);
  for (let left = days; left > 0;) {
    noonMs += dayMs;
    if (![0, 6].includes(new Date(noonMs).getUTCDay())) left--;
  }
  return new Date(noonMs).toISOString().slice(0, 10);
}
