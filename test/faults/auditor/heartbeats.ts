import type { EslProxy } from "../../peers/esl-proxy.ts";

/** A heartbeat that the switch answered, as it passed between the controller and the switch; ms since the epoch. */
export interface Heartbeat {
  /** It was asked after this: the answer before it had gone to the controller then. */
  afterMs: number;
  /** Its own answer went to the controller. */
  answeredMs: number;
  /** The controller, alive and done with that answer, asked the next one; null: it never did. */
  nextAskedMs: number | null;
}

const asks = "api global_getvar core_uuid\n\n";
const answers = /^Content-Type: api\/response\nContent-Length: 36\n\n[0-9a-f-]{36}$/;

/** Sees every heartbeat that passes by the proxy from now on. */
export function seeHeartbeats(proxy: EslProxy): readonly Heartbeat[] {
  const seen: Heartbeat[] = [];
  const lasts = new Map<number, { answeredMs: number; heartbeat: Heartbeat | null }>();
  proxy.judged = ({ to, text, connection }, verdict) => {
    const last = lasts.get(connection);
    if (to === "switch" && text === asks && last?.heartbeat) last.heartbeat.nextAskedMs ??= Date.now();
    if (to !== "sautikit" || verdict !== "pass" || !answers.test(text)) return;
    const answeredMs = Date.now();
    // The first is the greeting's, and the next follows it at once.
    const heartbeat = last ? { afterMs: last.answeredMs, answeredMs, nextAskedMs: null } : null;
    if (heartbeat) seen.push(heartbeat);
    lasts.set(connection, { answeredMs, heartbeat });
  };
  return seen;
}
