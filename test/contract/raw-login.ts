import { createHash, randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { Devices } from "../peers/switch-under-test.ts";

/**
 * Logs in with a password that is wrong, and tells the answers byte for byte, the challenge and what came then, but for what
 * differs from one request to the next: tags, nonces, names, ports and the branch are an `x` for each of their characters.
 */
export async function rawLogin(devices: Devices, method: string, username: string): Promise<string[]> {
  const { host, port, realm } = devices;
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const ours = socket.address().port;
  const [callId, tag] = [hex(16), hex(8)];
  const uri = method === "REGISTER" ? `sip:${realm}` : `sip:+254711000009@${realm}`;
  const to = method === "REGISTER" ? `sip:${username}@${realm}` : uri;
  const answers: string[] = [];
  /** The first final answer to that. */
  const ask = async (seq: number, authorization: string): Promise<string> => {
    const branch = `z9hG4bK${hex(16)}`;
    const request = (verb: string, more = "") =>
      `${verb} ${uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${ours};branch=${branch}\r\nMax-Forwards: 70\r\n` +
      `From: <sip:${username}@${realm}>;tag=${tag}\r\nTo: <${to}>${more}\r\nCall-ID: ${callId}\r\n` +
      `CSeq: ${seq} ${verb}\r\nContact: <sip:${username}@127.0.0.1:${ours}>\r\n` +
      `${verb === "ACK" ? "" : authorization}Content-Length: 0\r\n\r\n`;
    socket.send(request(method), port, host);
    for (;;) {
      const [bytes] = (await once(socket, "message", { signal: AbortSignal.timeout(5000) })) as [Buffer];
      const answer = bytes.toString("latin1");
      if (!answer.includes(`CSeq: ${seq} ${method}`) || /^SIP\/2\.0 1/.test(answer)) continue;
      if (method === "INVITE") {
        const [, toTag = ""] = /^To:[^\r]*(;tag=[^\r;]*)/m.exec(answer) ?? [];
        socket.send(request("ACK", toTag), port, host);
      }
      answers.push(masked(answer, [username, callId, tag, branch, String(ours)]));
      return answer;
    }
  };
  try {
    const challenge = await ask(1, "");
    const [, nonce = ""] = /nonce="([^"]+)"/.exec(challenge) ?? [];
    const [ha1, ha2] = [md5(`${username}:${realm}:wrong`), md5(`${method}:${uri}`)];
    const cnonce = hex(8);
    const response = md5(`${ha1}:${nonce}:00000001:${cnonce}:auth:${ha2}`);
    await ask(
      2,
      `${method === "REGISTER" ? "Authorization" : "Proxy-Authorization"}: Digest username="${username}", ` +
        `realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=MD5, qop=auth, ` +
        `nc=00000001, cnonce="${cnonce}"\r\n`,
    );
    return answers;
  } finally {
    socket.close();
  }
}

const hex = (length: number): string => randomBytes(length / 2).toString("hex");
const md5 = (text: string): string => createHash("md5").update(text).digest("hex");

function masked(answer: string, own: readonly string[]): string {
  let text = answer;
  for (const value of own) text = text.replaceAll(value, "x".repeat(value.length));
  return text.replace(
    /(;tag=|nonce=")([^;"\r]+)/g,
    (_, name: string, value: string) => name + "x".repeat(value.length),
  );
}
