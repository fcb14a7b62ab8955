import { once } from "node:events";
import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What stands between us and the storage, and spoils it: what it passes on goes through as it is, signature and all. */
export interface StorageProxy {
  endpoint: string;
  requests: string[];
  /** May change the storage's answer, or give one itself (true). */
  meddle: (asked: IncomingMessage, answer: IncomingMessage, reply: ServerResponse) => boolean;
  /** Answers, or not, without passing the request on (true). */
  refuse: (asked: IncomingMessage, reply: ServerResponse) => boolean;
  /** Its port refuses connections, and those that were open are reset. */
  down(): Promise<void>;
  /** On the same port again. */
  up(): Promise<void>;
  close(): Promise<void>;
}

export async function openStorageProxy(storage: { port: number }): Promise<StorageProxy> {
  const server = createServer((asked, reply) => {
    proxy.requests.push(`${asked.method} ${asked.url}`);
    if (proxy.refuse(asked, reply)) return;
    const { method, url: path, headers } = asked;
    const onward = request({ host: "127.0.0.1", port: storage.port, method, path, headers }, (answer) => {
      if (proxy.meddle(asked, answer, reply)) return void answer.resume();
      reply.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(reply);
    });
    onward.on("error", () => reply.destroy());
    asked.pipe(onward);
  });
  const listen = async (port: number) => {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const proxy: StorageProxy = {
    endpoint: `http://127.0.0.1:${port}`,
    requests: [],
    meddle: () => false,
    refuse: () => false,
    async down() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
    up: () => listen(port),
    close: () => (server.listening ? proxy.down() : Promise.resolve()),
  };
  return proxy;
}
