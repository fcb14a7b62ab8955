import assert from "node:assert/strict";
import { eventually } from "../peers/waiting.ts";

export interface ApiAnswer {
  status: number;
  headers: Headers;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests reach into answers of every shape
  body: any;
}

export interface ApiLeg {
  id: string;
  kind: string;
  to: string;
  status: string;
  started_at: string | null;
  answered_at: string | null;
  ended_at: string | null;
  billed_seconds: number;
  rate_per_minute_minor: number;
  cost_minor: number;
  hangup_cause: string | null;
  sip_status: number | null;
  recording_ids: string[];
  attempts: { trunk: string; sip_status: number | null; hangup_cause: string | null }[];
}

export interface ApiCall {
  id: string;
  status: string;
  created_at: string;
  hangup_cause: string | null;
  failure_code: string | null;
  answered_at: string | null;
  ended_at: string | null;
  duration_seconds: number;
  cost_minor: number;
  legs: ApiLeg[];
  events: {
    id: string;
    kind: string;
    payload: Record<string, unknown>;
    occurred_at: string;
    created_at: string;
  }[];
}

/** Wanjiru's program: the HTTP API with her key, nothing else. */
export class Customer {
  readonly baseUrl: string;
  readonly key: string;
  /** Every call that the API took, once or more often. */
  readonly placed: string[] = [];

  constructor(baseUrl: string, key: string) {
    this.baseUrl = baseUrl;
    this.key = key;
  }

  /** A prompt's URL. */
  async upload(file: Uint8Array): Promise<string> {
    const response = await fetch(`${this.baseUrl}/v1/media`, {
      method: "POST",
      headers: { authorization: `Bearer ${this.key}`, "content-type": "audio/wav" },
      body: new Uint8Array(file),
      signal: AbortSignal.timeout(10_000),
    });
    const { url } = (await response.json()) as { url: string };
    assert.equal(response.status, 201);
    return url;
  }

  /** One request; rejects only where there was no answer. */
  async ask(
    method: string,
    path: string,
    { body, headers = {} }: { body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<ApiAnswer> {
    const response = await fetch(path.startsWith("http") ? path : `${this.baseUrl}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.key}`, "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: "manual",
      signal: AbortSignal.timeout(10_000),
    });
    const text = await response.text();
    const answer: ApiAnswer = {
      status: response.status,
      headers: response.headers,
      body: text === "" ? null : JSON.parse(text),
    };
    if (method === "POST" && path === "/v1/calls" && answer.status === 201)
      this.placed.push(String(answer.body.id));
    return answer;
  }

  /** Places a call that must be taken. */
  async place(body: { from: string; to: string | string[] } & Record<string, unknown>): Promise<string> {
    const answer = await this.ask("POST", "/v1/calls", { body });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return String(answer.body.id);
  }

  async call(id: string): Promise<ApiCall> {
    const answer = await this.ask("GET", `/v1/calls/${id}`);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body.call as ApiCall;
  }

  async hangUp(id: string): Promise<void> {
    assert.equal((await this.ask("POST", `/v1/calls/${id}/hangup`)).status, 200);
  }

  /** Asks until the call is so. */
  until(id: string, what: string, when: (call: ApiCall) => boolean, withinMs = 20_000): Promise<ApiCall> {
    let last: ApiCall | undefined;
    return eventually(
      `${id}: ${what}`,
      async () => {
        last = await this.call(id);
        return when(last) ? last : undefined;
      },
      { withinMs },
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}; it was ${JSON.stringify(last, null, 1)}`, { cause: error });
    });
  }

  ended(id: string, withinMs = 20_000): Promise<ApiCall> {
    return this.until(
      id,
      "its end",
      ({ events }) => events.some(({ kind }) => kind === "call.completed" || kind === "call.failed"),
      withinMs,
    );
  }

  /** The stored recording, by the presigned link that the API gives. */
  async download(callId: string, recordingId: string): Promise<Buffer> {
    const link = await eventually(
      `the recording ${recordingId}`,
      async () => {
        const answer = await this.ask("GET", `/v1/calls/${callId}/recording?recording_id=${recordingId}`);
        return answer.status === 302 ? (answer.headers.get("location") ?? undefined) : undefined;
      },
      { withinMs: 30_000 },
    );
    const response = await fetch(link, { signal: AbortSignal.timeout(10_000) });
    assert.equal(response.status, 200);
    return Buffer.from(await response.arrayBuffer());
  }
}

/** Seconds of sound in a stereo 16-bit WAV at 8 kHz. */
export const wavSeconds = (wav: Buffer): number => (wav.length - 44) / (8000 * 4);
