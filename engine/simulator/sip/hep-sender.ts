import { createSocket } from "node:dgram";
import type { Clock } from "../../clock.ts";
import type { Address } from "./message.ts";

/** Tells a collector of each SIP message that went from one address to another. */
export interface HepSender {
  send(message: Buffer, from: Address, to: Address): void;
  close(): void;
}

/** As Sofia-SIP writes HEP3: these chunks, in this order, of SIP over UDP and IPv4. */
export function createHepSender(collector: Address, clock: Clock): HepSender {
  const socket = createSocket("udp4");
  // Whether anybody listens is nobody's concern.
  socket.on("error", () => undefined);
  socket.unref();
  return {
    send(message, from, to) {
      const nowUs = clock.nowUs();
      const chunks = Buffer.concat([
        chunk(1, byte(2)),
        chunk(2, byte(17)),
        chunk(7, short(from.port)),
        chunk(8, short(to.port)),
        chunk(9, long(Math.floor(nowUs / 1_000_000))),
        chunk(10, long(nowUs % 1_000_000)),
        chunk(11, byte(1)),
        chunk(12, long(200)),
        chunk(3, address(from)),
        chunk(4, address(to)),
        chunk(15, message),
      ]);
      const head = Buffer.concat([Buffer.from("HEP3"), short(chunks.length + 6)]);
      socket.send(Buffer.concat([head, chunks]), collector.port, collector.host);
    },
    close: () => void socket.close(),
  };
}

const chunk = (type: number, value: Buffer): Buffer =>
  Buffer.concat([short(0), short(type), short(6 + value.length), value]);

const byte = (value: number): Buffer => Buffer.from([value]);
const address = ({ host }: Address): Buffer => Buffer.from(host.split(".").map(Number));

function short(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function long(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
