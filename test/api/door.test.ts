import { strict as assert } from "node:assert";
import { once } from "node:events";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { nairobi, otienosPhone, world, type World } from "./world.ts";

describe("the API's door", function () {
  this.timeout(60_000);
  let api: World;
  let wanjiru: Awaited<ReturnType<World["workspace"]>>;
  before(async () => {
    api = await world();
    wanjiru = await api.workspace();
  });
  after(() => api.end());

  const open = async (): Promise<{ socket: Socket; said: () => string }> => {
    const socket = connect(Number(new URL(api.url).port), "127.0.0.1");
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
    socket.on("error", () => undefined);
    await once(socket, "connect");
    return { socket, said: () => text };
  };
  const calls = async () =>
    ((await api.ask("GET", "/v1/calls", { key: wanjiru.key })).body.data as unknown[]).length;

  it("gives whoever is slow with the head of a request ten seconds, and others an answer meanwhile", async () => {
    const slow = await Promise.all(Array.from({ length: 50 }, open));
    const startedMs = performance.now();
    const drips = setInterval(() => {
      for (const { socket } of slow) if (socket.writable) socket.write("X-Slow: 1\r\n");
    }, 500);
    for (const { socket } of slow) socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\n");
    try {
      assert.equal((await api.ask("GET", "/healthz")).status, 200);
      // Who is dripping as it is closed has it reset, perhaps before it has read the answer.
      await Promise.all(
        slow.map(
          ({ socket }) => new Promise((closed) => socket.on("error", () => undefined).once("close", closed)),
        ),
      );
      const seconds = (performance.now() - startedMs) / 1000;
      assert.ok(seconds > 8 && seconds < 14, `${seconds} s`);
      const answers = slow.map(({ said }) => said()).filter((answer) => answer !== "");
      assert.ok(answers.length > 0, "all of them were reset");
      for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 408 /);
    } finally {
      clearInterval(drips);
      for (const { socket } of slow) socket.destroy();
    }
  });

  it("takes no head of more than 16 KiB, and no line break in one", async () => {
    const large = await open();
    large.socket.write(`GET /v1/calls HTTP/1.1\r\nHost: x\r\nX-Large: ${"x".repeat(17_000)}\r\n\r\n`);
    await once(large.socket, "close");
    assert.match(large.said(), /^HTTP\/1\.1 431 /);

    for (const head of [
      // Two lengths, a length beside chunks, a name with a blank, an old line fold: what proxies and servers read differently.
      "Content-Length: 5\r\nContent-Length: 6",
      "Content-Length: 5\r\nTransfer-Encoding: chunked",
      "Transfer-Encoding : chunked",
      "X-Folded: a\r\n b: c\r\nContent-Length: +5",
    ]) {
      const odd = await open();
      odd.socket.end(`POST /v1/calls HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\nGET /v1/wallet HTTP/1.1\r\n\r\n`);
      await once(odd.socket, "close");
      assert.match(odd.said(), /^HTTP\/1\.1 400 /, head);
      assert.equal(
        odd.said().split("HTTP/1.1 ").length,
        2,
        "one answer, and no second request read from the body",
      );
    }
  });

  it("counts a body's bytes as they are unpacked, and unpacks no more of it than it takes", async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    assert.ok(bomb.length < 80_000);
    const before = process.memoryUsage().arrayBuffers;
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        api.ask("POST", "/v1/calls", {
          ...{ key: wanjiru.key, body: bomb },
          headers: { "content-type": "application/json", "content-encoding": "gzip" },
        }),
      ),
    );
    for (const { status, body } of answers)
      assert.deepEqual([status, body.error.code], [413, "validation.body_too_large"]);
    const grownMiB = (process.memoryUsage().arrayBuffers - before) / 1024 / 1024;
    assert.ok(grownMiB < 64, `${grownMiB} MiB`);

    const packed = { "content-type": "application/json", "content-encoding": "gzip" };
    const body = gzipSync(JSON.stringify({ from: nairobi, to: otienosPhone }));
    assert.equal(
      (await api.ask("POST", "/v1/calls", { key: wanjiru.key, body, headers: packed })).status,
      201,
    );
    const had = await calls();
    for (const [encoding, bytes] of [
      ["gzip", Buffer.from("no gzip")],
      ["gzip", body.subarray(0, 20)],
      ["zstd, rot13", body],
    ] as const) {
      const headers = { "content-type": "application/json", "content-encoding": encoding };
      const { status } = await api.ask("POST", "/v1/calls", { key: wanjiru.key, body: bytes, headers });
      assert.ok(status === 400 || status === 415, `${encoding}: ${status}`);
    }
    assert.equal(await calls(), had);
  });

  it("writes links of its own address, whatever Host or X-Forwarded-Host a request names", async () => {
    const { port } = new URL(api.url);
    const headers = {
      host: "evil.example",
      "x-forwarded-host": "evil.example",
      "content-type": "application/json",
    };
    const asked = request({ host: "127.0.0.1", port, method: "POST", path: "/v1/sign-in-links", headers });
    asked.end(JSON.stringify({ email: "wanjiru@example.co.ke" }));
    const [response] = (await once(asked, "response")) as [{ statusCode: number; resume(): void }];
    response.resume();
    assert.equal(response.statusCode, 202);
    const { body } = (await api.mails()).at(-1)!;
    assert.match(body, /https:\/\/sautikit\.example\/sign-in\?token=/);
    assert.doesNotMatch(body, /evil/);
  });

  it("answers no path outside of its own, however it is written", async () => {
    for (const path of [
      "/../package.json",
      "/v1/../../etc/passwd",
      "/%2e%2e/package.json",
      "/v1/calls/..%2f..%2fwallet",
    ]) {
      const { socket, said } = await open();
      // Not ended: Node answers nobody who has hung up, and a database takes its time.
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${wanjiru.key}\r\nConnection: close\r\n\r\n`,
      );
      await once(socket, "close");
      assert.match(said(), /^HTTP\/1\.1 40[14] /, `${path}: ${said()}`);
    }
  });
});
