import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { eventually } from "../peers/waiting.ts";

export interface AppQuestion {
  kind: string;
  /** As it came: `CallId`, `From`, `To`, `Digits` at its top. */
  body: Record<string, unknown>;
  data: Record<string, unknown>;
  atMs: number;
}

/** Wanjiru's voice application: keeps what it is asked, and answers each kind with what it was told to; else `OK`. */
export async function startVoiceApp() {
  const asked: AppQuestion[] = [];
  const answers = new Map<string, unknown>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as Record<string, unknown>;
      const kind = String(body["kind"]);
      const data = body["data"] as Record<string, unknown>;
      asked.push({ kind, body, data, atMs: Date.now() });
      const answer = answers.get(`${request.url ?? ""} ${kind}`);
      response.end(answer === undefined ? "OK" : JSON.stringify(answer));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: (path: string) => `http://127.0.0.1:${port}${path}`,
    /** What a question of that kind is answered with at that path. */
    answer: (path: string, kind: string, document: unknown) => answers.set(`${path} ${kind}`, document),
    /** Every question and event of one call that came. */
    of: (callId: string) => asked.filter(({ data }) => data["call_id"] === callId),
    question: (callId: string, kind: string, withinMs = 15_000) =>
      eventually(
        `${kind} of ${callId}`,
        () => asked.find((one) => one.kind === kind && one.data["call_id"] === callId),
        { withinMs, everyMs: 10 },
      ),
    stop(): void {
      server.closeAllConnections();
      server.close();
    },
  };
}

export type VoiceApp = Awaited<ReturnType<typeof startVoiceApp>>;
