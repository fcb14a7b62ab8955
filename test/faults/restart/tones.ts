import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { wav } from "../../media/wav.ts";

/** A customer's web server with tones for prompts. */
export async function toneServer() {
  const fetched = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    fetched.set(path, (fetched.get(path) ?? 0) + 1);
    const [, hz, seconds, name = ""] = /^\/(\d+)-(\d+)s?\/?(.*)$/.exec(path) ?? [];
    if (name.startsWith("second-try") && fetched.get(path) === 1) return;
    response.setHeader("Content-Type", "audio/wav");
    response.end(wav({ hz: Number(hz), seconds: Number(seconds) }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: (hz: number, seconds: number, name = "") => `${base}/${hz}-${seconds}s/${name}`,
    /** How often an address was asked for. */
    fetched: (url: string): number => fetched.get(url.slice(base.length)) ?? 0,
    async close(): Promise<void> {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export type ToneServer = Awaited<ReturnType<typeof toneServer>>;
