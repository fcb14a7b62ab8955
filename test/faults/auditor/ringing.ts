import { diedWithSwitch, type Evidence } from "./evidence.ts";

/** The carrier's own account: each INVITE is one leg's, and no leg has two. */
export function checkRinging(evidence: Evidence): string[] {
  const { rung, books, records, history } = evidence;
  const findings: string[] = [];
  let missed = evidence.missedRecords.size;
  const legs = Map.groupBy(
    books.legs.filter((leg) => leg.dialled_at_ms !== null),
    (leg) => leg.to_e164,
  );
  for (const [number, invites] of Map.groupBy(rung, (call) => call.number)) {
    const dialled = legs.get(number) ?? [];
    if (invites.length > dialled.length)
      findings.push(
        `${number} was rung ${invites.length} times for ${dialled.length} legs (${dialled.map(({ id }) => id).join(", ")})`,
      );
  }
  const dialogs = new Set([...records.values()].map(({ sipCallId }) => sipCallId));
  for (const { sip_call_id, number, invited_at, ended_at } of rung) {
    // A switch that died took the records of what it had up with it.
    const endedMs = ended_at === null ? null : Date.parse(ended_at);
    const lost = diedWithSwitch(history, Date.parse(invited_at), endedMs);
    if (dialogs.has(sip_call_id) || lost || missed-- > 0) continue;
    findings.push(
      `${number} was rung at ${invited_at} (${sip_call_id}), and no leg's end-of-leg record says so`,
    );
  }
  return findings;
}
