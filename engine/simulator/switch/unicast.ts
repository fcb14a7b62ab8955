import { createSocket } from "node:dgram";
import { frameSamples } from "../media/g711.ts";
import type { Channel } from "./channel.ts";

interface Address {
  host: string;
  port: number;
}

/** 100 ms; the real one writes what comes as it comes. */
const waitingFramesMax = 5;
/** The real one's idea of a frame that did not come. */
const nothingSaid = new Int16Array(frameSamples).fill(-1);

/**
 * `call-command: unicast` of a parked channel: what is said goes out by UDP, 20 ms of L16 a datagram, and what comes
 * in, from anybody, is heard. As on the real switch a port that is taken is told to nobody, and so is a second one in the
 * same stay in the park, which changes nothing.
 */
export function startUnicast(channel: Channel, { local, remote }: { local: Address; remote: Address }): void {
  if (channel.parked === null || channel.cause !== null || channel.unicast !== null) return;
  const socket = createSocket("udp4");
  const toHear: Int16Array[] = [];
  let untap: (() => void) | null = null;
  const unicast = {
    close() {
      channel.unicast = null;
      untap?.();
      socket.close();
    },
  };
  channel.unicast = unicast;
  socket.on("error", () => {
    if (channel.unicast === unicast) unicast.close();
  });
  socket.on("message", (bytes) => {
    if (bytes.length % 2 !== 0) return;
    toHear.push(pcmOf(bytes));
    if (toHear.length > waitingFramesMax) toHear.shift();
  });
  socket.bind(local.port, local.host, () => {
    if (channel.unicast !== unicast) return;
    untap = channel.media.tap((said) => {
      const pcm = said ?? nothingSaid;
      // Nobody may listen there any more: that is not told either.
      socket.send(
        Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength),
        remote.port,
        remote.host,
        () => undefined,
      );
    });
    const next = () => {
      const frame = toHear.shift() ?? null;
      // What came before its end is still heard: the real one had written it by then.
      if (frame === null && channel.unicast === null) channel.media.fork(null);
      return frame;
    };
    channel.media.fork(next);
  });
}

/** A park ends, and what it sent with it. */
export const endUnicast = (channel: Channel): void => channel.unicast?.close();

/** Little-endian, as the machine has it. */
const pcmOf = (bytes: Buffer): Int16Array =>
  Int16Array.from({ length: bytes.length / 2 }, (_, index) => bytes.readInt16LE(index * 2));
