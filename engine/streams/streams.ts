import type { StepFact } from "../actions/verb.ts";
import type { StreamRequest } from "../calls/command.ts";
import type { Clock } from "../clock.ts";
import { EgressError } from "../egress/egress-error.ts";
import type { Egress } from "../egress/egress.ts";
import type { Ids, LegId } from "../ids.ts";
import type { Log } from "../log.ts";
import type { Secrets } from "../secrets.ts";
import type { CallRow } from "../store/calls.ts";
import type { Store } from "../store/store.ts";
import { numberById } from "../store/numbers.ts";
import type { Switch } from "../switch/switch.ts";
import { signedHeaders } from "../webhooks/signing.ts";
import { voiceSecrets } from "../numbers/numbers.ts";
import { traceHeaders } from "../trace.ts";
import { BotSocket, messageBytesMax } from "./bot-socket.ts";
import { endFork, ForkPorts, openFork } from "./fork.ts";
import { Stream } from "./stream.ts";
import { StreamEnd } from "./stream-end.ts";

export interface StreamsParts {
  store: Store;
  egress: Egress;
  secrets: Secrets;
  clock: Clock;
  ids: Ids;
  log: Log;
  /** UDP ports of the boxes for the streams' audio. */
  ports: { first: number; last: number };
}

export interface StreamOrder {
  call: CallRow;
  leg: LegId;
  token: string;
  request: StreamRequest;
  /** A controller that died had begun it. */
  resumed: boolean;
  box: Switch;
  /** Both resolve once it is stored, or cannot be; neither rejects. */
  started: (fact: Extract<StepFact, { kind: "streamStarted" }>) => Promise<void>;
  ended: (fact: Extract<StepFact, { kind: "streamEnded" }>) => Promise<void>;
}

interface Running {
  leg: LegId;
  stream: Stream;
  ending: AbortController;
  /** Nobody hears the leg any more. */
  free: Promise<unknown>;
  /** And its end is stored. */
  over: Promise<void>;
}

/** API.md §4: until the WebSocket is open. */
const openingMsMax = 5_000;

/** RFC 6455 §7.4.1, and IANA's 1012: what our side of the close says. */
const closeCodes: Partial<Record<StreamEnd["reason"], number>> = {
  flooded: 1008,
  media_failed: 1011,
  media_lost: 1011,
};
const normalClosure = 1000;
const serviceRestart = 1012;

/** The streams that run in this process. They end with it, and the next one opens them anew. */
export class Streams {
  readonly #parts: StreamsParts;
  readonly #ports: ForkPorts;
  /** By the token of the step that waits. */
  readonly #running = new Map<string, Running>();
  /** Sockets that are being closed. */
  readonly #closing = new Set<Promise<void>>();
  #stopped = false;

  constructor(parts: StreamsParts) {
    this.#parts = parts;
    this.#ports = new ForkPorts(parts.ports, parts.ids);
  }

  /** Resolves once its end is stored; in a process that is to end, without one: the next one is to run it. */
  async run(order: StreamOrder): Promise<void> {
    if (this.#stopped) return;
    const { token, leg, request } = order;
    const ending = new AbortController();
    const id = this.#parts.ids.next("str");
    const stream = new Stream(id, request, this.#parts.clock, (end) => ending.abort(end));
    const free = this.#conduct(id, order, stream, ending);
    const over = free.then(async ({ reason, closeCode, status }) => {
      if (this.#stopped && reason === "replaced") return;
      await order.ended({ kind: "streamEnded", token, reason, closeCode, status, ...stream.counts });
    });
    this.#running.set(token, { leg, stream, ending, free, over });
    await over.finally(() => this.#running.delete(token));
  }

  digit(leg: LegId, digit: string): void {
    for (const running of this.#running.values()) if (running.leg === leg) running.stream.digit(digit);
  }

  /** Another document takes the place of the one that waited for it. Resolves when the leg is free. */
  async end(token: string): Promise<void> {
    const running = this.#running.get(token);
    running?.ending.abort(new StreamEnd("replaced"));
    await running?.free;
  }

  has(leg: LegId): boolean {
    return this.#running.values().some((running) => running.leg === leg);
  }

  /** Resolves once that is told of its stream, if it has one: it is to be told before the leg's own end. */
  async legEnded(leg: LegId): Promise<void> {
    for (const running of this.#running.values()) {
      if (running.leg !== leg) continue;
      running.ending.abort(new StreamEnd("hangup"));
      await running.over;
    }
  }

  /**
   * Ends all of them, without an end in their calls: the next controller opens them anew. But the end of one that had ended before is
   * stored.
   */
  async stop(): Promise<void> {
    this.#stopped = true;
    const running = [...this.#running.values()];
    for (const { ending } of running) ending.abort(new StreamEnd("replaced"));
    await Promise.all(running.map(({ over }) => over));
    await Promise.all(this.#closing);
  }

  /** Never rejects: whatever ends it, the leg is free then. */
  async #conduct(
    id: string,
    order: StreamOrder,
    stream: Stream,
    ending: AbortController,
  ): Promise<StreamEnd> {
    const { token, leg, box, resumed } = order;
    const { clock, log } = this.#parts;
    let isForked = false;
    let end: StreamEnd;
    try {
      // A controller that died had begun it: its fork is there yet.
      if (resumed) await endFork({ box, leg, log });
      stream.greet(await this.#open(id, order, stream, ending));
      isForked = true;
      const port = await openFork({ box, leg, clock, log, ports: this.#ports, signal: ending.signal });
      const { id: callSid, workspaceId: accountSid, fromE164: from, toE164: to } = order.call;
      stream.start(port, { accountSid, callSid, from, to, resumed });
      await order.started({ kind: "streamStarted", token, stream: id, resumed });
      end = await ended(ending.signal);
    } catch (error) {
      end = error instanceof StreamEnd ? error : this.#unexpected(error, id);
    }
    this.#close(stream, end);
    // A leg that has ended took its own end of it along.
    if (isForked && end.reason !== "hangup") await endFork({ box, leg, log }).catch(() => undefined);
    return end;
  }

  /** The bot may take its time; nobody waits for it but the end of the process. */
  #close(stream: Stream, { reason }: StreamEnd): void {
    const [why, code] =
      this.#stopped && reason === "replaced"
        ? (["restart", serviceRestart] as const)
        : ([reason, closeCodes[reason] ?? normalClosure] as const);
    const closing = stream.end(why, code).finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** Throws StreamEnd. */
  async #open(id: string, order: StreamOrder, stream: Stream, ending: AbortController): Promise<BotSocket> {
    const { egress, clock } = this.#parts;
    const { url } = order.request;
    const headers = await this.#headers(id, order);
    try {
      const { signal } = ending;
      const opened = { url, headers, timeoutMs: openingMsMax, messageBytesMax, signal };
      const socket = await egress.openWebSocket(opened);
      return new BotSocket(socket, clock, {
        onMessage: (message) => stream.onMessage(message),
        onEnd: (end) => ending.abort(end),
      });
    } catch (error) {
      if (ending.signal.aborted) throw ending.signal.reason as StreamEnd;
      if (!(error instanceof EgressError) || error.fault === "aborted") throw error;
      throw new StreamEnd(error.fault, { status: error.status });
    }
  }

  /** Signed as a webhook is, with the URL in the body's place. */
  async #headers(id: string, { call, request }: StreamOrder): Promise<Record<string, string>> {
    const { store, secrets, clock, ids } = this.#parts;
    const { numberId } = call;
    const number = numberId === null ? undefined : await store.read((tx) => numberById(tx, numberId));
    if (!number) return {};
    const headers = signedHeaders(
      { eventId: id, kind: "stream", body: request.url },
      voiceSecrets(number, secrets, clock.nowMs()),
      Math.floor(clock.nowMs() / 1000),
    );
    // There is no body.
    delete headers["Content-Type"];
    return { ...headers, ...traceHeaders(ids, call), "User-Agent": "Sautikit-Streams/1" };
  }

  #unexpected(error: unknown, stream: string): StreamEnd {
    this.#parts.log.error({ err: error, stream }, "a stream failed");
    return new StreamEnd("media_failed");
  }
}

const ended = (signal: AbortSignal): Promise<StreamEnd> =>
  new Promise((resolve) => {
    const end = () => resolve(signal.reason as StreamEnd);
    if (signal.aborted) end();
    signal.addEventListener("abort", end, { once: true });
  });
