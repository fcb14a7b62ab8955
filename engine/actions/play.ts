import { z } from "zod";
import { done, stay, type Effect, type Verb } from "./verb.ts";

/** Fetching and converting have their own limits; this is the last resort, so that a lost answer is not dead air. */
const fetchMsMax = 20_000;
/** How much later than its own length a prompt may end before we stop waiting for the switch to say so. */
const playbackSlackMs = 5_000;

interface Playing extends Record<string, string | number> {
  phase: "fetching" | "playing";
  url: string;
  loops: number;
}

/** `play`: fetches a WAV or MP3 and plays it, so many times. What cannot be fetched is an event, and the next action runs. */
export const play: Verb<{ url: string; loop?: number | undefined }, Playing> = {
  name: "play",
  meaning:
    "Fetches a WAV or MP3 (at most 10 MiB and an hour) and plays it. What cannot be played is told by `play.failed`, and " +
    "the next action runs.",
  schema: z.strictObject({
    url: z
      .url({ protocol: /^https?$/, error: "must be an http or https URL" })
      .max(2048)
      .meta({ description: "http(s). Fetched anew when its Cache-Control has run out." }),
    loop: z.int().min(0).max(20).optional().meta({ description: "How often; 0 is 1. Default: 1." }),
  }),
  begin(spec, scene) {
    // A loop of 0 is 1, as published.
    const state: Playing = { phase: "fetching", url: spec.url, loops: Math.max(spec.loop ?? 1, 1) };
    const fetch: Effect = {
      kind: "command",
      command: { kind: "fetchMedia", url: spec.url, token: scene.token },
    };
    return stay(state, [fetch], scene.nowMs + fetchMsMax);
  },
  on(state, fact, scene) {
    switch (fact.kind) {
      case "mediaReady":
        if (fact.token !== scene.token || state.phase !== "fetching") return null;
        return stay(
          { ...state, phase: "playing" },
          [
            { kind: "event", event: "play.started", payload: { url: state.url, loops: state.loops } },
            {
              kind: "command",
              command: {
                kind: "play",
                leg: scene.leg,
                file: fact.file,
                token: scene.token,
                loops: state.loops,
              },
            },
          ],
          scene.nowMs + fact.durationMs * state.loops + playbackSlackMs,
        );
      case "mediaFailed":
        return fact.token === scene.token ? done([failed(state, fact.reason)]) : null;
      case "playbackEnded":
        if (fact.token !== scene.token) return null;
        return fact.outcome === "played"
          ? done([{ kind: "event", event: "play.finished", payload: { url: state.url } }])
          : done([failed(state, fact.outcome)]);
      case "wake":
        return done([
          failed(state, state.phase === "fetching" ? "fetch_timed_out" : "playback_timed_out"),
          { kind: "command", command: { kind: "stopPlayback", leg: scene.leg } },
        ]);
      default:
        return null;
    }
  },
};

const failed = (state: Playing, reason: string): Effect => ({
  kind: "event",
  event: "play.failed",
  payload: { url: state.url, reason },
});
