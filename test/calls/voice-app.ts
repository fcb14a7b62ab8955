import { VoiceServer, type AskedQuestion } from "../peers/voice-server.ts";

const asApp = ({ body, atMs }: AskedQuestion) => ({ kind: body.kind, body, data: body.data ?? {}, atMs });

/** A {@link VoiceServer} of which each path and kind is told what to answer. */
export async function startVoiceApp() {
  const server = await VoiceServer.open();
  return {
    url: (path: string) => server.url(path),
    /** What a question of that kind is answered with at that path. */
    answer: (path: string, kind: string, document: object) => server.answer(`${path} ${kind}`, document),
    /** Every question and event of one call that came. */
    of: (callId: string) => server.ofCall(callId).map(asApp),
    question: async (callId: string, kind: string, withinMs?: number) =>
      asApp(await server.question(callId, kind, withinMs)),
    stop: () => void server.close(),
  };
}

export type VoiceApp = Awaited<ReturnType<typeof startVoiceApp>>;
