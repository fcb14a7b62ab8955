import type { JsonObject } from "../json.ts";
import type { ConferenceId } from "../ids.ts";
import { conferenceSchema, maxParticipantsDefault, type ConferenceSpec } from "./conference-spec.ts";
import { command, done, stay, type Effect, type Scene, type Step, type Verb } from "./verb.ts";

/** The switch takes a leg into a room at once; by then it has been looked for there, too. */
const enteringMsMax = 15_000;

interface Conferring extends JsonObject {
  name: string;
  /** Null: not joined yet. */
  room: ConferenceId | null;
  inside: boolean;
  /** Until when the switch may take to have it inside. */
  untilMs: number;
  waitUrl: string | null;
  /** Fetched, and heard once the leg is inside; kept for as long as it is named here. */
  music: string | null;
  status: { url: string; kinds: string[] | null } | null;
}

/**
 * `conference`: the leg is in a room with others of the workspace. The room is the switch's own, with its music, its beeps
 * and its end, so that it goes on with nobody to direct it. The action is over when the leg is out of the room and lives.
 */
export const conference: Verb<ConferenceSpec, Conferring> = {
  name: "conference",
  needsAnswer: true,
  meaning:
    "Brings the caller into a room of that name, where all of the workspace who name it hear each other. Until one with " +
    "`startOnEnter` is there, and whenever somebody is alone, there is music. Once the caller is out of the room " +
    "(`conference.left`), or may not enter it (`conference.refused`), the next action runs.",
  schema: conferenceSchema,
  media: ({ waitUrl }) => (waitUrl === undefined ? [] : [{ field: "waitUrl", url: waitUrl }]),
  callbacks: ({ statusEventsCallbackUrl: url }) =>
    url === undefined ? [] : [{ field: "statusEventsCallbackUrl", url }],
  begin(spec, scene) {
    const untilMs = scene.nowMs + enteringMsMax;
    const { name, waitUrl = null } = spec;
    const { statusEventsCallbackUrl: url, statusEvents: kinds = null } = spec;
    const state: Conferring = {
      ...{ name, room: null, inside: false, untilMs, waitUrl, music: null },
      status: url === undefined ? null : { url, kinds },
    };
    return stay(state, [{ kind: "enterRoom", request: requestOf(spec, scene) }], untilMs);
  },
  on(state, fact, scene) {
    const isMine = (room: ConferenceId) => room === state.room;
    switch (fact.kind) {
      case "roomRefused":
        return done([event(state, "conference.refused", { reason: fact.reason })]);
      case "roomJoined": {
        const joined = { ...state, room: fact.room };
        if (state.waitUrl === null) return goOn(joined);
        const fetch = {
          kind: "prepareMedia",
          source: { url: state.waitUrl },
          token: musicToken(scene),
        } as const;
        return goOn(joined, [command(fetch)]);
      }
      case "roomEntered": {
        if (!isMine(fact.room) || fact.leg !== scene.leg) return null;
        return goOn({ ...state, inside: true }, music(state, state.music));
      }
      case "mediaReady": {
        if (fact.token !== musicToken(scene)) return null;
        return goOn({ ...state, music: fact.file }, state.inside ? music(state, fact.file) : []);
      }
      case "mediaFailed":
        if (fact.token !== musicToken(scene)) return null;
        return goOn(state, [
          event(state, "conference.wait_failed", { url: state.waitUrl, reason: fact.reason, ...fact.origin }),
        ]);
      case "roomLeft":
        // Who has hung up does nothing more.
        return !isMine(fact.room) || fact.leg !== scene.leg || fact.hungUp ? null : done();
      case "adopted":
        // Nobody looked for it while nobody was there.
        return state.inside ? null : goOn({ ...state, untilMs: scene.nowMs + enteringMsMax });
      case "wake":
        if (state.inside) return null;
        if (scene.nowMs < state.untilMs) return goOn(state);
        return done(leave(state, "failed"));
      default:
        return null;
    }
  },
  drop: (state, scene) => ({ effects: leave(state, "directed"), after: [scene.leg] }),
};

const requestOf = (spec: ConferenceSpec, scene: Scene) => ({
  name: spec.name,
  token: scene.token,
  maxParticipants: spec.maxParticipants ?? maxParticipantsDefault,
  record: spec.record !== undefined && spec.record !== false,
  startOnEnter: spec.startOnEnter ?? true,
  endOnExit: spec.endOnExit ?? false,
  muted: spec.muted ?? false,
  beep: spec.beep ?? false,
  statusUrl: spec.statusEventsCallbackUrl ?? null,
  statusEvents: spec.statusEvents ?? null,
  stays: scene.more,
});

/** Inside, the switch itself holds what there is of time. */
const goOn = (state: Conferring, effects: Effect[] = []): Step<Conferring> =>
  state.inside ? stay(state, effects) : stay(state, effects, state.untilMs);

const music = ({ room }: Conferring, file: string | null): Effect[] =>
  file === null || room === null ? [] : [{ kind: "roomMusic", room, file }];

const leave = ({ room }: Conferring, reason: "directed" | "failed"): Effect[] =>
  room === null ? [] : [{ kind: "leaveRoom", room, reason }];

const musicToken = (scene: Scene) => `${scene.token}.music`;

const event = (
  { name, status }: Conferring,
  event: "conference.refused" | "conference.wait_failed",
  payload: JsonObject,
): Effect => ({
  ...{ kind: "event", event, payload: { conference: name, ...payload } },
  ...(status === null ? {} : { also: status }),
});
