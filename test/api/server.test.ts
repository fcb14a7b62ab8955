import { strict as assert } from "node:assert";
import { EventEmitter, once } from "node:events";
import { Agent, request } from "node:http";
import { connect, type Socket } from "node:net";
import express from "express";
import { listen } from "../../api/server.ts";
import { systemClock, type Clock } from "../../engine/clock.ts";
import { eventually } from "../peers/waiting.ts";
import { nairobi, otienosPhone, world, type World } from "./world.ts";

describe("what operators ask", () => {
  let api: World;
  let storageIsUp: boolean;
  before(async () => {
    const storage = () =>
      storageIsUp ? Promise.resolve() : Promise.reject(new Error("http://10.0.0.7 is down"));
    api = await world({ readiness: { database: () => Promise.resolve(), storage } });
  });
  beforeEach(() => {
    storageIsUp = true;
  });
  after(() => api.end());

  it("it is healthy while it runs, and ready while its parts are", async () => {
    const healthy = await api.ask("GET", "/healthz");
    const ready = await api.ask("GET", "/readyz");
    storageIsUp = false;
    const unready = await api.ask("GET", "/readyz");

    assert.deepEqual([healthy.status, healthy.body], [200, { status: "ok" }]);
    assert.deepEqual([ready.status, ready.body.checks], [200, { database: "ok", storage: "ok" }]);
    assert.equal(unready.status, 503);
    assert.deepEqual(unready.body, { status: "unavailable", checks: { database: "ok", storage: "failed" } });
  });

  it("requests are timed by route, never by id or number", async () => {
    const { key } = await api.workspace();
    const { body } = await api.ask("POST", "/v1/calls", { key, body: { from: nairobi, to: otienosPhone } });
    await api.ask("GET", `/v1/calls/${body.id}`, { key });
    await api.ask("GET", `/v1/${otienosPhone}`, { key });
    const response = await fetch(`${api.url}/metrics`);
    const text = await response.text();

    assert.match(response.headers.get("content-type") ?? "", /^text\/plain/);
    assert.match(
      text,
      /sautikit_http_request_seconds_count\{route="\/v1\/calls\/:id",method="GET",status="200"\} 1/,
    );
    assert.match(text, /route="unmatched",method="GET",status="404"/);
    assert.ok(!text.includes(body.id) && !text.includes("254712345678"));
  });

  it("answers carry security headers, an id of ours, and no trace of the framework", async () => {
    const { headers } = await api.ask("GET", "/v1/wallet", { headers: { "x-request-id": "mine" } });

    assert.match(headers.get("x-request-id") ?? "", /^req_[0-9a-z]{26}$/);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.ok(headers.has("strict-transport-security"));
    assert.equal(headers.get("x-powered-by"), null);
  });

  it("a bug of ours is a 500 that tells nothing but the request's id", async () => {
    const errors: unknown[] = [];
    const broken = await world({
      calls: {
        originate: () => Promise.reject(new TypeError("secret detail")),
        hangUp: () => Promise.resolve(),
        direct: () => Promise.resolve(),
        sendDigits: () => Promise.resolve(),
        setRecording: () => Promise.resolve([]),
        moneyChanged: () => Promise.resolve(),
      },
      log: {
        debug: () => undefined,
        info: () => undefined,
        warn: () => undefined,
        error: (fact: unknown) => errors.push(fact),
      },
    });
    try {
      const { key } = await broken.workspace();
      const { status, body, text } = await broken.ask("POST", "/v1/calls", {
        key,
        body: { from: nairobi, to: otienosPhone },
      });

      assert.deepEqual([status, body.error.code], [500, "internal"]);
      assert.ok(!text.includes("secret detail"));
      assert.equal((errors[0] as { requestId: string }).requestId, body.error.request_id);
    } finally {
      await broken.end();
    }
  });
});

describe("the HTTP server", () => {
  it("lets a running request answer before it closes, and takes no new one", async () => {
    const asked = new EventEmitter();
    const app = express();
    app.get("/slow", (_request, response) => void asked.emit("slow", response));
    const server = await listen(app, { host: "127.0.0.1", port: 0, clock: systemClock });
    const running = once(asked, "slow");
    const outgoing = request(`${server.url}/slow`, { agent: new Agent({ keepAlive: true }) }).end();
    const [answer] = await running;

    const closed = server.close();
    await assert.rejects(fetch(`${server.url}/slow`));
    answer.send("done");
    const [response] = await once(outgoing, "response");
    response.resume();

    assert.equal(response.statusCode, 200);
    await closed;
    await server.close();
  }).timeout(4000);

  it("holds so many connections and closes whatever comes beyond, until one is free", async () => {
    const server = await listen(express(), {
      host: "127.0.0.1",
      port: 0,
      clock: systemClock,
      connectionsMax: 2,
    });
    const open = async () => {
      const socket = connect(server.port, "127.0.0.1");
      await once(socket, "connect");
      return socket;
    };
    const held = [await open(), await open()];
    const beyond = await open();
    await once(beyond.resume(), "close");
    assert.ok(held.every(({ readyState }) => readyState === "open"));

    held[0]?.end();
    await once(held[0]!.resume(), "close");
    const answer = await fetch(server.url);
    assert.equal(answer.status, 404);
    held[1]?.destroy();
    await server.close();
  });

  /** A server that answers with so much, and clients that ask for it and do not read. */
  async function hoarders({ answerBytes, ...options }: { answerBytes: number; untakenBytesMax?: number }) {
    const late = new Set<() => void>();
    const clock: Clock = {
      ...systemClock,
      after(delayMs, fn) {
        if (delayMs !== 60_000) return systemClock.after(delayMs, fn);
        late.add(fn);
        return { cancel: () => void late.delete(fn) };
      },
    };
    const app = express();
    const asked = new EventEmitter();
    app.get("/", (_request, response) => {
      response.once("prefinish", () => asked.emit("answered"));
      response.send(Buffer.alloc(answerBytes));
    });
    const server = await listen(app, { host: "127.0.0.1", port: 0, clock, ...options });
    const ask = async () => {
      const answered = once(asked, "answered");
      const socket = connect(server.port, "127.0.0.1", () =>
        socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
      );
      socket.pause().on("error", () => undefined);
      await answered;
      return socket;
    };
    const taken = async (socket: Socket, bytes = Infinity) => {
      let count = 0;
      const done = Promise.withResolvers<undefined>();
      socket.on("data", (chunk) => (count += chunk.length) >= bytes && done.resolve(undefined));
      socket.once("close", () => done.resolve(undefined));
      socket.resume();
      await done.promise;
      return count;
    };
    return { server, ask, taken, late };
  }

  it("lets go of an answer that its client has not taken for a minute", async () => {
    const answerBytes = 30_000_000;
    const { server, ask, taken, late } = await hoarders({ answerBytes });
    const [idle, slow] = [await ask(), await ask()];
    assert.equal(late.size, 2);
    assert.ok((await taken(slow, answerBytes)) >= answerBytes);
    await eventually("the answer that was taken", () => (late.size === 1 ? true : undefined));

    for (const cut of late) cut();

    assert.ok((await taken(idle)) < answerBytes);
    assert.equal(late.size, 0);
    slow.destroy();
    await server.close();
  });

  it("keeps so much that clients do not take, and lets go of what has waited longest", async () => {
    const answerBytes = 30_000_000;
    const { server, ask, taken } = await hoarders({ answerBytes, untakenBytesMax: 70_000_000 });
    const sockets = [await ask(), await ask(), await ask()];

    const [first, ...others] = sockets;
    assert.ok(first && (await taken(first)) < answerBytes);
    for (const socket of others) {
      assert.ok((await taken(socket, answerBytes)) >= answerBytes);
      socket.destroy();
    }
    await server.close();
  });

  it("cuts off what does not answer within the grace", async () => {
    const app = express();
    app.get("/never", () => undefined);
    const server = await listen(app, { host: "127.0.0.1", port: 0, clock: systemClock });
    const socket = connect(server.port, "127.0.0.1", () =>
      socket.write("GET /never HTTP/1.1\r\nHost: x\r\n\r\n"),
    );
    await once(socket, "ready");
    const cut = once(socket, "close");
    socket.on("error", () => undefined);

    await server.close(50);

    await cut;
  });
});
