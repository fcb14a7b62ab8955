import { createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";

export interface RefusingCarrier {
  readonly host: string;
  readonly port: number;
  /** How many calls it had: an INVITE that is repeated is one. */
  invites(): number;
  /** What they named, in their order. */
  uris(): readonly string[];
  /** Whoever registered with the right password: the Contact. */
  registered(): string | null;
  close(): void;
}

/** A carrier over UDP that answers each INVITE, and each OPTIONS, with a final status; with `login` to who logs in alone. */
export async function startRefusingCarrier(
  answers: {
    invite?: () => number;
    options?: () => number;
    login?: { username: string; password: string };
    /** It says 180 before it refuses. */
    rings?: boolean;
    /** So long after the INVITE, or the 180. */
    afterMs?: () => number;
  } = {},
): Promise<RefusingCarrier> {
  const {
    invite = () => 503,
    options = () => 200,
    login,
    rings = false,
    afterMs = () => (rings ? 300 : 0),
  } = answers;
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const callIds = new Set<string>();
  const uris: string[] = [];
  let registered: string | null = null;
  socket.on("message", (bytes: Buffer, from) => {
    const text = bytes.toString();
    const [method = ""] = text.split(" ", 1);
    if (!["INVITE", "OPTIONS", "REGISTER"].includes(method)) return;
    const header = (name: string) => new RegExp(`^(?:${name}): *(.*)$`, "im").exec(text)?.[1] ?? "";
    const answer = (status: number, more: string[] = []) => {
      const kept = text.split("\r\n").filter((line) => /^(Via|From|To|Call-ID|CSeq|[vfti]):/i.test(line));
      const head = kept.join("\r\n").replace(/^((?:To|t):[^\r]*)/im, "$1;tag=1");
      const lines = [`SIP/2.0 ${status} Told`, head, ...more, "Content-Length: 0"];
      socket.send(`${lines.join("\r\n")}\r\n\r\n`, from.port, from.address);
    };
    if (method === "OPTIONS") return answer(options());
    if (login) {
      const [status, asks, proof] =
        method === "REGISTER"
          ? [401, "WWW-Authenticate", header("Authorization")]
          : [407, "Proxy-Authenticate", header("Proxy-Authorization")];
      if (proof === "")
        return answer(status, [
          `${asks}: Digest realm="carrier", nonce="${nonce}", algorithm=MD5, qop="auth"`,
        ]);
      if (!isRight(proof, method, login)) return answer(403);
    }
    if (method === "REGISTER") {
      registered = header("Contact|m");
      return answer(200, [`Contact: ${registered};expires=600`]);
    }
    const callId = header("Call-ID|i");
    if (!callIds.has(callId)) uris.push(text.split(" ", 2)[1] ?? "");
    callIds.add(callId);
    const delayMs = afterMs();
    if (delayMs === 0) return answer(invite());
    answer(rings ? 180 : 100);
    setTimeout(() => answer(invite()), delayMs);
  });
  return {
    host: "127.0.0.1",
    port: socket.address().port,
    invites: () => callIds.size,
    uris: () => uris,
    registered: () => registered,
    close: () => void socket.close(),
  };
}

const nonce = "5ccc069c403ebaf9f0171e9517f40e41";
const md5 = (text: string) => createHash("md5").update(text).digest("hex");

/** RFC 2617, with `qop` as all but the oldest have it. */
function isRight(proof: string, method: string, login: { username: string; password: string }): boolean {
  const field = (name: string) => new RegExp(`\\b${name}="?([^",]+)`).exec(proof)?.[1] ?? "";
  const ha1 = md5(`${login.username}:carrier:${login.password}`);
  const ha2 = md5(`${method}:${field("uri")}`);
  const parts = [ha1, nonce, field("nc"), field("cnonce"), field("qop"), ha2];
  return field("response") === md5(parts.join(":"));
}
