import { isId, type LegId } from "../ids.ts";

/** How the switch writes the names that it gives: of a channel that we dialled the name is the leg's id. */
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const isChannelUuid = (text: string | undefined): text is string =>
  text !== undefined && uuid.test(text);

/** One of that kind, from 16 bytes of chance (RFC 9562, version 4). */
export function channelName(bytes: Buffer): string {
  const own = Buffer.from(bytes);
  own.writeUInt8((own.readUInt8(6) & 0x0f) | 0x40, 6);
  own.writeUInt8((own.readUInt8(8) & 0x3f) | 0x80, 8);
  return own.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/**
 * Which channel a leg is: one of its own id where we dialled it, and another where it came to us, or was dialled anew over the
 * next trunk.
 */
export class ChannelNames {
  readonly #channels = new Map<LegId, string>();
  readonly #legs = new Map<string, LegId>();
  #listed: ReadonlyMap<LegId, string> = new Map();

  /** From now on the leg is that channel, in both directions. Throws RangeError on what is no channel's uuid. */
  know(leg: LegId, channel: string): void {
    if (!isId("leg", leg) || !isChannelUuid(channel)) throw new RangeError("not a leg and its channel");
    this.forget(leg);
    this.#channels.set(leg, channel);
    this.#legs.set(channel, leg);
  }

  forget(leg: LegId): void {
    const channel = this.#channels.get(leg);
    if (channel !== undefined) this.#legs.delete(channel);
    this.#channels.delete(leg);
  }

  /** What the last listing says of legs that nobody made known, or that were forgotten while their channels live on. */
  list(channels: ReadonlyMap<LegId, string>): void {
    this.#listed = channels;
  }

  /** What the switch calls the leg's channel. */
  channelOf(leg: LegId): string {
    return this.#channels.get(leg) ?? this.#listed.get(leg) ?? leg;
  }

  /** The leg that a channel is; undefined: none of ours, or not known yet. */
  legOf(channel: string | undefined): LegId | undefined {
    if (isId("leg", channel)) return channel;
    return channel === undefined ? undefined : this.#legs.get(channel);
  }
}
