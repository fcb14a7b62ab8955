import { isIP } from "node:net";

/** Address and port, as `192.0.2.1:5060`. */
export type Endpoint = string;

/** One SIP message, or a piece of a stream of them, as a media server sent or received it. */
export interface Captured {
  /** By its clock, µs since the epoch; 0: it did not say. */
  atUs: number;
  /** WebSockets are tcp here; the message itself says so. */
  protocol: "udp" | "tcp" | "tls";
  source: Endpoint;
  destination: Endpoint;
  payload: Buffer;
}

const headerBytes = 6;
/** Numbers of the HEP3 draft's chunks. */
const chunk = {
  ...{ protocol: 2, source4: 3, destination4: 4, source6: 5, destination6: 6, sourcePort: 7 },
  ...{ destinationPort: 8, seconds: 9, microseconds: 10, kind: 11, payload: 15 },
} as const;
const sip = 1;
/** IANA's, and 22, which Sofia-SIP gives TLS. */
const protocols: Readonly<Record<number, Captured["protocol"]>> = { 6: "tcp", 17: "udp", 22: "tls" };

/**
 * Reads one datagram of HEP3, the Homer Encapsulation Protocol (`HEP3`, its length, then chunks of vendor, type, length and
 * value, big-endian). Null: it is none, or not of SIP, or lacks what we need. Never throws, whatever the bytes.
 */
export function readHep(bytes: Buffer): Captured | null {
  if (bytes.length < headerBytes || bytes.toString("latin1", 0, 4) !== "HEP3") return null;
  if (bytes.readUInt16BE(4) !== bytes.length) return null;
  const chunks = chunksOf(bytes);
  if (chunks === null || number(chunks.get(chunk.kind), 1) !== sip) return null;
  const protocol = protocols[number(chunks.get(chunk.protocol), 1) ?? 0];
  const source = endpoint(chunks, chunk.source4, chunk.source6, chunk.sourcePort);
  const destination = endpoint(chunks, chunk.destination4, chunk.destination6, chunk.destinationPort);
  const payload = chunks.get(chunk.payload);
  if (protocol === undefined || source === null || destination === null || payload === undefined) return null;
  const seconds = number(chunks.get(chunk.seconds), 4) ?? 0;
  const microseconds = number(chunks.get(chunk.microseconds), 4) ?? 0;
  const atUs = microseconds < 1_000_000 ? seconds * 1_000_000 + microseconds : 0;
  return { atUs, protocol, source, destination, payload };
}

/** By type; those of other vendors are passed over. Null: they do not add up, or one stands there twice. */
function chunksOf(bytes: Buffer): Map<number, Buffer> | null {
  const chunks = new Map<number, Buffer>();
  for (let at = headerBytes; at < bytes.length;) {
    if (at + headerBytes > bytes.length) return null;
    const [vendor, type, length] = [0, 2, 4].map((offset) => bytes.readUInt16BE(at + offset)) as [
      number,
      number,
      number,
    ];
    if (length < headerBytes || at + length > bytes.length) return null;
    if (vendor === 0) {
      if (chunks.has(type)) return null;
      chunks.set(type, bytes.subarray(at + headerBytes, at + length));
    }
    at += length;
  }
  return chunks;
}

function number(value: Buffer | undefined, bytes: number): number | null {
  return value?.length === bytes ? value.readUIntBE(0, bytes) : null;
}

function endpoint(
  chunks: ReadonlyMap<number, Buffer>,
  four: number,
  six: number,
  port: number,
): Endpoint | null {
  const at = number(chunks.get(port), 2);
  const [ipv4, ipv6] = [chunks.get(four), chunks.get(six)];
  if (at === null) return null;
  if (ipv4?.length === 4) return `${ipv4.join(".")}:${at}`;
  if (ipv6?.length !== 16) return null;
  const groups = Array.from({ length: 8 }, (_, index) => ipv6.readUInt16BE(index * 2).toString(16)).join(":");
  return isIP(groups) === 6 ? `[${groups}]:${at}` : null;
}
