import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { freePort } from "../peers/free-ports.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { hanging, ok, Receiver, type Received } from "../webhooks/receiver.ts";
import { nairobi, TestWorld } from "../world/world.ts";

const hangsUpAfter3s = "+254700000103";
const kinds = ["call.started", "call.answered", "call.completed"];
const bigAnswerBytes = 10_000_000;
const bigCalls = 10;
/** From the event to its arrival at who listens, whatever the others do; a busy machine takes most of it. */
const latenessMsMax = 2_000;
/** The schedule's first wait is 5 to 30 s; so much more for the machine. */
const slackMs = 1_500;

interface Delivery {
  id: string;
  event_id: string;
  kind: string;
  status: string;
  attempt_count: number;
  next_attempt_at: string | null;
  attempts: {
    attempted_at: string;
    latency_ms: number;
    status: number | null;
    response: string | null;
    error: string | null;
  }[];
}

/** Of one customer's web server: how it misbehaves, and what is then noted of a try. */
interface Fault {
  what: string;
  url: string;
  noted: { status: number | null; error: string | null };
  /** What it was told; it misbehaves at the first try of each event. Undefined: it never answers. */
  received?: Received[];
}

const eventIdOf = ({ headers }: Received) => headers["x-sautikit-event-id"] ?? "";

/** Misbehaves at the first try of each event, and is well from then on. */
function atFirst(behaviour: Receiver["behaviour"]): Receiver["behaviour"] {
  const tried = new Set<string>();
  return (received, response, request) => {
    const again = tried.has(eventIdOf(received));
    tried.add(eventIdOf(received));
    (again ? ok : behaviour)(received, response, request);
  };
}

/** Sends as much of its answer as is taken. */
function answering(bytes: number, sent: (bytes: number) => void): Receiver["behaviour"] {
  return (_received, response) => {
    const chunk = Buffer.alloc(100_000);
    let written = 0;
    const write = () => {
      while (written < bytes) {
        written += chunk.length;
        if (!response.write(chunk)) return;
      }
      response.end();
    };
    response.on("drain", write);
    response.on("close", () => sent(written));
    write();
  };
}

describeOnSwitch("customers' web servers that misbehave", function () {
  this.timeout(90_000);
  let world: TestWorld;
  /** Hears of every call, and is well. */
  let well: Receiver;
  /** What nobody outside may reach. */
  let inside: Receiver;
  let big: Receiver;
  const bigBytesTaken: number[] = [];
  let bytesGrown: number;
  const faults: Fault[] = [];
  const callIds = new Map<Fault, string>();
  /** Whose first request was under way when `sautikit` was killed. */
  let interrupted: { callId: string; received: Received[]; tries: number };
  const closers: (() => unknown)[] = [];

  const call = (eventsUrl: string) =>
    world.customer.place({ from: nairobi, to: hangsUpAfter3s, events_url: eventsUrl });

  async function misbehaving(what: string, behaviour: Receiver["behaviour"], noted: Partial<Fault["noted"]>) {
    const receiver = await Receiver.listen(atFirst(behaviour));
    closers.push(() => receiver.close());
    const { received } = receiver;
    faults.push({ what, url: receiver.url(), noted: { status: null, error: null, ...noted }, received });
  }

  /** Speaks TLS, by a certificate that nobody vouches for. */
  async function unvouched(): Promise<string> {
    const file = (name: string) => readFileSync(new URL(`../egress/fixtures/${name}`, import.meta.url));
    const server = createTlsServer(
      { cert: file("hooks.example.cert.pem"), key: file("hooks.example.key.pem") },
      (_request, response) => response.end("ok"),
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    closers.push(() => server.close());
    return `https://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  }

  async function deliveriesOf(fault: Fault): Promise<Delivery[]> {
    const { customer } = world;
    const list = await customer.ask("GET", `/v1/webhooks/deliveries?call_id=${callIds.get(fault)!}`);
    const theirs = (list.body.data as (Delivery & { url: string })[]).filter(({ url }) => url === fault.url);
    return Promise.all(
      theirs.map(async ({ id }) => (await customer.ask("GET", `/v1/webhooks/deliveries/${id}`)).body),
    );
  }

  const residentBytes = () => {
    const status = readFileSync(`/proc/${world.sautikit.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  };

  before(async () => {
    world = await TestWorld.start();
    well = await Receiver.listen();
    inside = await Receiver.listen();
    big = await Receiver.listen(answering(bigAnswerBytes, (bytes) => bigBytesTaken.push(bytes)));
    closers.push(...[well, inside, big].map((receiver) => () => receiver.close()));
    await misbehaving("hangs", hanging, { error: "timeout" });
    await misbehaving(
      "drips a byte a second",
      (_received, response) => {
        const timer = setInterval(() => response.write("."), 1000);
        response.on("close", () => clearInterval(timer));
      },
      { error: "timeout" },
    );
    await misbehaving(
      "redirects to where only we can go",
      (_received, response) =>
        void response.writeHead(302, { Location: inside.url("/latest/meta-data") }).end(),
      { status: 302 },
    );
    await misbehaving(
      "closes in the middle",
      (_received, response) =>
        void response.writeHead(200, { "Content-Length": "50" }).write("half", () => response.destroy()),
      { error: "reset" },
    );
    faults.push(
      {
        what: "has a certificate that nobody vouches for",
        url: await unvouched(),
        noted: { status: null, error: "tls" },
      },
      {
        what: "is dead",
        url: `http://127.0.0.1:${await freePort()}/hook`,
        noted: { status: null, error: "refused" },
      },
    );
    const created = await world.customer.ask("POST", "/v1/webhooks", {
      body: { url: well.url(), events: kinds },
    });
    assert.equal(created.status, 201);

    for (const fault of faults) callIds.set(fault, await call(fault.url));
    for (const callId of callIds.values()) await world.customer.ended(callId);
    const before = residentBytes();
    const bigIds = await Promise.all(Array.from({ length: bigCalls }, () => call(big.url())));
    for (const callId of bigIds) await world.customer.ended(callId);
    await eventually("every answer of 10 MB", () =>
      bigBytesTaken.length >= bigCalls * kinds.length ? true : undefined,
    );
    bytesGrown = residentBytes() - before;
  });
  after(async () => {
    for (const close of closers) await close();
    await world.end();
  });

  it("each have their own tries noted for what they are, and put off by the schedule", async () => {
    for (const fault of faults) {
      const deliveries = await eventually(
        `the first try of each event, by who ${fault.what}`,
        async () => {
          const found = await deliveriesOf(fault);
          return found.length === kinds.length && found.every(({ attempts }) => attempts.length > 0)
            ? found
            : undefined;
        },
        { withinMs: 20_000 },
      );
      for (const { kind, status, attempts, next_attempt_at: next } of deliveries) {
        const [first] = attempts;
        assert.deepEqual(
          { status: first!.status, error: first!.error },
          fault.noted,
          `${fault.what}: ${kind}`,
        );
        if (attempts.length === 1) assert.equal(status, "pending");
        const againAtMs = Date.parse(attempts[1]?.attempted_at ?? next!);
        const waitMs = againAtMs - Date.parse(first!.attempted_at) - first!.latency_ms;
        assert.ok(
          waitMs >= 5_000 - slackMs && waitMs <= 30_000 + slackMs,
          `${fault.what}: again after ${waitMs} ms`,
        );
      }
    }
  });

  it("make nobody else's events late", () => {
    const told = well.received.map(({ body, atMs }) => {
      const event = JSON.parse(body) as { occurred_at: string; data: { call_id: string } };
      return { callId: event.data.call_id, lateMs: atMs - Date.parse(event.occurred_at) };
    });
    assert.equal(told.length, (faults.length + bigCalls) * kinds.length);
    const lateness = told.map(({ lateMs }) => lateMs);
    assert.ok(Math.max(...lateness) <= latenessMsMax, `late by ${lateness.join(", ")} ms`);
  });

  it("cost no memory with answers of 10 MB, of which little is taken", () => {
    assert.equal(big.received.length, bigCalls * kinds.length);
    // What the sockets and their ends hold by themselves.
    assert.ok(Math.max(...bigBytesTaken) <= bigAnswerBytes / 2, `${Math.max(...bigBytesTaken)} bytes taken`);
    assert.ok(bytesGrown <= 3 * bigAnswerBytes, `grown by ${bytesGrown} bytes`);
  });

  it("are told at least once, under one id, though sautikit is killed while it tells them", async () => {
    const receiver = await Receiver.listen(hanging);
    closers.push(() => receiver.close());
    const callId = await call(receiver.url());
    const [first] = await receiver.told(1);
    const eventId = eventIdOf(first!);
    interrupted = { callId, received: receiver.received, tries: 1 };
    await world.killSautikit();
    receiver.behaviour = ok;
    await world.startSautikit();
    const again = await eventually("the same event again", () =>
      receiver.received.slice(1).find(({ headers }) => headers["x-sautikit-event-id"] === eventId),
    );
    assert.equal(again.body, first!.body);
  });

  it("hear of everything at last, once they are well", async () => {
    await world.customer.ended(interrupted.callId);
    const listening = faults.flatMap((fault) =>
      fault.received ? [{ callId: callIds.get(fault)!, received: fault.received, tries: 2 }] : [],
    );
    for (const { callId, received, tries } of [interrupted, ...listening]) {
      const { events } = await world.customer.call(callId);
      const ids = events.filter(({ kind }) => kinds.includes(kind)).map(({ id }) => id);
      assert.equal(ids.length, kinds.length);
      const triesOf = (id: string) => received.filter((told) => eventIdOf(told) === id).length;
      await eventually(
        `every event of ${callId}`,
        () => (ids.every((id) => triesOf(id) >= tries) ? true : undefined),
        { withinMs: 35_000 },
      );
      await eventually(`every event of ${callId} to be noted as delivered`, async () => {
        const list = await world.customer.ask("GET", `/v1/webhooks/deliveries?call_id=${callId}`);
        return list.body.data.every(({ status }: Delivery) => status === "delivered") ? true : undefined;
      });
      assert.deepEqual(
        ids.map(triesOf).filter((count) => count > 2),
        [],
      );
    }
  });

  it("that stay as they are keep their events waiting", async () => {
    for (const fault of faults.filter(({ received }) => !received)) {
      const deliveries = await eventually(
        `${fault.what}: second tries`,
        async () => {
          const found = await deliveriesOf(fault);
          return found.every(({ attempt_count: count }) => count >= 2) ? found : undefined;
        },
        { withinMs: 35_000, everyMs: 500 },
      );
      for (const { status, attempts } of deliveries) {
        assert.equal(status, "pending");
        for (const { status: answer, error } of attempts)
          assert.deepEqual({ status: answer, error }, fault.noted);
        const apartMs = Date.parse(attempts[1]!.attempted_at) - Date.parse(attempts[0]!.attempted_at);
        assert.ok(apartMs >= 5_000 - 100, `${fault.what}: again after ${apartMs} ms`);
      }
    }
  });

  it("lead nobody inside", () => assert.deepEqual(inside.received, []));

  it("leave nothing for the auditor to find", () => world.audit());
});
