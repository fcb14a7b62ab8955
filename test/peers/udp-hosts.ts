import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createInterface } from "node:readline";

/**
 * As a process, within a network namespace: hosts that each have the UDP port 5060 of an address in its arguments. A line
 * `{"from", "to", "text"}` sends a datagram; one `{"at", "text"}` is said for each that arrives.
 */
const port = 5060;
const sockets = new Map(process.argv.slice(2).map((host) => [host, createSocket("udp4")] as const));
for (const [host, socket] of sockets) {
  socket.on("message", (bytes) => {
    process.stdout.write(`${JSON.stringify({ at: host, text: bytes.toString() })}\n`);
  });
  // Told by the kernel of what a firewall forbids.
  socket.on("error", () => undefined);
  socket.bind(port, host);
  await once(socket, "listening");
}
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const { from, to, text } = JSON.parse(line) as { from: string; to: string; text: string };
  sockets.get(from)?.send(text, port, to);
});
lines.on("close", () => process.exit(0));
