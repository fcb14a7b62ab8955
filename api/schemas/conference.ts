import { z } from "zod";
import { conferenceName } from "../../engine/actions/conference-spec.ts";
import type { SeenConference } from "../../engine/calls/conferences.ts";
import { rfc3339Ms, rfc3339Seconds } from "../../engine/clock.ts";
import type { JsonObject } from "../../engine/json.ts";

const time = z.string().meta({ format: "date-time" });

const memberSchema = z
  .strictObject({
    leg_id: z.string(),
    call_id: z.string(),
    number: z.string().meta({ description: "Of the person, E.164; `anonymous` where it is hidden." }),
    muted: z.boolean(),
    held: z.boolean(),
    start_on_enter: z.boolean(),
    end_on_exit: z.boolean(),
    recording_id: z.string().nullable().meta({ description: "Begun with its entry, by `record`." }),
    joined_at: time,
  })
  .meta({ id: "ConferenceMember" });

const about = {
  id: z.string().meta({ description: "`conference_id` of the events." }),
  name: z.string(),
  status: z.enum(["waiting", "started"]).meta({
    description: "`waiting`: until one with `startOnEnter` and another are inside, they hear music.",
  }),
  locked: z.boolean(),
  participants: z.int().meta({ description: "How many are inside." }),
  max_participants: z.int(),
  created_at: time,
  started_at: time.nullable(),
};

export const conferenceSchema = z.strictObject(about).meta({ id: "Conference" });
export const conferenceWithMembersSchema = z
  .strictObject({
    ...about,
    members: z.array(memberSchema).meta({ description: "In the order in which they came." }),
  })
  .meta({ id: "ConferenceWithMembers" });

/** In a path, percent-encoded. A name that nobody can have given is nobody's. */
export const pathName = z.strictObject({
  name: z
    .string()
    .meta({ description: "The conference's name, percent-encoded.", examples: ["support%20desk"] }),
});
export const isName = (name: string): boolean => conferenceName.safeParse(name).success;

export const conferenceView = ({ room, members }: SeenConference): JsonObject => ({
  id: room.id,
  name: room.name,
  status: room.startedAtMs === null ? "waiting" : "started",
  locked: room.locked === 1,
  participants: members.length,
  max_participants: room.maxParticipants,
  created_at: rfc3339Seconds(room.createdAtMs),
  started_at: room.startedAtMs === null ? null : rfc3339Seconds(room.startedAtMs),
});

export const conferenceWithMembersView = (seen: SeenConference): JsonObject => ({
  ...conferenceView(seen),
  members: seen.members.map(({ member, leg }) => ({
    leg_id: leg.id,
    call_id: leg.callId,
    number: leg.direction === "inbound" ? leg.fromE164 : leg.toE164,
    muted: member.muted === 1,
    held: member.held === 1,
    start_on_enter: member.startOnEnter === 1,
    end_on_exit: member.endOnExit === 1,
    recording_id: member.recordingId,
    joined_at: rfc3339Ms(Math.floor((member.joinedAtUs ?? 0) / 1000)),
  })),
});
