import type { Evidence } from "./evidence.ts";

/** Whoever came into a room came once and left once, and no room is there without anybody. */
export function checkConferences({ books }: Evidence): string[] {
  const members = Map.groupBy(books.members, ({ conference_id }) => conference_id);
  const events = Map.groupBy(books.events, ({ call_id }) => call_id);
  return [
    ...books.conferences.flatMap(({ id, name, ended_at_ms }) => {
      const inside = (members.get(id) ?? []).filter(({ left_at_us }) => left_at_us === null);
      if (ended_at_ms === null && inside.length === 0) return [`${id} (${name}) is empty, and has not ended`];
      if (ended_at_ms !== null && inside.length > 0)
        return [`${id} (${name}) has ended with ${inside.map(({ leg_id }) => leg_id).join(", ")} inside`];
      return [];
    }),
    ...books.members.flatMap(({ conference_id, call_id, leg_id, status, joined_at_us, left_at_us }) => {
      const of = (finding: string) => `${leg_id} (of ${call_id}) in ${conference_id} ${finding}`;
      const findings: string[] = [];
      if ((status === "left") !== (left_at_us !== null))
        findings.push(of(`is ${status}, and the time of its leaving does not say so`));
      if (joined_at_us !== null && left_at_us !== null && left_at_us < joined_at_us)
        findings.push(of("left before it came"));
      const ended = books.legs.find(({ id }) => id === leg_id)?.ended_at_us ?? null;
      if (ended !== null && left_at_us === null) findings.push(of("has ended, and is still inside"));
      return findings;
    }),
    // A leg may come into one room more than once.
    ...[...Map.groupBy(books.members, (row) => `${row.leg_id} in ${row.conference_id}`)].flatMap(
      ([who, stays]) => {
        const { call_id, leg_id, conference_id } = stays[0]!;
        const told = (kind: string) =>
          (events.get(call_id) ?? []).filter((event) => {
            if (event.kind !== kind) return false;
            const payload = JSON.parse(event.payload) as { leg_id?: string; conference_id?: string };
            return payload.leg_id === leg_id && payload.conference_id === conference_id;
          }).length;
        const joined = stays.filter(({ joined_at_us }) => joined_at_us !== null).length;
        const findings: string[] = [];
        if (told("conference.joined") !== joined)
          findings.push(
            `${who} has ${told("conference.joined")} conference.joined, and came ${joined} times`,
          );
        // Who was about to enter and never did may be told of as having left.
        if (told("conference.left") < joined || told("conference.left") > stays.length)
          findings.push(`${who} has ${told("conference.left")} conference.left, and came ${joined} times`);
        return findings;
      },
    ),
  ];
}
