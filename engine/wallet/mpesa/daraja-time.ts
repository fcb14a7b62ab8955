import { aheadMs, localTime } from "../../east-africa-time.ts";

/** `20261124101500`, as a push and its password have it. */
export const compactTime = (epochMs: number): string => localTime(epochMs).replace(/[-T:]/g, "");

/** `2026-11-24 10:15:00`, as the list of payments is asked for. */
export const spacedTime = (epochMs: number): string => localTime(epochMs).replace("T", " ");

/** Reads either of them, or RFC 3339, which some records have. Null: it is none. */
export function readTime(text: unknown): number | null {
  const written = typeof text === "number" ? String(text) : text;
  if (typeof written !== "string") return null;
  const digits = /^(\d{4})-?(\d\d)-?(\d\d)[ T]?(\d\d):?(\d\d):?(\d\d)/.exec(written);
  if (!digits) return null;
  const [year, month, day, hour, minute, second] = digits.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const zoned = /(Z|[+-]\d\d:?\d\d)$/.test(written);
  if (zoned) return Number.isNaN(Date.parse(written)) ? null : Date.parse(written);
  return Date.UTC(year, month - 1, day, hour, minute, second) - aheadMs;
}
