import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Devices } from "./switch-under-test.ts";

export interface Flood {
  seconds: number;
  perSecond: number;
  /** The name that a tenth of the logins are tried with; the others have names that nobody has. */
  username: string;
}

export interface FloodTold {
  sent: number;
  answered: number;
  /** Of the answers, by status. */
  statuses: Record<string, number>;
}

/** Addresses of loopback that it comes from: 127.0.0.101 and on. */
export const floodAddresses = 20;

/** What scanners send, from many addresses at once, by a process of its own; resolves when it is over. */
export async function sipFlood(devices: Devices, flood: Flood): Promise<FloodTold> {
  const child = spawn(process.execPath, [import.meta.filename, JSON.stringify({ ...devices, ...flood })], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  await once(child, "close");
  return JSON.parse(said) as FloodTold;
}

interface Scanner {
  socket: Socket;
  address: string;
  nonce: string;
}

const md5 = (text: string): string => createHash("md5").update(text).digest("hex");
let sequence = 0;

async function run({ host, port, realm, seconds, perSecond, username }: Devices & Flood): Promise<FloodTold> {
  const told: FloodTold = { sent: 0, answered: 0, statuses: {} };
  const scanners = await Promise.all(
    Array.from({ length: floodAddresses }, async (_, index): Promise<Scanner> => {
      const address = `127.0.0.${101 + index}`;
      const socket = createSocket("udp4");
      socket.bind(0, address);
      await once(socket, "listening");
      const scanner = { socket, address, nonce: "" };
      socket.on("message", (bytes) => {
        const text = bytes.toString("latin1");
        const status = text.slice(8, 11);
        told.answered++;
        told.statuses[status] = (told.statuses[status] ?? 0) + 1;
        scanner.nonce = /nonce="([^"]+)"/.exec(text)?.[1] ?? scanner.nonce;
      });
      return scanner;
    }),
  );
  const startMs = performance.now();
  while (performance.now() < startMs + seconds * 1000) {
    const due = Math.floor(((performance.now() - startMs) / 1000) * perSecond);
    for (; told.sent < due; told.sent++) {
      const scanner = scanners[told.sent % scanners.length]!;
      const name = told.sent % 10 === 0 ? username : `scan${told.sent}`;
      scanner.socket.send(
        requestOf(scanner, { realm, name, turn: Math.floor(told.sent / scanners.length) }),
        port,
        host,
      );
    }
    await sleep(5);
  }
  await sleep(200);
  for (const { socket } of scanners) socket.close();
  return told;
}

/** In turn: OPTIONS, an INVITE and a REGISTER without a login, and one with a login that is wrong. */
function requestOf(
  { socket, address, nonce }: Scanner,
  { realm, name, turn }: { realm: string; name: string; turn: number },
): string {
  const method = (["OPTIONS", "INVITE", "REGISTER", "REGISTER"] as const)[turn % 4]!;
  const uri = method === "INVITE" ? `sip:+881600000000@${realm}` : `sip:${realm}`;
  const id = `${sequence++}x${socket.address().port}`;
  const login =
    turn % 4 === 3
      ? `Authorization: Digest username="${name}", realm="${realm}", nonce="${nonce}", uri="${uri}", ` +
        `response="${md5(id)}", algorithm=MD5\r\n`
      : "";
  return (
    `${method} ${uri} SIP/2.0\r\nVia: SIP/2.0/UDP ${address}:${socket.address().port};branch=z9hG4bK${id}\r\n` +
    `Max-Forwards: 70\r\nFrom: <sip:${name}@${realm}>;tag=${id}\r\nTo: <sip:${name}@${realm}>\r\nCall-ID: ${id}\r\n` +
    `CSeq: 1 ${method}\r\nContact: <sip:${name}@${address}:${socket.address().port}>\r\nUser-Agent: friendly-scanner\r\n` +
    `${login}Content-Length: 0\r\n\r\n`
  );
}

if (process.argv[1] === import.meta.filename)
  process.stdout.write(JSON.stringify(await run(JSON.parse(process.argv[2] ?? "") as Devices & Flood)));
