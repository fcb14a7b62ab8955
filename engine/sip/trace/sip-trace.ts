import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { Clock, Timer } from "../../clock.ts";
import type { Ids } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { Poll } from "../../poll.ts";
import {
  deleteSipMessages,
  insertSipMessage,
  legsOfDialogs,
  type SipMessageRow,
  type TracedLeg,
} from "../../store/sip-messages.ts";
import type { Store } from "../../store/store.ts";
import { readHep, type Captured, type Endpoint } from "./hep.ts";
import { maskSip } from "./masked.ts";
import { readSip, summaryOf, type SipText } from "./sip-text.ts";
import { StreamMessages } from "./stream-messages.ts";

export interface SipTraceParts {
  store: Store;
  clock: Clock;
  ids: Ids;
  log: Log;
  /** Where media servers send what they capture. Port 0: a free one. */
  host: string;
  port: number;
  /** Kept for so many days. */
  days: number;
}

/** Since the start, for the metrics. */
export interface TraceCounts {
  /** Datagrams. */
  received: number;
  /** No SIP of a call: registrations, pings, what cannot be read. */
  ignored: number;
  stored: number;
  /** Of no leg of ours, or too many at once. */
  dropped: number;
}

/** Of a call's dialog. REGISTERs are never kept, nor what people write to each other, nor presence and pings. */
const methods: ReadonlySet<string> = new Set([
  ...["INVITE", "ACK", "CANCEL", "BYE", "PRACK", "UPDATE", "INFO", "REFER"],
]);

const flushEveryMs = 500;
/** A phone may ring so long before the switch tells whose dialog it is. */
const waitMsMax = 180_000;
const waitingMax = { messages: 10_000, bytes: 16_000_000, perDialog: 100 };
const keptMax = { perLeg: 300, perCall: 2_000 };
/** What comes so long after a leg's end is another's, or nobody's. */
const afterEndMs = 300_000;
/** Dialogs asked for in one query, and how often one is that nobody knows. */
const askedAtOnce = 500;
const askAgainMs = { min: 1_000, max: 15_000 };
const storedAtOnce = 200;
const legsKnownMax = 5_000;
const localsMax = 64;
const othersMax = 1_000;
const bindAgainMs = 10_000;
const sweepEveryMs = 3_600_000;
const sweptAtOnce = 1_000;
const dayMs = 86_400_000;
/** Some 2,000 messages of a burst wait in the kernel while we store others. */
const receiveBufferBytes = 4_000_000;

interface Message extends Pick<Captured, "atUs" | "source" | "destination"> {
  sip: SipText;
  /** Masked. */
  text: string;
}

/** Messages of one Call-ID that wait for their leg. */
interface Dialog {
  messages: Message[];
  bytes: number;
  sinceMs: number;
  askAtMs: number;
  askedAfterMs: number;
}

/**
 * Keeps the SIP of our calls: takes what media servers capture (HEP3 over UDP), holds it until a leg is known to be its
 * dialog's, and stores it masked. Nothing waits for it, and all of it is bounded: what comes too fast, or belongs to
 * nobody, is let go.
 */
export class SipTrace {
  readonly counts: TraceCounts = { received: 0, ignored: 0, stored: 0, dropped: 0 };
  readonly #parts: SipTraceParts;
  readonly #streams = new StreamMessages();
  /** By Call-ID, the oldest first. */
  readonly #waiting = new Map<string, Dialog>();
  #messages = 0;
  #bytes = 0;
  /** By Call-ID, the least lately used first. */
  readonly #legs = new Map<string, TracedLeg>();
  /** The media servers' own addresses, as INVITEs of known legs told them. */
  readonly #locals = new Set<Endpoint>();
  /** Far ends of known legs, the longest known first: what they send is never ours. */
  readonly #others = new Set<Endpoint>();
  /** Legs of which something was stored. */
  readonly #begun = new WeakSet<TracedLeg>();
  readonly #flush: Poll;
  readonly #sweep: Poll;
  #socket: Socket | undefined;
  #bindAgain: Timer | undefined;
  #stopped = false;

  constructor(parts: SipTraceParts) {
    this.#parts = parts;
    const { clock, log } = parts;
    const later = (err: unknown) => log.warn({ err }, "SIP messages could not be kept yet");
    this.#flush = new Poll(clock, flushEveryMs, () => this.#storeKnown(), later);
    this.#sweep = new Poll(clock, sweepEveryMs, () => this.#forgetOld(), later);
  }

  /** Listens, and answers on which port; null: it could not, and tries again. */
  async open(): Promise<number | null> {
    const { host, port, log, clock } = this.#parts;
    const socket = createSocket("udp4");
    try {
      socket.bind(port, host);
      await once(socket, "listening");
      socket.setRecvBufferSize(receiveBufferBytes);
    } catch (err) {
      socket.close();
      log.error({ err, host, port }, "no trace of SIP: its port cannot be had");
      if (!this.#stopped) this.#bindAgain = clock.after(bindAgainMs, () => void this.open());
      return null;
    }
    if (this.#stopped) {
      socket.close();
      return null;
    }
    socket.on("message", (bytes) => this.#take(bytes));
    socket.on("error", (err) => log.warn({ err }, "the trace of SIP lost something"));
    this.#socket = socket;
    return socket.address().port;
  }

  /** What came is stored from here on, and what is old is forgotten. */
  start(): void {
    this.#flush.start();
    this.#sweep.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#bindAgain?.cancel();
    this.#socket?.close();
    await Promise.all([this.#flush.stop(), this.#sweep.stop()]);
    await this.#storeKnown().catch(() => undefined);
  }

  #take(bytes: Buffer): void {
    this.counts.received++;
    const captured = readHep(bytes);
    if (captured === null) this.counts.ignored++;
    else for (const text of this.#textsOf(captured)) this.#takeMessage(captured, text);
  }

  #textsOf({ protocol, source, destination, payload }: Captured): string[] {
    if (protocol === "udp") return [payload.toString("utf8")];
    const whole = this.#streams.take(`${source} ${destination}`, payload.toString("latin1"));
    return whole.map((text) => Buffer.from(text, "latin1").toString("utf8"));
  }

  #takeMessage({ atUs, source, destination }: Captured, text: string): void {
    const sip = readSip(text);
    if (sip === null || !methods.has(sip.method)) {
      this.counts.ignored++;
      return;
    }
    const { clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    const dialog = this.#waiting.get(sip.callId) ?? {
      ...{ messages: [], bytes: 0, sinceMs: nowMs, askAtMs: nowMs, askedAfterMs: askAgainMs.min },
    };
    if (dialog.messages.length >= waitingMax.perDialog) {
      this.counts.dropped++;
      return;
    }
    // Something happens in it, so that its leg may be known by now.
    dialog.askAtMs = nowMs;
    const masked = maskSip(text);
    dialog.messages.push({ atUs: atUs || clock.nowUs(), source, destination, sip, text: masked });
    dialog.bytes += masked.length;
    this.#messages++;
    this.#bytes += masked.length;
    this.#waiting.set(sip.callId, dialog);
    this.#makeRoom();
  }

  #makeRoom(): void {
    for (const [callId, dialog] of this.#waiting) {
      if (this.#messages <= waitingMax.messages && this.#bytes <= waitingMax.bytes) return;
      this.#remove(callId, dialog);
      this.counts.dropped += dialog.messages.length;
    }
  }

  #remove(callId: string, dialog: Dialog): void {
    this.#waiting.delete(callId);
    this.#messages -= dialog.messages.length;
    this.#bytes -= dialog.bytes;
  }

  async #storeKnown(): Promise<void> {
    // What fails is told at the end: it stands in nobody else's way, and what is too old goes.
    const failures: unknown[] = await this.#askForLegs();
    const ready: { leg: TracedLeg; message: Message; direction: SipMessageRow["direction"] }[] = [];
    const nowMs = this.#parts.clock.monotonicMs();
    for (const [callId, dialog] of [...this.#waiting]) {
      const leg = this.#legs.get(callId);
      const directed = leg ? this.#directed(leg, dialog.messages) : null;
      if (leg && directed) {
        this.#remove(callId, dialog);
        ready.push(...directed.map((one) => ({ leg, ...one })));
      } else if (nowMs - dialog.sinceMs > waitMsMax) {
        this.#remove(callId, dialog);
        this.counts.dropped += dialog.messages.length;
      }
    }
    for (let from = 0; from < ready.length; from += storedAtOnce)
      await this.#store(ready.slice(from, from + storedAtOnce)).catch((error: unknown) =>
        failures.push(error),
      );
    if (failures.length > 0) throw failures[0];
  }

  /** Whose the dialogs are that wait; answers what went wrong. Those that could not be asked for are, later. */
  async #askForLegs(): Promise<unknown[]> {
    const failures: unknown[] = [];
    const { store, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    const due = [...this.#waiting].filter(
      ([callId, { askAtMs }]) => askAtMs <= nowMs && !this.#legs.has(callId),
    );
    // All of them: in a flood of strangers' the one that is ours must not wait behind.
    for (let from = 0; from < due.length; from += askedAtOnce) {
      const callIds = due.slice(from, from + askedAtOnce).map(([callId]) => callId);
      try {
        const legs = await store.read((tx) => legsOfDialogs(tx, callIds, this.#endedSinceUs()));
        for (const leg of legs) if (!this.#legs.has(leg.sipCallId)) this.#know(leg);
      } catch (error) {
        failures.push(error);
      }
    }
    for (const [callId, dialog] of due) {
      if (this.#legs.has(callId)) continue;
      dialog.askAtMs = nowMs + dialog.askedAfterMs;
      dialog.askedAfterMs = Math.min(dialog.askedAfterMs * 2, askAgainMs.max);
    }
    return failures;
  }

  #know(leg: TracedLeg): void {
    this.#legs.delete(leg.sipCallId);
    this.#legs.set(leg.sipCallId, leg);
    const [oldest] = this.#legs.keys();
    if (this.#legs.size > legsKnownMax && oldest !== undefined) this.#legs.delete(oldest);
  }

  /**
   * HEP does not say which of the two addresses is the media server's own. The INVITE that began the leg does: it came from
   * there, or went there; a later one anybody may have sent who knows the Call-ID. Null: none was seen that tells it.
   */
  #directed(leg: TracedLeg, messages: readonly Message[]) {
    this.#know(leg);
    const invite = messages.find(({ sip }) => sip.begins);
    if (invite && !this.#begun.has(leg))
      this.#learn(leg.direction === "outbound" ? invite.source : invite.destination);
    const directionOf = ({ source, destination }: Message) =>
      this.#locals.has(source) ? "sent" : this.#locals.has(destination) ? "received" : null;
    const directed = messages.flatMap((message) => {
      const direction = directionOf(message);
      return direction === null ? [] : [{ message, direction } as const];
    });
    if (directed.length < messages.length) return null;
    this.#begun.add(leg);
    for (const { message, direction } of directed) this.#remember(message, direction);
    return directed;
  }

  #learn(own: Endpoint): void {
    if (!this.#others.has(own) && this.#locals.size < localsMax) this.#locals.add(own);
  }

  #remember({ source, destination }: Message, direction: SipMessageRow["direction"]): void {
    const other = direction === "sent" ? destination : source;
    // On one host they may both be ours: a call that goes out by one profile and comes in by another.
    if (this.#locals.has(other) || hostOf(source) === hostOf(destination)) return;
    this.#others.delete(other);
    this.#others.add(other);
    const [oldest] = this.#others;
    if (this.#others.size > othersMax && oldest !== undefined) this.#others.delete(oldest);
  }

  #endedSinceUs(): number {
    return this.#parts.clock.nowUs() - afterEndMs * 1000;
  }

  async #store(
    batch: readonly { leg: TracedLeg; message: Message; direction: SipMessageRow["direction"] }[],
  ): Promise<void> {
    const { store, ids, clock } = this.#parts;
    const rows = batch.map(({ leg, message, direction }) => ({
      leg,
      row: {
        ...{ id: ids.next("sipm"), atUs: message.atUs, direction, transport: message.sip.transport },
        ...{ method: message.sip.method, summary: summaryOf(message.text), message: message.text },
        createdAtMs: clock.nowMs(),
      },
    }));
    try {
      const refused = new Set<TracedLeg>();
      const stored = await store.write(async (tx) => {
        let kept = 0;
        const max = { ...keptMax, endedSinceUs: this.#endedSinceUs() };
        for (const { leg, row } of rows)
          if (await insertSipMessage(tx, leg, row, max)) kept++;
          else refused.add(leg);
        return kept;
      });
      // Its dialog may be another leg's by now.
      for (const leg of refused) this.#legs.delete(leg.sipCallId);
      this.counts.stored += stored;
      this.counts.dropped += rows.length - stored;
    } catch (error) {
      this.counts.dropped += rows.length;
      throw error;
    }
  }

  async #forgetOld(): Promise<void> {
    const { store, clock, days } = this.#parts;
    const beforeMs = clock.nowMs() - days * dayMs;
    for (let more = true; more;)
      more = (await store.write((tx) => deleteSipMessages(tx, beforeMs, sweptAtOnce))) === sweptAtOnce;
  }
}

const hostOf = (endpoint: Endpoint): string => endpoint.slice(0, endpoint.lastIndexOf(":"));
