/** The Reason header (RFC 3326): `Q.850;cause=16;text="NORMAL_CLEARING"`, `SIP;cause=200;text="…"`. */
export function writeReason(options: { reason?: string; q850?: number }): Record<string, string> {
  const reasons = [options.reason, options.q850 === undefined ? undefined : `Q.850;cause=${options.q850}`];
  const given = reasons.filter((reason) => reason !== undefined);
  return given.length === 0 ? {} : { reason: given.join(", ") };
}

/** The Q.850 cause a Reason header names, or null. */
export function readQ850(header: unknown): number | null {
  if (typeof header !== "string") return null;
  const cause = /(?:^|,)\s*Q\.850\s*;(?:[^,"]|"[^"]*")*?\bcause\s*=\s*(\d{1,3})/i.exec(header)?.[1];
  return cause === undefined ? null : Number(cause);
}
