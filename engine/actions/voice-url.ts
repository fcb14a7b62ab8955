import type { Clock } from "../clock.ts";
import { EgressError, type EgressFault } from "../egress/egress-error.ts";
import type { Egress, EgressMethod } from "../egress/egress.ts";
import type { Ids } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import { traceHeaders, type Trace } from "../trace.ts";
import { signedHeaders } from "../webhooks/signing.ts";
import { readAnswer, type Answer, type NoDocument } from "./answer.ts";

/** API.md §3: so long for one try, a second one, then the fallback. */
const timeoutMs = 5_000;
/** As large as a request's body may be; what is longer is no document. */
const answerBytesMax = 256 * 1024;
/** So much of an answer is kept on the call. */
const keptBytes = 1024;
/** Between a failure and the second try. */
const retryMs = 200;

/** What a voice URL is asked; the same `eventId` whenever it is asked again. */
export interface Question {
  eventId: string;
  kind: string;
  /** The envelope, with CallId, From, To and Digits at its top. */
  body: JsonObject;
  method: EgressMethod;
  /** Asked twice, then each of the others once. */
  url: string;
  fallbackUrl: string | null;
  /** The number's, the current one first. */
  secrets: readonly string[];
  trace: Trace;
}

/** One try, as it is shown on the call's events. */
export interface Try {
  url: string;
  status: number | null;
  /** Why there was no answer. */
  fault: EgressFault | null;
  latencyMs: number;
  /** The first KiB of the answer. */
  answer: string;
  /** Why the answer is no instructions; null: it is, or is none at all. */
  noDocument: NoDocument | null;
}

export interface Asked {
  tries: Try[];
  /** Null: neither URL gave one. */
  answer: Answer | null;
}

/** Asks customers' servers what a call is to do next. */
export class VoiceUrl {
  readonly #parts: { egress: Egress; clock: Clock; ids: Ids };

  constructor(parts: { egress: Egress; clock: Clock; ids: Ids }) {
    this.#parts = parts;
  }

  /** At most three requests of 5 s each. Throws only when `signal` ends it. */
  async ask(question: Question, signal: AbortSignal): Promise<Asked> {
    const { url, fallbackUrl } = question;
    const tries: Try[] = [];
    const urls = fallbackUrl === null || fallbackUrl === url ? [url, url] : [url, url, fallbackUrl];
    for (const [index, next] of urls.entries()) {
      if (index === 1) await this.#parts.clock.sleep(retryMs, signal);
      signal.throwIfAborted();
      const { made, answer } = await this.#try(question, next, signal);
      signal.throwIfAborted();
      tries.push(made);
      if (answer) return { tries, answer };
    }
    return { tries, answer: null };
  }

  async #try(
    question: Question,
    url: string,
    signal: AbortSignal,
  ): Promise<{ made: Try; answer: Answer | null }> {
    const { egress, clock, ids } = this.#parts;
    const startedMs = clock.monotonicMs();
    const { method } = question;
    const body = method === "GET" ? "" : JSON.stringify(question.body);
    try {
      const response = await egress.request({
        method,
        url,
        ...(method === "GET" ? { query: queryOf(question.body) } : {}),
        headers: {
          ...signedHeaders({ ...question, body }, question.secrets, Math.floor(clock.nowMs() / 1000)),
          ...traceHeaders(ids, question.trace),
        },
        ...(method === "GET" ? {} : { body }),
        timeoutMs,
        maxBytes: answerBytesMax,
        signal,
      });
      const { status, latencyMs, truncated } = response;
      const made = {
        url,
        status,
        fault: null,
        latencyMs,
        answer: textOf(response.body.subarray(0, keptBytes)),
        noDocument: null,
      };
      if (status < 200 || status > 299) return { made, answer: null };
      const text = textOf(response.body);
      const answer = truncated ? tooLong(text) : readAnswer(text);
      return { made: { ...made, noDocument: answer.kind === "none" ? answer.why : null }, answer };
    } catch (error) {
      if (!(error instanceof EgressError)) throw error;
      const latencyMs = Math.round(clock.monotonicMs() - startedMs);
      const made = { url, status: null, fault: error.fault, latencyMs, answer: "", noDocument: null };
      return { made, answer: null };
    }
  }
}

/** A web page is no instructions, however long. */
const tooLong = (text: string): Answer =>
  text.trimStart().startsWith("{")
    ? { kind: "invalid", path: "body", code: "length", reason: `is longer than ${answerBytesMax / 1024} KiB` }
    : { kind: "none", why: { code: "text" } };

/** A GET has no body: what a handler needs is in the query. */
function queryOf(body: JsonObject): Record<string, string> {
  const query: Record<string, string> = {};
  for (const name of ["CallId", "From", "To", "Digits"]) {
    const value = body[name];
    if (typeof value === "string") query[name] = value;
  }
  return query;
}

/** PostgreSQL's text holds no NUL. */
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8").replaceAll("\0", "\uFFFD");
