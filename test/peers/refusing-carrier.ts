import { createSocket } from "node:dgram";
import { once } from "node:events";

export interface RefusingCarrier {
  readonly host: string;
  readonly port: number;
  /** How many calls it had: an INVITE that is repeated is one. */
  invites(): number;
  close(): void;
}

/** A carrier over UDP that answers each INVITE, and each OPTIONS, with a final status and nothing else. */
export async function startRefusingCarrier(
  answers: { invite?: () => number; options?: () => number } = {},
): Promise<RefusingCarrier> {
  const { invite = () => 503, options = () => 200 } = answers;
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const callIds = new Set<string>();
  socket.on("message", (bytes: Buffer, from) => {
    const text = bytes.toString();
    const isInvite = text.startsWith("INVITE");
    if (!isInvite && !text.startsWith("OPTIONS")) return;
    if (isInvite) callIds.add(/^(?:Call-ID|i): *(.*)$/im.exec(text)?.[1] ?? "");
    const kept = text.split("\r\n").filter((line) => /^(Via|From|To|Call-ID|CSeq|[vfti]):/i.test(line));
    const head = kept.join("\r\n").replace(/^((?:To|t):[^\r]*)/im, "$1;tag=1");
    const status = isInvite ? invite() : options();
    const answer = `SIP/2.0 ${status} Told\r\n${head}\r\nContent-Length: 0\r\n\r\n`;
    socket.send(answer, from.port, from.address);
  });
  return {
    host: "127.0.0.1",
    port: socket.address().port,
    invites: () => callIds.size,
    close: () => void socket.close(),
  };
}
