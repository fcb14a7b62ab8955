import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";

/** A port that was free a moment ago, on both TCP and UDP. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const socket = await bindUdp(port);
  socket?.close();
  server.close();
  return socket ? port : freePort();
}

const rtpPortsFirst = 16_384;
const rtpPortsEnd = 32_768;
/** Two for a leg. */
const portsOfASwitch = 512;

/**
 * A range of ports for one switch's media, which it binds one by one as its calls come. It lies below the ports that the system
 * gives out by itself, lest a socket of somebody else be there by then: FreeSWITCH fails that call.
 */
export async function claimRtpPorts(): Promise<{ first: number; last: number; release(): void }> {
  const ranges = (rtpPortsEnd - rtpPortsFirst) / portsOfASwitch;
  const start = Math.floor(Math.random() * ranges);
  for (let tried = 0; tried < ranges; tried++) {
    const first = rtpPortsFirst + ((start + tried) % ranges) * portsOfASwitch;
    // Holding the one after its last port keeps another test's switch out.
    const last = first + portsOfASwitch - 2;
    const socket = await bindUdp(last + 1);
    if (socket) return { first, last, release: () => socket.close() };
  }
  throw new Error("every range of RTP ports is taken");
}

/** Null: somebody has it. */
async function bindUdp(port: number): Promise<Socket | null> {
  const socket = createSocket("udp4");
  return new Promise((resolve) => {
    socket.once("error", () => resolve(null));
    socket.bind(port, "127.0.0.1", () => resolve(socket));
  });
}
