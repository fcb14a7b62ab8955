import { createSocket } from "node:dgram";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * A process for another network: sends OPTIONS, or what else is named, to a host and port, as that user agent. Of one it says the
 * answer's status, or nothing where there is none within a second; of several, which it sends within a second, how many were answered.
 * "SIP/2.0" sends a response, which nobody answers.
 */
const [host = "", port = "", agent = "", count = "1", method = "OPTIONS"] = process.argv.slice(2);
const socket = createSocket("udp4");
const statuses: string[] = [];
socket.on("message", (bytes) => statuses.push(bytes.toString("latin1").slice(8, 11)));
// Nobody listens there yet.
socket.on("error", () => socket.close(() => process.stdout.write("none")));
socket.connect(Number(port), host, () => void probe());

async function probe(): Promise<void> {
  const { address, port: ours } = socket.address();
  const first = method === "SIP/2.0" ? "SIP/2.0 200 OK" : `${method} sip:${host} SIP/2.0`;
  const inCSeq = method === "SIP/2.0" ? "OPTIONS" : method;
  for (let sent = 0; sent < Number(count); sent++) {
    socket.send(
      `${first}\r\nVia: SIP/2.0/UDP ${address}:${ours};branch=z9hG4bK${sent}x${ours}\r\n` +
        `Max-Forwards: 70\r\nFrom: <sip:probe@${address}>;tag=${sent}\r\nTo: <sip:${host}>\r\nCall-ID: ${sent}@${ours}\r\n` +
        `CSeq: 1 ${inCSeq}\r\nUser-Agent: ${agent}\r\nContent-Length: 0\r\n\r\n`,
    );
    if (sent % 10 === 9) await sleep(10);
  }
  const untilMs = Date.now() + 1_000;
  while (Date.now() < untilMs && statuses.length < Number(count)) await sleep(10);
  process.stdout.write(count === "1" ? (statuses[0] ?? "none") : String(statuses.length));
  socket.close();
}
