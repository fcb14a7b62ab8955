export interface RtpAddress {
  readonly host: string;
  readonly port: number;
}

/** So many packets after a description it may be found to be elsewhere. */
const windowPackets = 20;
/** So many of them from another address than the one described are believed. */
const elsewherePackets = 10;

/**
 * Where a stream's other side is: where it was described to be, or, for a peer behind a NAT, where its first packets came
 * from; FreeSWITCH's `AUTOADJ`. From then on nobody else is heard, until another description comes: whoever only has to
 * send in order to be sent a call's sound could take any.
 */
export class RemoteAddress {
  #at: RtpAddress;
  #open = true;
  #packets = 0;
  #elsewhere = 0;

  constructor(described: RtpAddress) {
    this.#at = described;
  }

  /** Where packets are sent to. */
  get at(): RtpAddress {
    return this.#at;
  }

  /** Whether a packet that came from there is the peer's. */
  hears({ host, port }: RtpAddress): boolean {
    const isThere = host === this.#at.host && port === this.#at.port;
    if (!this.#open) return isThere;
    this.#packets += 1;
    if (!isThere) this.#elsewhere += 1;
    if (this.#elsewhere === elsewherePackets) this.#at = { host, port };
    this.#open = !isThere && this.#elsewhere < elsewherePackets && this.#packets < windowPackets;
    return true;
  }
}
