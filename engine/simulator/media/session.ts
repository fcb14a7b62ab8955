import type { Slot } from "./pacer.ts";
import type { Pace } from "./telephone-event.ts";

/**
 * One RTP stream each way over one UDP socket (RFC 3550; G.711, RFC 3551; telephone-event, RFC 4733). 8 kHz, 20 ms.
 * Audio is 160 samples of 16-bit linear PCM a frame, whatever law is on the wire.
 */
export interface MediaSession {
  readonly localPort: number;
  /** On the wire; null: not agreed yet. */
  readonly law: "PCMU" | "PCMA" | null;
  /** Frames received, in order of arrival; a frame a packet. Silence is not made up: nothing arrives, nothing is called. */
  onFrame(listener: (pcm: Int16Array) => void): void;
  /** A digit, once, at its end (or when its end is lost, after 200 ms). */
  onDigit(listener: (digit: string, durationMs: number) => void): void;
  /** Where the frames to send come from, pulled every 20 ms; null sends nothing in that slot. Null source: silent (no packets). */
  setSource(source: SlotSource | null): void;
  /** Sends digits one after another in place of audio, by default 100 ms each with 60 ms between. */
  sendDigits(digits: string, pace?: Pace): void;
  /** Test aid of the carrier's magic numbers: from now on every n-th packet is not sent. 1: none is sent. */
  dropEvery(n: number): void;
  /** When the last packet came, whoever sent it, or what is to come was last described; monotonic ms. */
  readonly lastPacketMs: number;
  readonly stats: Readonly<{
    packetsReceived: number;
    packetsSent: number;
    packetsLost: number;
    jitterMs: number;
  }>;
  close(): void;
}

/** Called at each 20 ms slot; 160 samples, or null for none. */
export type FrameSource = () => Int16Array | null;
/** One that looks at which slot it is. */
export type SlotSource = (slot: Slot) => Int16Array | null;
