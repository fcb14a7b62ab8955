import { diedWithSwitch, type Evidence } from "./evidence.ts";

/**
 * Telephones' own accounts: each call that rang one is one leg's, each call that one made and that was answered is a leg,
 * and so is each that somebody placed at the carrier.
 */
export function checkDevices(evidence: Evidence): string[] {
  const { devices, records, history, books, placedThere } = evidence;
  const byDialog = new Map([...records.values()].map((record) => [record.sipCallId, record]));
  let missed = evidence.missedRecords.size;
  const findings: string[] = [];
  const unknown = (sipCallId: string, fromMs: number, toMs: number | null) =>
    !byDialog.has(sipCallId) && !diedWithSwitch(history, fromMs, toMs) && missed-- <= 0;
  for (const { username, rung, made } of devices) {
    for (const { sipCallId, atMs } of rung)
      if (unknown(sipCallId, atMs, null))
        findings.push(`${username} was rung (${sipCallId}), and no leg's end-of-leg record says so`);
    for (const { sipCallId, atMs, answered } of made)
      if (answered && unknown(sipCallId, atMs, null))
        findings.push(
          `${username} made a call that was answered (${sipCallId}), and no leg's end-of-leg record says so`,
        );
  }
  for (const { sip_call_id, from, to, answered_at, ended_at } of placedThere)
    if (
      answered_at !== null &&
      unknown(sip_call_id, Date.parse(answered_at), ended_at === null ? null : Date.parse(ended_at))
    )
      findings.push(
        `${from} called ${to} and was answered (${sip_call_id}), and no leg's end-of-leg record says so`,
      );
  const dialogs = [...records.values()].flatMap(({ sipCallId, leg }) =>
    sipCallId === null ? [] : [{ sipCallId, leg }],
  );
  for (const [sipCallId, same] of Map.groupBy(dialogs, (one) => one.sipCallId))
    if (same.length > 1) findings.push(`${sipCallId} is of ${same.map(({ leg }) => leg).join(" and ")}`);
  const inbound = books.legs.filter(({ direction, kind }) => direction === "inbound" && kind === "pstn");
  for (const [route, legs] of Map.groupBy(
    inbound,
    ({ from_e164, to_e164 }) => `${from_e164} to ${to_e164}`,
  )) {
    const calls = placedThere.filter(({ from, to }) => `${from} to ${to}` === route).length;
    if (calls === 0 && evidence.testCallsIn) continue;
    if (legs.length > calls) findings.push(`${route}: ${legs.length} legs for ${calls} calls`);
  }
  return findings;
}
