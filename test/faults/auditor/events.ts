import { isDeepStrictEqual } from "node:util";
import type { CallRow, EventRow } from "./books.ts";
import type { HeardEvent } from "./endpoint.ts";
import type { Evidence } from "./evidence.ts";
import { chargeOf } from "./money.ts";

/** What was placed ended once, and the customer heard of every event, as it is stored, signed, at least once. */
export function checkEvents(evidence: Evidence): string[] {
  const { books, placed, heard } = evidence;
  const calls = new Map(books.calls.map((call) => [call.id, call]));
  const events = Map.groupBy(books.events, (event) => event.call_id);
  return [
    ...placed.filter((id) => !calls.has(id)).map((id) => `${id} was answered 201, and is not in the books`),
    ...books.calls.flatMap((call) => checkCall(evidence, call, events.get(call.id) ?? [])),
    ...checkHeard(books.events, heard),
    ...checkDelivered(evidence),
  ];
}

function checkCall(evidence: Evidence, call: CallRow, events: EventRow[]): string[] {
  const findings: string[] = [];
  const ends = events.filter(({ kind }) => kind === "call.completed" || kind === "call.failed");
  if (ends.length !== 1)
    findings.push(
      `${call.id} has ${ends.length} events of its end (${ends.map(({ kind }) => kind).join(", ")}), not one`,
    );
  const told = events.filter(({ kind }) => kind.startsWith("call."));
  if (events.some(({ position }, index) => position !== BigInt(index + 1)))
    findings.push(`${call.id}: the positions of its events are not 1, 2, …`);
  if (told.some(({ sequence }, index) => sequence !== BigInt(index + 1)))
    findings.push(`${call.id}: data.sequence of what is told of it is not 1, 2, …`);
  for (const { id, payload, sequence } of told)
    if (BigInt((JSON.parse(payload) as { sequence: number }).sequence) !== sequence)
      findings.push(`${id} of ${call.id} says another data.sequence than ${sequence}`);
  for (const event of told) findings.push(...checkTold(evidence, call, event));
  for (const end of ends) findings.push(...checkEnd(evidence, call, end));
  return findings;
}

/** To the endpoint that the auditor has the account of: it came. To another: it is in the outbox at least. */
function checkTold({ heard, endpoint, books }: Evidence, call: CallRow, event: EventRow): string[] {
  const url = call.events_url ?? call.voice_callback_url;
  if (url === null) return [];
  const what = `${event.id} (${event.kind} of ${call.id})`;
  if (url.startsWith(endpoint))
    return heard.some(({ id }) => id === event.id) ? [] : [`${what} was never told to ${url}`];
  const queued = books.deliveries.some((row) => row.event_id === event.id && row.url === url);
  return queued ? [] : [`${what} is not queued for ${url}`];
}

/** The end as it was told: what the customer's own books will say. */
function checkEnd({ books, records }: Evidence, call: CallRow, end: EventRow): string[] {
  const legs = books.legs.filter((leg) => leg.call_id === call.id);
  const due = legs.map((leg) => {
    const cdr = books.cdrs.find((row) => row.leg_id === leg.id);
    const stamps = records.get(leg.id) ?? {
      answeredUs: cdr?.answered_at_us ?? 0n,
      endedUs: cdr?.ended_at_us ?? 0n,
    };
    const { seconds, cents } = chargeOf(stamps.answeredUs, stamps.endedUs, leg.rate_micro_kes_per_minute);
    return { id: leg.id, first: leg.position === 0n, answered: stamps.answeredUs > 0n, seconds, cents };
  });
  const first = due.find((leg) => leg.first);
  const of = (finding: string) => `${end.id} (${end.kind} of ${call.id}) ${finding}`;
  if ((end.kind === "call.completed") !== (first?.answered ?? false))
    return [of(`was told of a call whose first leg was ${first?.answered ? "" : "not "}answered`)];
  if (end.kind === "call.failed") return [];
  const findings: string[] = [];
  const data = JSON.parse(end.payload) as {
    cost_minor: number;
    duration_seconds: number;
    legs: { id: string; billed_seconds: number; cost_minor: number }[];
  };
  const cents = due.reduce((sum, leg) => sum + leg.cents, 0n);
  if (BigInt(data.cost_minor) !== cents)
    findings.push(of(`says that it cost ${data.cost_minor} cents, and its legs cost ${cents}`));
  if (BigInt(data.duration_seconds) !== first?.seconds)
    findings.push(of(`says ${data.duration_seconds} s, and its first leg talked ${first?.seconds}`));
  for (const leg of due) {
    const said = data.legs.find(({ id }) => id === leg.id);
    if (BigInt(said?.billed_seconds ?? -1) !== leg.seconds || BigInt(said?.cost_minor ?? -1) !== leg.cents)
      findings.push(
        of(
          `says ${said?.billed_seconds} s and ${said?.cost_minor} cents of ${leg.id}: it was ${leg.seconds} s and ${leg.cents} cents`,
        ),
      );
  }
  return findings;
}

/** Nothing is told that is not stored, and nothing differently. */
function checkHeard(stored: readonly EventRow[], heard: readonly HeardEvent[]): string[] {
  const rows = new Map(stored.map((row) => [row.id, row]));
  const firstBodies = new Map<string, string>();
  return heard.flatMap((event) => {
    const of = (finding: string) => `${event.id} (${event.kind} of ${event.callId ?? "no call"}) ${finding}`;
    const findings: string[] = [];
    if (event.wrong !== null) findings.push(of(`was told, but ${event.wrong}`));
    if (event.callId === null) return findings;
    const row = rows.get(event.id);
    if (!row) return [...findings, of("was told, and is not stored")];
    if (row.kind !== event.kind || !isDeepStrictEqual(JSON.parse(row.payload), event.data))
      findings.push(of(`was told as ${event.body}, and is stored as ${row.kind} ${row.payload}`));
    const before = firstBodies.get(event.id);
    if (before !== undefined && before !== event.body) findings.push(of("was told twice, in two versions"));
    firstBodies.set(event.id, event.body);
    return findings;
  });
}

/** What is said to be delivered came, also what is of no call; and nothing that is of a workspace is another's. */
function checkDelivered({ books, heard, endpoint }: Evidence): string[] {
  const came = new Map(heard.map((event) => [event.id, event]));
  return books.deliveries.flatMap(({ event_id, kind, workspace_id, url, status }) => {
    if (!url.startsWith(endpoint) || status !== "delivered") return [];
    const event = came.get(event_id);
    if (!event) return [`${event_id} (${kind}) is said to be delivered to ${url}, and never came`];
    return event.workspaceId === workspace_id
      ? []
      : [`${event_id} (${kind}) is of ${workspace_id}, and was told as ${event.workspaceId}'s`];
  });
}
