import type { Clock } from "../clock.ts";
import type { Egress } from "../egress/egress.ts";
import { EgressError } from "../egress/egress-error.ts";
import type { Ids } from "../ids.ts";
import type { Log } from "../log.ts";
import type { Secrets } from "../secrets.ts";
import type { AttemptRow, DeliveryToSend } from "../store/deliveries.ts";
import { traceHeaders } from "../trace.ts";
import { retryAfterSeconds, type TryEnd } from "./schedule.ts";
import { openSigningSecrets, signedHeaders } from "./signing.ts";

const timeoutMs = 10_000;
/** So much of an answer is kept. */
const responseBytesMax = 1024;

/** One try: what is stored of it, and what the schedule needs of it. */
export interface Attempt {
  row: AttemptRow;
  end: TryEnd;
}

/** Signs at the time of this very try, posts, and turns every outcome into facts. */
export async function attempt(
  delivery: DeliveryToSend,
  parts: { clock: Clock; egress: Egress; secrets: Secrets; ids: Ids; log: Log },
): Promise<Attempt> {
  const { clock, egress, log } = parts;
  const { id, kind, callId, traceId } = delivery;
  const about = { delivery: id, kind, callId, ...(traceId === null ? {} : { traceId }) };
  const attemptedAtMs = clock.nowMs();
  const startedMs = clock.monotonicMs();
  try {
    const secrets = openSigningSecrets(delivery, parts.secrets, attemptedAtMs);
    const headers = {
      ...signedHeaders(delivery, secrets, Math.floor(attemptedAtMs / 1000)),
      ...traceHeaders(parts.ids, delivery),
    };
    const answer = await egress.request({
      method: "POST",
      url: delivery.url,
      headers,
      body: delivery.body,
      timeoutMs,
      maxBytes: responseBytesMax,
    });
    const { status, latencyMs } = answer;
    log.debug({ ...about, status, latencyMs }, "a webhook was sent");
    const wait = retryAfterSeconds(status, answer.headers["retry-after"], attemptedAtMs);
    return {
      row: { attemptedAtMs, status, latencyMs, response: textOf(answer.body), error: null },
      end: { status, retryAfterSeconds: wait },
    };
  } catch (error) {
    // Ours, such as a secret that cannot be opened: it takes the schedule too, and so cannot spin.
    if (!(error instanceof EgressError)) log.error({ ...about, err: error }, "webhook not sent");
    const fault = error instanceof EgressError ? error.fault : "internal";
    const latencyMs = Math.round(clock.monotonicMs() - startedMs);
    log.debug({ ...about, fault, latencyMs }, "a webhook got no answer");
    return {
      row: { attemptedAtMs, status: null, latencyMs, response: null, error: fault },
      end: { status: null, retryAfterSeconds: null },
    };
  }
}

/** PostgreSQL's text holds no NUL. */
const textOf = (body: Buffer) => body.toString("utf8").replaceAll("\0", "\uFFFD");
