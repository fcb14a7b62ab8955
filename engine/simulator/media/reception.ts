import { sampleRateHz } from "./g711.ts";
import type { RtpPacket } from "./rtp-packet.ts";

/** Loss and jitter of one incoming stream: RFC 3550 §6.4.1 and appendix A.3 and A.8. */
export class Reception {
  packetsReceived = 0;
  /** Of the streams before this one, when the sender began another (a new SSRC). */
  #lostBefore = 0;
  #ssrc: number | undefined;
  #first = 0;
  /** Highest sequence number, extended by its wraps. */
  #highest = 0;
  #receivedOfStream = 0;
  #transit: number | undefined;
  /** In timestamp units, 1/8000 s. */
  #jitter = 0;

  get packetsLost(): number {
    return this.#lostBefore + this.#lostOfStream;
  }

  get jitterMs(): number {
    return (this.#jitter * 1000) / sampleRateHz;
  }

  /** `timed` is false for packets whose timestamp is not that of their sending (RFC 4733 §2.2.1). */
  count(packet: RtpPacket, arrivedMs: number, timed: boolean): void {
    this.packetsReceived += 1;
    if (packet.ssrc !== this.#ssrc) this.#restart(packet);
    this.#receivedOfStream += 1;
    const step = ((packet.sequence - this.#highest) << 16) >> 16;
    if (step > 0) this.#highest += step;
    if (timed) this.#measureJitter(packet.timestamp, arrivedMs);
  }

  get #lostOfStream(): number {
    if (this.#ssrc === undefined) return 0;
    return Math.max(0, this.#highest - this.#first + 1 - this.#receivedOfStream);
  }

  #restart(packet: RtpPacket): void {
    this.#lostBefore += this.#lostOfStream;
    this.#ssrc = packet.ssrc;
    this.#first = packet.sequence;
    this.#highest = packet.sequence;
    this.#receivedOfStream = 0;
    this.#transit = undefined;
  }

  #measureJitter(timestamp: number, arrivedMs: number): void {
    const transit = (Math.round((arrivedMs * sampleRateHz) / 1000) - timestamp) | 0;
    if (this.#transit !== undefined) {
      const difference = Math.abs((transit - this.#transit) | 0);
      this.#jitter += (difference - this.#jitter) / 16;
    }
    this.#transit = transit;
  }
}
