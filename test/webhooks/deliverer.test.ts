import assert from "node:assert/strict";
import { Webhook } from "standardwebhooks";
import { SautikitError } from "../../engine/errors.ts";
import { systemIds } from "../../engine/ids.ts";
import { insertCallEvent } from "../../engine/store/calls.ts";
import type { Store } from "../../engine/store/store.ts";
import { Deliverer } from "../../engine/webhooks/deliverer.ts";
import { createOutbox } from "../../engine/webhooks/outbox.ts";
import { verifySautikit } from "../../engine/webhooks/signing.ts";
import { ManualClock } from "./manual-clock.ts";
import { failing, hanging, ok, Receiver } from "./receiver.ts";
import { until } from "./until.ts";
import { quiet, world } from "./world.ts";

type World = Awaited<ReturnType<typeof world>>;

describe("webhooks: the deliverer", () => {
  let here: World;
  const receivers: Receiver[] = [];
  const listen = async (...args: Parameters<typeof Receiver.listen>) => {
    const receiver = await Receiver.listen(...args);
    receivers.push(receiver);
    return receiver;
  };
  const endpoint = (url: string, events = ["*"], workspaceId = here.wanjiru) =>
    here.store.write((tx) => here.endpoints.create(tx, workspaceId, { url, events }));

  afterEach(async () => {
    for (const receiver of receivers.splice(0)) await receiver.close();
    await here.end();
  });

  it("tells an event to the call's URL in the envelope, signed with the number's secret in both schemes", async () => {
    here = await world();
    const receiver = await listen();
    here.start();
    const callId = here.ids.next("call");

    const eventId = await here.tell(
      { kind: "call.started", callId, data: { call_id: callId, sequence: 1, note: "Habari, Wanjirũ 👋" } },
      { url: receiver.url("/voice?a=b"), numberId: here.number },
    );

    const [got] = await receiver.told(1);
    assert(got);
    assert.deepEqual([got.method, got.path], ["POST", "/voice?a=b"]);
    const envelope = JSON.parse(got.body);
    assert.deepEqual(Object.keys(envelope), ["kind", "event_id", "workspace_id", "occurred_at", "data"]);
    assert.deepEqual(
      [envelope.kind, envelope.event_id, envelope.workspace_id],
      ["call.started", eventId, here.wanjiru],
    );
    assert.match(envelope.occurred_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(got.headers["content-type"], "application/json; charset=utf-8");
    assert.equal(got.headers["x-sautikit-event-id"], eventId);
    assert.equal(got.headers["x-sautikit-event-kind"], "call.started");
    assert.equal(got.headers["webhook-id"], eventId);
    const now = Math.floor(Date.now() / 1000);
    assert(verifySautikit(got.headers["x-sautikit-signature"]!, got.body, here.numberSecret, now));
    // A verifier that nobody here wrote agrees.
    new Webhook(here.numberSecret).verify(got.body, got.headers);
    assert.throws(() => new Webhook(here.numberSecret).verify(`${got.body} `, got.headers));

    await until(async () => (await here.deliveries())[0]?.status === "delivered", "delivered");
    const [delivery] = await here.deliveries();
    const { attemptLog } = await here.delivery(delivery!.id);
    assert.deepEqual(
      attemptLog.map(({ attempt, status, response, error }) => ({ attempt, status, response, error })),
      [{ attempt: 1, status: 200, response: "ok", error: null }],
    );
  });

  it("keeps a delivery for a month, and then forgets it with its attempts", async () => {
    const clock = new ManualClock();
    here = await world({ clock });
    const receiver = await listen();
    await endpoint(receiver.url());
    let deliverer = here.start();
    await here.tell({});
    await receiver.told(1);
    await until(async () => (await here.deliveries())[0]?.status === "delivered", "delivered");
    /** Away in between, lest it look 1,440 times a day; then it begins to forget within the hour. */
    const daysLater = async (days: number) => {
      await deliverer.stop();
      clock.advanceTo(clock.nowMs() + days * 86_400_000);
      deliverer = here.start();
      clock.advanceTo(clock.nowMs() + 3_600_000);
    };

    await daysLater(29);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal((await here.deliveries()).length, 1);

    await daysLater(2);
    await until(async () => (await here.deliveries()).length === 0, "forgotten");
    const attempts = await here.store.read((tx) => tx.all("SELECT * FROM delivery_attempts"));
    assert.deepEqual(attempts, []);
  });

  it("forgets the many of a busy month within seconds, some at a time", async () => {
    const clock = new ManualClock();
    here = await world({ clock });
    await here.store.write(async (tx) => {
      for (let n = 0; n < 450; n++)
        await tx.run(
          `INSERT INTO deliveries (id, workspace_id, event_id, kind, url, host, number_id, body, status, created_at_ms)
           VALUES (?, ?, ?, 'call.completed', 'https://wanjiru.example/', 'wanjiru.example', ?, '{}', 'delivered', ?)`,
          [here.ids.next("dlv"), here.wanjiru, here.ids.next("evt"), here.number, clock.nowMs()],
        );
    });
    const left = () =>
      here.store.read((tx) => tx.all("SELECT id FROM deliveries")).then(({ length }) => length);
    clock.advanceTo(clock.nowMs() + 31 * 86_400_000);
    here.start();
    await until(() => clock.pending > 0, "an alarm");
    clock.advanceTo(clock.nowMs() + 600_000);

    for (const some of [250, 50, 0]) {
      await until(async () => {
        // What is gone is seen before the next alarm is set: it may be due already.
        clock.advanceTo(clock.nowMs());
        return (await left()) === some;
      }, `${some} left`);
      clock.advanceTo(clock.nowMs() + 1000);
    }
  });

  it("walks the schedule to the dead letter, with one event id, one body and a fresh signature a try", async () => {
    const clock = new ManualClock();
    here = await world({ clock });
    const receiver = await listen(failing);
    const { signingSecret } = await endpoint(receiver.url());
    here.start();
    const startMs = clock.nowMs();
    await here.tell({});

    const nominalMs = [30, 120, 600, 1800, 7200, 21_600, 86_400].map((seconds) => seconds * 1000);
    const leastMs = [5000, ...nominalMs];
    for (const [retry, mostMs] of nominalMs.entries()) {
      await receiver.told(retry + 1);
      await until(async () => (await here.deliveries())[0]?.attempts === retry + 1, "recorded");
      const [delivery] = await here.deliveries();
      const waitMs = delivery!.nextAttemptAtMs! - clock.nowMs();
      assert(waitMs >= leastMs[retry]! && waitMs <= mostMs, `retry ${retry + 1} waits ${waitMs} ms`);

      clock.advanceTo(delivery!.nextAttemptAtMs! - 1);
      await new Promise((resolve) => setTimeout(resolve, 10));
      assert.equal(receiver.received.length, retry + 1, "not before its time");
      // The row can be seen before the deliverer knows that it is stored, and has set its alarm.
      await until(
        () => {
          clock.advanceTo(delivery!.nextAttemptAtMs!);
          return receiver.received.length === retry + 2;
        },
        `try ${retry + 2}`,
      );
    }
    await until(async () => (await here.deliveries())[0]?.status === "dead_letter", "dead");
    clock.advanceTo(clock.nowMs() + 7 * 86_400_000);
    await new Promise((resolve) => setTimeout(resolve, 20));

    assert.equal(receiver.received.length, 8);
    assert.equal(new Set(receiver.received.map(({ body }) => body)).size, 1);
    assert.equal(new Set(receiver.received.map(({ headers }) => headers["webhook-id"])).size, 1);
    const times = receiver.received.map(({ headers }) => Number(headers["webhook-timestamp"]));
    assert.equal(times[0], Math.floor(startMs / 1000));
    assert.equal(new Set(times).size, 8);
    for (const [index, { headers, body }] of receiver.received.entries()) {
      assert(verifySautikit(headers["x-sautikit-signature"]!, body, signingSecret, times[index]!));
    }
    const [dead] = await here.deliveries();
    const { attemptLog } = await here.delivery(dead!.id);
    assert.deepEqual(
      attemptLog.map(({ attempt }) => attempt),
      [1, 2, 3, 4, 5, 6, 7, 8],
    );
    assert(attemptLog.every(({ status, response }) => status === 500 && response === "out of order"));
    assert.equal(dead!.nextAttemptAtMs, null);
  });

  it("lets a dead and a hanging endpoint delay nobody, not even with a backlog", async () => {
    here = await world();
    const hung = await listen(hanging);
    const fine = await listen();
    await endpoint(hung.url());
    await endpoint("http://127.0.0.1:1/dead");
    await endpoint(fine.url());
    await here.store.write((tx) =>
      here.endpoints.create(tx, here.otieno, { url: fine.url("/otieno"), events: ["*"] }),
    );
    here.start();

    const startedMs = performance.now();
    for (let n = 0; n < 100; n++) await here.tell({});
    await here.tell({ workspaceId: here.otieno });
    await fine.told(101);

    assert(performance.now() - startedMs < 3000);
    assert(hung.received.length <= 32, "a host that hangs holds few requests");
    const dead = (await here.deliveries()).filter(({ url }) => url.endsWith("/dead"));
    await until(
      async () =>
        (await here.deliveries()).some(({ url, attempts }) => url.endsWith("/dead") && attempts > 0),
      "tried",
    );
    assert(dead.length > 0);
    // Frees what hangs, so that stopping need not wait for its time-out.
    await hung.close();
  });

  it("looks into the store a few times a delivery, however many hosts wait for room", async () => {
    const resolve = () => Promise.resolve(["127.0.0.1"]);
    here = await world({ egress: { resolve } });
    const held: (() => void)[] = [];
    const receiver = await listen((_got, response) => void held.push(() => response.end()));
    const hosts = 400;
    for (let n = 0; n < hosts; n++)
      await here.tell(
        { kind: "call.completed", callId: here.ids.next("call") },
        { url: `http://tenant-${n}.wanjiru.example:${receiver.port}/`, numberId: here.number },
      );
    let reads = 0;
    const store: Store = {
      ...{ write: (work) => here.store.write(work), close: () => here.store.close() },
      read: (work) => (reads++, here.store.read(work)),
    };
    const { egress, secrets, clock, ids } = here;
    const deliverer = new Deliverer({ store, egress, secrets, clock, ids, log: quiet });
    deliverer.start();

    await receiver.told(64);
    // Room comes free one by one, as it does where each answer takes its own time.
    for (let answered = 0; answered < hosts; answered++) {
      held.shift()?.();
      await receiver.told(Math.min(hosts, 65 + answered));
    }
    await deliverer.stop();

    const left = await here.store.read((tx) =>
      tx.all("SELECT id FROM deliveries WHERE status <> 'delivered'"),
    );
    assert.deepEqual(left, []);
    assert(reads < 6 * hosts, `${reads} looks for ${hosts} deliveries`);
  });

  it("sends the first tries of a call in order, and one that fails holds back none that follow", async () => {
    here = await world();
    const receiver = await listen((got, response) => {
      const { sequence } = JSON.parse(got.body).data;
      // The earlier, the slower: unordered sending would show.
      setTimeout(() => response.writeHead(sequence === 2 ? 500 : 200).end(), 40 - sequence * 5);
    });
    here.start();
    const calls = Array.from({ length: 5 }, () => here.ids.next("call"));
    for (let sequence = 1; sequence <= 6; sequence++) {
      await Promise.all(
        calls.map((callId) =>
          here.tell(
            { kind: "call.ringing", callId, data: { call_id: callId, sequence } },
            { url: receiver.url(), numberId: here.number },
          ),
        ),
      );
    }

    await receiver.told(30);

    for (const callId of calls) {
      const data = receiver.received.map(({ body }) => JSON.parse(body).data);
      assert.deepEqual(
        data.filter(({ call_id }) => call_id === callId).map(({ sequence }) => sequence),
        [1, 2, 3, 4, 5, 6],
      );
    }
  });

  it("sends them in that order, whatever the clocks of the machines that queued them say", async () => {
    here = await world();
    const receiver = await listen();
    const callId = here.ids.next("call");
    const sequences = [1, 2, 3, 4];
    await here.store.write((tx) =>
      tx.run(
        `INSERT INTO calls (id, workspace_id, direction, from_e164, to_e164, status, options, created_at_ms, updated_at_ms)
         VALUES (?, ?, 'outbound', '+254700000001', '+254722000002', 'answered', '{}', 0, 0)`,
        [callId, here.wanjiru],
      ),
    );
    for (const sequence of sequences) {
      // Each by another machine, whose clock is behind that of the one before.
      const ids = systemIds({ ...here.clock, nowMs: () => here.clock.nowMs() - sequence * 60_000 });
      const { clock, wake } = here;
      const event = { eventId: ids.next("evt"), workspaceId: here.wanjiru, kind: "call.ringing", callId };
      await here.store.write(async (tx) => {
        await insertCallEvent(tx, {
          ...{ id: event.eventId, callId, workspaceId: here.wanjiru, position: sequence, sequence },
          ...{ kind: event.kind, payload: "{}", occurredAtMs: clock.nowMs(), createdAtMs: clock.nowMs() },
        });
        const told = { ...event, occurredAtMs: clock.nowMs(), data: { call_id: callId, sequence } };
        const target = { url: receiver.url(), numberId: here.number };
        await createOutbox({ clock, ids, wake }).tell(tx, told, target);
      });
    }
    here.start();

    await receiver.told(sequences.length);

    assert.deepEqual(
      receiver.received.map(({ body }) => JSON.parse(body).data.sequence),
      sequences,
    );
  });

  it("goes on with a call's next event when the one before it hangs", async () => {
    here = await world();
    const receiver = await listen((got, response) => {
      if (JSON.parse(got.body).data.sequence !== 1) response.end();
    });
    here.start();
    const callId = here.ids.next("call");
    for (const sequence of [1, 2, 3]) {
      await here.tell(
        { kind: "call.ringing", callId, data: { sequence } },
        { url: receiver.url(), numberId: here.number },
      );
    }

    const startedMs = performance.now();
    await receiver.told(3);

    assert(performance.now() - startedMs < 2500);
    assert.deepEqual(
      receiver.received.map(({ body }) => JSON.parse(body).data.sequence),
      [1, 2, 3],
    );
    await receiver.close();
  });

  it("takes up after a restart what was told and not delivered, and nothing that was", async () => {
    const clock = new ManualClock();
    here = await world({ clock });
    const receiver = await listen();
    await endpoint(receiver.url());
    const first = here.start();
    const delivered = await here.tell({});
    await receiver.told(1);
    await until(async () => (await here.deliveries())[0]?.status === "delivered", "delivered");
    await first.stop();
    await first.stop();
    const missed = await here.tell({});
    receiver.behaviour = failing;

    const second = here.start();
    await receiver.told(2);
    await until(async () => (await here.deliveries())[0]?.attempts === 1, "recorded");
    await second.stop();
    receiver.behaviour = ok;
    clock.advanceTo(clock.nowMs() + 60_000);
    here.start();
    await receiver.told(3);

    assert.deepEqual(
      receiver.received.map(({ headers }) => headers["webhook-id"]),
      [delivered, missed, missed],
    );
    await until(async () => (await here.deliveries()).every(({ status }) => status === "delivered"), "all");
  });

  it("does not send again what it could not record, and records it once the store is back", async () => {
    const clock = new ManualClock();
    here = await world({ clock });
    const receiver = await listen();
    await endpoint(receiver.url());
    await here.tell({});
    let refusals = 0;
    // The disk is full for a while: what is written fails, what is read does not.
    const store: Store = {
      ...{ read: (work) => here.store.read(work), close: () => here.store.close() },
      write: (work) =>
        refusals++ < 3 ? Promise.reject(new SautikitError("database.unavailable")) : here.store.write(work),
    };
    const { egress, secrets, ids } = here;
    const deliverer = new Deliverer({ store, egress, secrets, clock, ids, log: quiet });
    deliverer.start();

    for (let n = 1; n <= 3; n++) {
      await until(() => refusals === n, `refusal ${n}`);
      await until(() => clock.pending >= 2, "a pause");
      clock.advanceTo(clock.nowMs() + 1000);
    }
    await until(async () => (await here.deliveries())[0]?.status === "delivered", "recorded");

    assert.equal(receiver.received.length, 1);
    await deliverer.stop();
    assert.equal(clock.pending, 0);
  });

  it("leaves no timer and no socket behind when it stops", async () => {
    const clock = new ManualClock();
    here = await world({ clock });
    const receiver = await listen((_got, response) => void setTimeout(() => response.end("late"), 50));
    await endpoint(receiver.url());
    const deliverer = here.start();
    await here.tell({});
    await receiver.told(1);

    await deliverer.stop();

    assert.equal((await here.deliveries())[0]?.status, "delivered", "what was in flight is recorded");
    assert.equal(clock.pending, 0);
    await until(() => receiver.open === 0, "no sockets");
  });

  for (const [what, behaviour, expected] of [
    ["answers 204", (_, r) => void r.writeHead(204).end(), { status: 204, error: null, delivered: true }],
    ["answers 299", (_, r) => void r.writeHead(299).end(), { status: 299, error: null, delivered: true }],
    [
      "redirects",
      (_, r) => void r.writeHead(302, { Location: "/else" }).end(),
      { status: 302, error: null, delivered: false },
    ],
    ["answers 404", (_, r) => void r.writeHead(404).end(), { status: 404, error: null, delivered: false }],
    [
      "closes early",
      (_, _r, q) => void q.socket.destroy(),
      { status: null, error: "reset", delivered: false },
    ],
    [
      "speaks no HTTP",
      (_, _r, q) => void q.socket.end("220 smtp ready\r\n"),
      { status: null, error: "protocol", delivered: false },
    ],
    [
      "answers 10 MB",
      (_, r) => {
        const chunk = Buffer.alloc(65_536, "x");
        const more = () => {
          while (!r.destroyed && r.write(chunk));
        };
        r.on("drain", more);
        more();
      },
      { status: 200, error: null, delivered: true },
    ],
  ] satisfies [string, Receiver["behaviour"], object][]) {
    it(`keeps what an endpoint did that ${what}`, async () => {
      here = await world();
      const receiver = await listen(behaviour);
      await endpoint(receiver.url());
      here.start();
      await here.tell({});

      await until(async () => (await here.deliveries())[0]?.attempts === 1, "a try");

      const [delivery] = await here.deliveries();
      const [made] = (await here.delivery(delivery!.id)).attemptLog;
      const { status, error } = made!;
      assert.deepEqual({ status, error, delivered: delivery!.status === "delivered" }, expected);
      assert((made!.response?.length ?? 0) <= 1024);
      assert.equal(receiver.received.length, 1, "no redirect is followed");
    });
  }

  for (const [what, behaviour] of [
    ["hangs", hanging],
    [
      "drips",
      (_got, response) => {
        const timer = setInterval(() => response.write("."), 20);
        response.on("close", () => clearInterval(timer));
      },
    ],
  ] satisfies [string, Receiver["behaviour"]][]) {
    it(`gives an endpoint that ${what} ten seconds and no more`, async () => {
      const clock = new ManualClock();
      here = await world({ clock });
      const receiver = await listen(behaviour);
      await endpoint(receiver.url());
      here.start();
      await here.tell({});
      await receiver.told(1);

      clock.advanceTo(clock.nowMs() + 9999);
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal((await here.deliveries())[0]?.attempts, 0);
      clock.advanceTo(clock.nowMs() + 1);
      await until(async () => (await here.deliveries())[0]?.attempts === 1, "given up");

      const [made] = (await here.delivery((await here.deliveries())[0]!.id)).attemptLog;
      assert.deepEqual([made!.status, made!.error, made!.latencyMs], [null, "timeout", 10_000]);
      await until(() => receiver.open === 0, "no sockets");
    });
  }

  it("heeds Retry-After, and tells 410 no more", async () => {
    const clock = new ManualClock();
    here = await world({ clock });
    const receiver = await listen(
      (_got, response) => void response.writeHead(503, { "Retry-After": "3600" }).end(),
    );
    await endpoint(receiver.url());
    here.start();
    await here.tell({});
    await until(async () => (await here.deliveries())[0]?.attempts === 1, "a try");
    assert.equal((await here.deliveries())[0]!.nextAttemptAtMs, clock.nowMs() + 3_600_000);

    receiver.behaviour = (_got, response) => void response.writeHead(410).end();
    clock.advanceTo(clock.nowMs() + 3_600_000);
    await until(async () => (await here.deliveries())[0]?.attempts === 2, "another");
    assert.equal((await here.deliveries())[0]!.status, "dead_letter");
  });

  it("refuses at connect a name that has come to lead inside since it was saved, and goes on trying", async () => {
    const receiver = await listen();
    let address = "93.184.215.14";
    const resolve = () => Promise.resolve([address]);
    here = await world({ egress: { allowPrivate: false, resolve } });
    const url = `http://hooks.wanjiru.example:${receiver.port}/`;
    await here.egress.checkUrl(url, "url");
    await endpoint(url);
    address = "127.0.0.1";
    here.start();
    await here.tell({});

    await until(async () => (await here.deliveries())[0]?.attempts === 1, "a try");

    const [delivery] = await here.deliveries();
    assert.equal((await here.delivery(delivery!.id)).attemptLog[0]!.error, "blocked");
    assert.equal(delivery!.status, "pending");
    assert.equal(receiver.received.length, 0);
  });
});
