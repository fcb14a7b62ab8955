import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Document } from "../../engine/actions/document.ts";
import { eventually } from "../peers/waiting.ts";

/** A document, any other text, or a status that is no answer. */
type Answer = Document | string | number;

export interface Question {
  path: string;
  kind: string;
  event_id: string;
  data: Record<string, unknown>;
  CallId: string;
  From: string;
  To: string;
  Digits?: string;
}

/** A customer's voice URL: answers each kind of question as it was told to, and `OK` to everything else. */
export async function voiceServer() {
  const questions: Question[] = [];
  const answers = new Map<string, Answer>();
  const holds = new Map<string, Promise<void>>();
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      const question = JSON.parse(Buffer.concat(chunks).toString()) as Question;
      const path = request.url ?? "";
      questions.push({ ...question, path });
      await holds.get(question.kind);
      const answer = answers.get(`${path} ${question.kind}`) ?? answers.get(question.kind) ?? "OK";
      if (typeof answer === "number") return response.writeHead(answer).end();
      return response.end(typeof answer === "string" ? answer : JSON.stringify({ actions: answer }));
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `${base}/voice`,
    fallbackUrl: `${base}/fallback`,
    questions,
    /** By kind, for every path or (`/fallback call.started`) for one. */
    answer(kind: string, answer: Answer): void {
      answers.set(kind, answer);
    },
    /** No question of that kind is answered before. */
    hold(kind: string, until: Promise<void>): void {
      holds.set(kind, until);
    },
    asked: (kind: string, from: string) =>
      eventually(`the question ${kind} of the call from ${from}`, () =>
        questions.find((question) => question.kind === kind && question.From === from),
      ),
    async close(): Promise<void> {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
