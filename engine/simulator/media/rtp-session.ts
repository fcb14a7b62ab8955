import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import type { Clock } from "../../clock.ts";
import type { Ids } from "../../ids.ts";
import { frameSamples, g711 } from "./g711.ts";
import type { Pacer, Slot } from "./pacer.ts";
import { Reception } from "./reception.ts";
import { RemoteAddress } from "./remote-address.ts";
import { readRtp, type RtpPacket, writeRtp } from "./rtp-packet.ts";
import type { MediaSession, SlotSource } from "./session.ts";
import { DigitReceiver, DigitSender, type EventPacket, type Pace } from "./telephone-event.ts";

/** What the two descriptions agreed on (RFC 3264). */
export interface RtpAgreement {
  remote: { host: string; port: number };
  law: "PCMU" | "PCMA";
  payloadType: number;
  /** Null where the far end has no RFC 4733: digits are then neither sent nor heard. */
  telephoneEventType: number | null;
  /** False while the far end holds us. */
  sending: boolean;
}

export interface RtpSessionOptions {
  host: string;
  clock: Clock;
  ids: Ids;
  pacer: Pacer;
}

export async function openRtpSession(options: RtpSessionOptions): Promise<RtpSession> {
  const socket = createSocket("udp4");
  socket.bind(0, options.host);
  await once(socket, "listening");
  return new RtpSession(socket, options);
}

export class RtpSession implements MediaSession {
  readonly localPort: number;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #pacer: Pacer;
  readonly #reception = new Reception();
  readonly #digitSender = new DigitSender();
  readonly #digitReceiver: DigitReceiver;
  readonly #frameListeners: ((pcm: Int16Array) => void)[] = [];
  readonly #digitListeners: ((digit: string, durationMs: number) => void)[] = [];
  readonly #ssrc: number;
  #agreement: RtpAgreement | null = null;
  #source: SlotSource | null = null;
  #leavePacer: (() => void) | undefined;
  #remote: RemoteAddress | undefined;
  #lastPacketMs = 0;
  #sequence: number;
  #timestamp: number;
  #packetsSent = 0;
  #talking = false;
  #dropEvery = 0;
  #slotsToDrop = 0;
  /** Samples of packets that are not 20 ms long, waiting to fill a frame. */
  #carry = new Int16Array(0);
  #closed = false;

  constructor(socket: Socket, { clock, ids, pacer }: RtpSessionOptions) {
    this.#socket = socket;
    this.#clock = clock;
    this.#pacer = pacer;
    this.localPort = socket.address().port;
    this.#digitReceiver = new DigitReceiver(clock, (digit, durationMs) => {
      for (const listener of this.#digitListeners) listener(digit, durationMs);
    });
    // RFC 3550 §5.1: all three begin anywhere.
    const random = ids.bytes(10);
    this.#ssrc = random.readUInt32BE(0);
    this.#timestamp = random.readUInt32BE(4);
    this.#sequence = random.readUInt16BE(8);
    socket.on("message", (bytes, from) => this.#receive(bytes, from));
    socket.on("error", () => this.close());
  }

  /** Begins to send and to hear, or follows what a re-INVITE changed. */
  agree(agreement: RtpAgreement): void {
    const was = this.#agreement?.remote;
    const isElsewhere = agreement.remote.host !== was?.host || agreement.remote.port !== was.port;
    // FreeSWITCH as well: a description that says what the last one did changes nothing of where the peer was found.
    if (isElsewhere) this.#remote = new RemoteAddress(agreement.remote);
    this.#agreement = agreement;
    this.#lastPacketMs = this.#clock.monotonicMs();
    this.#followDemand();
  }

  get lastPacketMs(): number {
    return this.#lastPacketMs;
  }

  get law(): RtpAgreement["law"] | null {
    return this.#agreement?.law ?? null;
  }

  onFrame(listener: (pcm: Int16Array) => void): void {
    this.#frameListeners.push(listener);
  }

  onDigit(listener: (digit: string, durationMs: number) => void): void {
    this.#digitListeners.push(listener);
  }

  setSource(source: SlotSource | null): void {
    this.#source = source;
    this.#followDemand();
  }

  sendDigits(digits: string, pace?: Pace): void {
    this.#digitSender.add(digits, pace);
    this.#followDemand();
  }

  dropEvery(n: number): void {
    this.#dropEvery = n;
    this.#slotsToDrop = n;
  }

  get stats(): MediaSession["stats"] {
    const { packetsReceived, packetsLost, jitterMs } = this.#reception;
    return { packetsReceived, packetsSent: this.#packetsSent, packetsLost, jitterMs };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#followDemand();
    this.#digitReceiver.close();
    this.#socket.close();
  }

  /** On the pacer only while there is something to send. */
  #followDemand(): void {
    const wanted =
      !this.#closed && this.#agreement !== null && (this.#source !== null || this.#digitSender.busy);
    if (wanted) this.#leavePacer ??= this.#pacer.join((slot) => this.#onSlot(slot));
    else {
      this.#leavePacer?.();
      this.#leavePacer = undefined;
      this.#talking = false;
    }
  }

  #onSlot(slot: Slot): void {
    if (!this.#agreement || this.#closed) return;
    this.#timestamp = (this.#timestamp + frameSamples) >>> 0;
    // Pulled in every slot, so that sound goes on in real time under digits and during a hold.
    const pcm = this.#source?.(slot) ?? null;
    const { sending, payloadType, law } = this.#agreement;
    const digit = this.#digitSender.busy ? this.#digitSender.next() : "wait";
    if (digit !== "wait") return this.#digitSlot(this.#agreement, digit);
    this.#followDemand();
    if (!pcm || !sending) {
      this.#talking = false;
      return;
    }
    // RFC 3551 §4.1: the marker is on the first packet after a silence.
    this.#send({
      payload: g711[law].encode(pcm),
      payloadType,
      marker: !this.#talking,
      timestamp: this.#timestamp,
    });
    this.#talking = true;
  }

  #digitSlot({ telephoneEventType, sending }: RtpAgreement, packet: EventPacket | null): void {
    this.#talking = false;
    if (packet && sending && telephoneEventType !== null) {
      const timestamp = (this.#timestamp - packet.slotsAgo * frameSamples) >>> 0;
      this.#send({ ...packet, payloadType: telephoneEventType, timestamp });
    }
    this.#followDemand();
  }

  #send(packet: Omit<RtpPacket, "sequence" | "ssrc">): void {
    this.#sequence = (this.#sequence + 1) & 0xffff;
    if (this.#dropEvery > 0 && --this.#slotsToDrop === 0) {
      this.#slotsToDrop = this.#dropEvery;
      return;
    }
    const remote = this.#remote?.at;
    if (!remote || remote.host === "0.0.0.0") return;
    this.#packetsSent += 1;
    const bytes = writeRtp({ ...packet, sequence: this.#sequence, ssrc: this.#ssrc });
    // A port nobody listens on is not our failure; the call's own signalling ends it.
    this.#socket.send(bytes, remote.port, remote.host, () => undefined);
  }

  #receive(bytes: Buffer, from: RemoteInfo): void {
    this.#lastPacketMs = this.#clock.monotonicMs();
    const packet = readRtp(bytes);
    if (!packet || !this.#agreement) return;
    if (!this.#remote?.hears({ host: from.address, port: from.port })) return;
    const isAudio = packet.payloadType === this.#agreement.payloadType;
    const isDigit = packet.payloadType === this.#agreement.telephoneEventType;
    if (!isAudio && !isDigit) return;
    this.#reception.count(packet, this.#clock.monotonicMs(), isAudio);
    if (isDigit) this.#digitReceiver.receive(packet.payload, packet.timestamp);
    else this.#hear(g711[this.#agreement.law].decode(packet.payload));
  }

  #hear(pcm: Int16Array): void {
    if (this.#carry.length === 0 && pcm.length === frameSamples) return this.#deliver(pcm);
    const all = new Int16Array(this.#carry.length + pcm.length);
    all.set(this.#carry);
    all.set(pcm, this.#carry.length);
    let start = 0;
    for (; start + frameSamples <= all.length; start += frameSamples) {
      this.#deliver(all.subarray(start, start + frameSamples));
    }
    this.#carry = all.slice(start);
  }

  #deliver(pcm: Int16Array): void {
    for (const listener of this.#frameListeners) listener(pcm);
  }
}
