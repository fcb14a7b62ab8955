import { z } from "zod";
import type { StreamRequest } from "../calls/command.ts";
import type { JsonObject } from "../json.ts";
import { metadata } from "../metadata.ts";
import { hangingUpMsMax } from "./hanging-up.ts";
import { command, done, stay, type Effect, type Scene, type Step, type StepFact, type Verb } from "./verb.ts";

export interface StreamSpec {
  url: string;
  track?: StreamRequest["track"] | undefined;
  connect?: boolean | undefined;
  outputSamplingRate?: StreamRequest["samplingRate"] | undefined;
  name?: string | undefined;
  metadata?: z.output<typeof metadata> | undefined;
}

interface Streaming extends JsonObject {
  phase: "streaming" | "hungUp";
  url: string;
  stream: string | null;
  startedAtMs: number | null;
}

/**
 * `stream`: the call's audio goes to a WebSocket and, with `connect`, the other way too, until the socket closes. Who runs
 * it is `engine/streams/`; a controller that takes the call up opens it anew.
 */
export const stream: Verb<StreamSpec, Streaming> = {
  name: "stream",
  needsAnswer: true,
  meaning:
    "Sends the call's audio to a WebSocket and, with `connect`, plays what comes back, in the messages of Twilio's Media " +
    "Streams (docs/actions/stream.md), until the socket closes. Then the next action runs; without one the voice URL is asked " +
    "(`call.stream_ended`), also where it could not be opened. Digits typed meanwhile go to the bot.",
  schema: z.strictObject({
    url: z
      .url({ protocol: /^wss?$/, error: "must be a ws or wss URL" })
      .max(2048)
      .meta({ description: "ws or wss. It must answer within 5 s; no redirect is followed." }),
    track: z
      .enum(["inbound_track", "outbound_track", "both_tracks"])
      .optional()
      .meta({
        description:
          "What the party says, what they hear, or both. What they hear is the bot's own audio, and silence without " +
          "`connect`: nothing else plays meanwhile. Default: inbound_track.",
      }),
    connect: z
      .boolean()
      .optional()
      .meta({ description: "What the WebSocket sends is played to the party. Default: false." }),
    outputSamplingRate: z
      .union([z.literal(8000), z.literal(16_000)])
      .optional()
      .meta({
        description: "Hz. 8000 is µ-law; 16000 is linear, 16 bits, little-endian. Both ways. Default: 8000.",
      }),
    name: z.string().min(1).max(100).optional().meta({ description: "Told to the WebSocket in `start`." }),
    metadata: metadata.optional().meta({
      description: "The `customParameters` of `start`: a flat object of at most 20 keys and 4 KiB.",
    }),
  }),
  sockets: ({ url }) => [{ field: "url", url }],
  begin(spec, scene) {
    const request: StreamRequest = {
      url: spec.url,
      track: spec.track ?? "inbound_track",
      connect: spec.connect ?? false,
      samplingRate: spec.outputSamplingRate ?? 8000,
      name: spec.name ?? null,
      metadata: spec.metadata ?? {},
    };
    const { leg, token } = scene;
    const state: Streaming = { phase: "streaming", url: spec.url, stream: null, startedAtMs: null };
    return stay(state, [command({ kind: "stream", leg, token, request })]);
  },
  on(state, fact, scene) {
    switch (fact.kind) {
      case "streamStarted":
        return fact.token === scene.token ? started(state, fact, scene) : null;
      case "streamEnded":
        return fact.token === scene.token ? ended(state, fact, scene) : null;
      case "legEnded":
        if (fact.leg !== scene.leg) return null;
        return done(state.phase === "hungUp" ? [] : [told("event", state, { reason: "hangup" }, scene)]);
      case "digit":
        // The bot's: the next action does not take it for its own.
        return fact.leg === scene.leg ? stay(state, [], whileHangingUp(state, scene)) : null;
      case "wake":
        return state.phase === "hungUp" ? done() : stay(state, []);
      default:
        return null;
    }
  },
  drop(state, scene) {
    if (state.phase === "hungUp") return { effects: [] };
    const { leg, token } = scene;
    return {
      effects: [
        told("event", state, { reason: "replaced" }, scene),
        command({ kind: "endStream", leg, token }),
      ],
    };
  },
};

type Started = Extract<StepFact, { kind: "streamStarted" }>;
type Ended = Extract<StepFact, { kind: "streamEnded" }>;

function started(state: Streaming, { stream, resumed }: Started, scene: Scene): Step<Streaming> {
  const payload = { stream_id: stream, url: state.url, resumed };
  return stay({ ...state, stream, startedAtMs: state.startedAtMs ?? scene.nowMs }, [
    { kind: "event", event: "stream.started", payload },
  ]);
}

function ended(state: Streaming, fact: Ended, scene: Scene): Step<Streaming> {
  // The next action waits for the leg's own end, and then never begins.
  if (fact.reason === "hangup") {
    const hungUp: Streaming = { ...state, phase: "hungUp" };
    return stay(hungUp, [told("event", state, fact, scene)], scene.nowMs + hangingUpMsMax);
  }
  return done([told(scene.more ? "event" : "ask", state, fact, scene)]);
}

const whileHangingUp = ({ phase }: Streaming, scene: Scene): number | undefined =>
  phase === "hungUp" ? scene.nowMs + hangingUpMsMax : undefined;

const told = (
  kind: "event" | "ask",
  { url, stream, startedAtMs }: Streaming,
  { reason, closeCode = null, status = null, ...counts }: Partial<Ended> & Pick<Ended, "reason">,
  scene: Scene,
): Effect => ({
  kind,
  event: "call.stream_ended",
  payload: {
    ...{ stream_id: stream, url, reason, close_code: closeCode, http_status: status },
    duration_seconds: startedAtMs === null ? 0 : (scene.nowMs - startedAtMs) / 1000,
    media_sent: counts.sent ?? null,
    media_received: counts.received ?? null,
    media_dropped: counts.dropped ?? null,
  },
});
