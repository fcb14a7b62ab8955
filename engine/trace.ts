import type { Ids } from "./ids.ts";

/**
 * What W3C Trace Context says that a thing is a part of, as its columns have it. `traceId`: 32 small hexadecimal digits;
 * null: it began before there were traces.
 */
export interface Trace {
  traceId: string | null;
  /** Whether who began the trace may have kept it, as they say; null with the id. */
  traceSampled: 0 | 1 | null;
}

/** Ours, of a thing that nobody said more of; kept, since a call's events are. */
export const newTrace = (ids: Pick<Ids, "bytes">): Trace => ({
  traceId: ids.bytes(16).toString("hex"),
  traceSampled: 1,
});

const header = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** A `traceparent` as it came. Null: none, or none that the standard knows, which is then as if it were not there (§3.2). */
export function readTraceparent(text: string | undefined): Trace | null {
  const [, version, traceId, parent, flags, more] = header.exec(text?.trim() ?? "") ?? [];
  if (version === undefined || traceId === undefined || flags === undefined) return null;
  // Later versions may say more behind the flags; ff is none.
  if (version === "ff" || (version === "00" && more !== undefined)) return null;
  if (/^0+$/.test(traceId) || /^0+$/.test(parent ?? "")) return null;
  return { traceId, traceSampled: (parseInt(flags, 16) & 1) === 1 ? 1 : 0 };
}

/** The header of one request of ours within that trace, a parent of its own each time. Empty: there is no trace. */
export function traceHeaders(ids: Pick<Ids, "bytes">, trace: Trace): Record<string, string> {
  if (trace.traceId === null) return {};
  const parent = ids.bytes(8).toString("hex");
  return { traceparent: `00-${trace.traceId}-${parent}-${trace.traceSampled === 1 ? "01" : "00"}` };
}
