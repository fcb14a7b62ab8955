import { createSocket } from "node:dgram";
import { connect } from "node:net";
import type { Clock } from "../../clock.ts";
import type { SipAddress } from "./admission.ts";
import type { DrachtioAddress } from "./drachtio.ts";

interface Waiting {
  clock: Clock;
  waitMs: number;
}

/** Logs in at drachtio-server and out again; its version. Rejects with an Error that says why not. */
export async function askDrachtio(
  { host, port, secret }: DrachtioAddress,
  { clock, waitMs }: Waiting,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ host, port });
  const timer = clock.after(waitMs, () => reject(new Error(`no answer within ${waitMs} ms`)));
  let text = "";
  socket.on("error", reject);
  socket.on("close", () => reject(new Error("it hung up")));
  socket.on("connect", () => {
    const message = `doctor|authenticate|${secret}|`;
    socket.write(`${Buffer.byteLength(message)}#${message}`);
  });
  socket.on("data", (bytes) => {
    text += bytes.toString();
    const [, verdict, , version] = /\|response\|doctor\|(\w+)\|([^|]*)(?:\|([^|]*))?/.exec(text) ?? [];
    if (verdict === "OK" && version !== undefined) resolve(version);
    else if (verdict === "NO") reject(new Error("it refuses the secret"));
  });
  try {
    return await promise;
  } finally {
    timer.cancel();
    socket.destroy();
  }
}

/** The status with which an OPTIONS is answered; null: with none. */
export async function askSip(to: SipAddress, { clock, waitMs }: Waiting): Promise<number | null> {
  const { promise, resolve } = Promise.withResolvers<number | null>();
  const socket = createSocket("udp4");
  const timer = clock.after(waitMs, () => resolve(null));
  socket.on("error", () => resolve(null));
  socket.on("message", (bytes) => {
    const [, status] = /^SIP\/2\.0 (\d{3}) /.exec(bytes.toString()) ?? [];
    if (status !== undefined && Number(status) >= 200) resolve(Number(status));
  });
  // Connected, so that we know by which of our addresses we are seen.
  socket.connect(to.port, to.host, () => {
    const { address, port } = socket.address();
    socket.send(optionsTo(to, { host: address, port }));
  });
  try {
    return await promise;
  } finally {
    timer.cancel();
    socket.close();
  }
}

const optionsTo = (to: SipAddress, from: SipAddress): string =>
  [
    `OPTIONS sip:${to.host}:${to.port} SIP/2.0`,
    `Via: SIP/2.0/UDP ${from.host}:${from.port};branch=z9hG4bK-doctor-${from.port};rport`,
    ...["Max-Forwards: 70", `From: <sip:doctor@${from.host}>;tag=doctor`, `To: <sip:${to.host}>`],
    ...[`Call-ID: doctor-${from.port}@${from.host}`, "CSeq: 1 OPTIONS", "Content-Length: 0", "", ""],
  ].join("\r\n");
