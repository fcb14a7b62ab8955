import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { Devices } from "./switch-under-test.ts";

/** Of a message that is lost its first line is asked for. */
const lostBytesMax = 100;

interface Address {
  host: string;
  port: number;
}

/** Where a device behind one of these is, and what it says of itself to the outside, where nobody is. */
const inside = "127.0.0.41";
const unreachable = ["127.0.0.42", "127.0.0.43"] as const;
/** In a Contact, a Via and a description; not in a Call-ID, by which both sides know a call. */
const saysInside = /127\.0\.0\.41(?=:\d)|(?<=IP4 )127\.0\.0\.41/g;
const loopback = "127.0.0.1";

/** One socket of the device's, and one of the switch's that it talks with. */
interface Way {
  /** To the device this is the switch. */
  inner: Socket;
  /** To the switch this is the device. */
  outer: Socket;
  at: Address;
  device: Address | undefined;
  take: (text: Buffer, inward: boolean) => Promise<Buffer>;
}

/**
 * The NAT that a device is behind: its SIP and its RTP come out at ports of their own, the only ones by which the switch
 * reaches it, and `rebind` changes them all without anybody being told. A device is opened with it in place of the
 * switch's address.
 */
export class Nat {
  readonly #ways: Way[] = [];
  /** What the switch still sent to where the device is no more. */
  readonly #lost: string[] = [];
  /** When it last let something out, ms since the epoch. */
  lastOutAtMs = 0;
  readonly #old: Socket[] = [];
  readonly #realm: string;
  #says: string = unreachable[0];
  #sip!: Way;

  static async open(to: Devices): Promise<Nat> {
    const nat = new Nat(to);
    nat.#sip = await nat.#open(to, (bytes, inward) => nat.#takeSip(bytes, inward));
    return nat;
  }

  private constructor(to: Devices) {
    this.#realm = to.realm;
  }

  /** What the device takes for the switch. */
  get devices(): Devices {
    return { host: loopback, port: this.#sip.inner.address().port, realm: this.#realm };
  }

  /** Where the switch sees the device. */
  get port(): number {
    return this.#sip.outer.address().port;
  }

  /** The host that a device behind it is to have. */
  readonly inside = inside;

  async rebind(): Promise<void> {
    for (const way of this.#ways) {
      this.#drop(way.outer);
      way.outer = await this.#outer(way);
    }
  }

  /** The device is in another network, behind another NAT, and has another address there. */
  async move(): Promise<void> {
    await this.rebind();
    this.#says = unreachable[1];
  }

  /** The device is gone: neither does anything come from it, nor does it hear anything. */
  cut(): void {
    for (const { inner, outer } of this.#ways) {
      inner.removeAllListeners("message");
      this.#drop(outer);
    }
  }

  /** The requests of that method that the switch sent in vain. */
  requestsLost(method: string): string[] {
    return this.#lost.filter((text) => text.startsWith(`${method} `));
  }

  close(): void {
    const open = this.#ways.flatMap(({ inner, outer }) => [inner, outer]);
    for (const socket of new Set([...open, ...this.#old])) socket.close();
  }

  #drop(outer: Socket): void {
    outer
      .removeAllListeners("message")
      .on("message", (bytes) => this.#lost.push(bytes.subarray(0, lostBytesMax).toString("latin1")));
    this.#old.push(outer);
  }

  async #open(at: Address, take: Way["take"]): Promise<Way> {
    const way = { inner: await bound(), at, device: undefined, take } as Omit<Way, "outer"> as Way;
    way.outer = await this.#outer(way);
    way.inner.on("message", (bytes, { address: host, port }) => {
      way.device = { host, port };
      void way.take(bytes, false).then((out) => {
        this.lastOutAtMs = Date.now();
        way.outer.send(out, way.at.port, way.at.host);
      });
    });
    this.#ways.push(way);
    return way;
  }

  async #outer(way: Way): Promise<Socket> {
    const socket = await bound();
    socket.on("message", (bytes) => {
      void way.take(bytes, true).then((out) => {
        if (way.device) way.inner.send(out, way.device.port, way.device.host);
      });
    });
    return socket;
  }

  /** As a NAT does not, it opens the way to the switch's RTP: the device is to be told of no address but this one's. */
  async #takeSip(bytes: Buffer, inward: boolean): Promise<Buffer> {
    const { at: real, inner } = this.#sip;
    const [theirs, ours] = [`${real.host}:${real.port}`, `${loopback}:${inner.address().port}`];
    const wire = bytes.toString("latin1");
    if (!inward) return Buffer.from(wire.replace(saysInside, this.#says).replaceAll(ours, theirs), "latin1");
    const text = wire.replaceAll(theirs, ours);
    const [, host, port] = /^c=IN IP4 ([0-9.]+)\r$[^]*?^m=audio (\d+) /m.exec(text) ?? [];
    if (host === undefined || port === undefined) return Buffer.from(text, "latin1");
    const at = { host, port: Number(port) };
    const known = this.#ways.find((way) => way.at.host === at.host && way.at.port === at.port);
    const way = known ?? (await this.#open(at, (rtp) => Promise.resolve(rtp)));
    const [head = "", body = ""] = text.split("\r\n\r\n");
    const told = body.replace(`m=audio ${port} `, `m=audio ${way.inner.address().port} `);
    const length = head.replace(/^(Content-Length: *)\d+/im, `$1${told.length}`);
    return Buffer.from(`${length}\r\n\r\n${told}`, "latin1");
  }
}

async function bound(): Promise<Socket> {
  const socket = createSocket("udp4").bind(0, loopback);
  await once(socket, "listening");
  // Whoever is gone at the other end is not this one's concern.
  socket.on("error", () => undefined);
  return socket;
}
