import assert from "node:assert/strict";
import { isError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { listDeliveries, replayDelivery } from "../../engine/webhooks/deliveries.ts";
import { verifySautikit } from "../../engine/webhooks/signing.ts";
import { ManualClock } from "./manual-clock.ts";
import { failing, ok, Receiver, type Received } from "./receiver.ts";
import { until } from "./until.ts";
import { world } from "./world.ts";

const dayMs = 86_400_000;

describe("webhooks: endpoints and their deliveries", () => {
  const clock = new ManualClock();
  let here: Awaited<ReturnType<typeof world>>;
  let receiver: Receiver;

  beforeEach(async () => {
    here = await world({ clock });
    receiver = await Receiver.listen();
  });
  afterEach(async () => {
    await here.end();
    await receiver.close();
  });

  const create = (events: string[], path = "/hook", workspaceId = here.wanjiru) =>
    here.store.write((tx) => here.endpoints.create(tx, workspaceId, { url: receiver.url(path), events }));
  const settled = () =>
    until(async () => (await here.deliveries()).every(({ status }) => status !== "pending"), "all settled");
  const verifies = (secret: string, { headers, body }: Received) =>
    verifySautikit(headers["x-sautikit-signature"]!, body, secret, Math.floor(clock.nowMs() / 1000));

  it("an endpoint gets the kinds that it lists; * is every kind but call.*", async () => {
    await create(["*"], "/all");
    await create(["call.completed", "wallet.top_up"], "/some");
    await create(["*"], "/otieno", here.otieno);
    const off = await create(["*"], "/off");
    await here.store.write((tx) =>
      here.endpoints.patch(tx, here.wanjiru, off.endpoint.id, { enabled: false }),
    );

    for (const kind of ["call.completed", "call.failed", "wallet.top_up", "number.released"]) {
      await here.tell({ kind, callId: kind.startsWith("call.") ? here.ids.next("call") : null });
    }

    const told = (await here.deliveries()).map(({ kind, url }) => `${kind} ${new URL(url).pathname}`);
    assert.deepEqual(told.sort(), [
      "call.completed /some",
      "number.released /all",
      "wallet.top_up /all",
      "wallet.top_up /some",
    ]);
    assert.deepEqual(await here.deliveries(here.otieno), []);
  });

  it("an event told again adds only the targets that do not have it", async () => {
    await create(["call.answered"]);
    const callId = here.ids.next("call");
    const eventId = await here.tell({ kind: "call.answered", callId });
    const target = { url: receiver.url("/voice"), numberId: here.number };
    await here.tell({ kind: "call.answered", callId, eventId }, target);
    await here.tell({ kind: "call.answered", callId, eventId }, target);
    assert.equal((await here.deliveries()).length, 2);
  });

  it("what is told in a transaction that fails is not told", async () => {
    await create(["*"]);
    here.start();
    await assert.rejects(
      here.store.write(async (tx) => {
        const event = { eventId: here.ids.next("evt"), workspaceId: here.wanjiru, kind: "wallet.top_up" };
        await here.outbox.tell(tx, { ...event, callId: null, occurredAtMs: clock.nowMs(), data: {} });
        throw new Error("the ledger said no");
      }),
    );
    assert.deepEqual(await here.deliveries(), []);
    assert.equal(receiver.received.length, 0);
  });

  it("the secret is shown once and kept sealed", async () => {
    const { endpoint, signingSecret } = await create(["*"]);
    assert(isId("wh", endpoint.id));
    assert.match(signingSecret, /^whsec_[A-Za-z0-9+/]{43}=$/);
    const rows = await here.store.read((tx) => tx.all("SELECT * FROM webhook_endpoints"));
    assert(!JSON.stringify(rows).includes(signingSecret));
    const got = await here.store.read((tx) => here.endpoints.get(tx, here.wanjiru, endpoint.id));
    assert.deepEqual(got, endpoint);
    assert(!JSON.stringify(got).includes("whsec_"));
  });

  it("for a day after a rotation both secrets sign, then the new one alone", async () => {
    const { endpoint, signingSecret: old } = await create(["*"]);
    const { signingSecret: fresh, endpoint: rotated } = await here.store.write((tx) =>
      here.endpoints.rotateSecret(tx, here.wanjiru, endpoint.id),
    );
    assert.equal(rotated.previousSecretUntilMs, clock.nowMs() + dayMs);
    here.start();

    await here.tell({});
    const [during] = await receiver.told(1);
    assert(verifies(old, during!) && verifies(fresh, during!));

    await settled();
    clock.advanceTo(clock.nowMs() + dayMs);
    await here.tell({});
    const [, after] = await receiver.told(2);
    assert(!verifies(old, after!) && verifies(fresh, after!));
  });

  it("another workspace's endpoint and deliveries are not there", async () => {
    const { endpoint } = await create(["*"]);
    await here.tell({});
    const [delivery] = await here.deliveries();
    const notFound = (error: unknown) => isError(error, "webhooks.not_found");
    const { otieno, endpoints, store } = here;
    await assert.rejects(
      store.read((tx) => endpoints.get(tx, otieno, endpoint.id)),
      notFound,
    );
    await assert.rejects(
      store.write((tx) => endpoints.patch(tx, otieno, endpoint.id, {})),
      notFound,
    );
    await assert.rejects(
      store.write((tx) => endpoints.delete(tx, otieno, endpoint.id)),
      notFound,
    );
    await assert.rejects(
      store.write((tx) => endpoints.rotateSecret(tx, otieno, endpoint.id)),
      notFound,
    );
    await assert.rejects(
      store.write((tx) => endpoints.test(tx, otieno, endpoint.id)),
      notFound,
    );
    const noDelivery = (error: unknown) => isError(error, "webhooks.delivery_not_found");
    await assert.rejects(here.delivery(delivery!.id, otieno), noDelivery);
    await assert.rejects(
      store.write((tx) => replayDelivery(tx, here, otieno, delivery!.id)),
      noDelivery,
    );
  });

  it("a test event reaches the endpoint whatever it lists", async () => {
    const { endpoint } = await create(["port.updated"]);
    here.start();
    const { eventId } = await here.store.write((tx) => here.endpoints.test(tx, here.wanjiru, endpoint.id));
    const [got] = await receiver.told(1);
    assert.equal(got!.headers["x-sautikit-event-kind"], "webhook.test");
    assert.equal(got!.headers["x-sautikit-event-id"], eventId);
  });

  it("what is pending follows the endpoint to its new URL", async () => {
    receiver.behaviour = failing;
    const { endpoint } = await create(["*"], "/typo");
    here.start();
    await here.tell({});
    await until(async () => (await here.deliveries())[0]?.attempts === 1, "a try");
    receiver.behaviour = ok;
    const url = receiver.url("/right");
    await here.store.write((tx) => here.endpoints.patch(tx, here.wanjiru, endpoint.id, { url }));
    clock.advanceTo(clock.nowMs() + 30_000);
    await settled();
    assert.deepEqual(
      receiver.received.map(({ path }) => path),
      ["/typo", "/right"],
    );
  });

  it("what is out to the old URL as an endpoint gets another is not given up by the old one's answer", async () => {
    const out = Promise.withResolvers<() => void>();
    receiver.behaviour = (_got, response) => out.resolve(() => void response.writeHead(410).end());
    const { endpoint } = await create(["*"], "/typo");
    here.start();
    await here.tell({});
    const refuse = await out.promise;

    receiver.behaviour = ok;
    const url = receiver.url("/right");
    await here.store.write((tx) => here.endpoints.patch(tx, here.wanjiru, endpoint.id, { url }));
    refuse();
    await settled();

    const [delivery] = await here.deliveries();
    assert.deepEqual(
      [delivery!.status, receiver.received.map(({ path }) => path)],
      ["delivered", ["/typo", "/right"]],
    );
  });

  it("a deleted endpoint is told nothing more, and cannot be replayed", async () => {
    receiver.behaviour = failing;
    const { endpoint } = await create(["*"]);
    here.start();
    await here.tell({});
    await until(async () => (await here.deliveries())[0]?.attempts === 1, "a try");
    await here.store.write((tx) => here.endpoints.delete(tx, here.wanjiru, endpoint.id));
    await here.tell({});
    clock.advanceTo(clock.nowMs() + 2 * dayMs);
    const [delivery, ...others] = await here.deliveries();
    assert.deepEqual([delivery!.status, others.length, receiver.received.length], ["dead_letter", 0, 1]);
    await assert.rejects(
      here.store.write((tx) => replayDelivery(tx, here, here.wanjiru, delivery!.id)),
      (error: unknown) => isError(error, "webhooks.not_found"),
    );
  });

  it("a replay starts over with the same event and body, and goes on counting its tries", async () => {
    receiver.behaviour = (_got, response) => void response.writeHead(410).end();
    await create(["*"]);
    here.start();
    await here.tell({});
    await settled();
    const [dead] = await here.deliveries();
    receiver.behaviour = failing;

    const again = await here.store.write((tx) => replayDelivery(tx, here, here.wanjiru, dead!.id));
    assert.equal(again.status, "pending");
    await until(async () => (await here.deliveries())[0]?.attempts === 2, "a second try");
    const [waiting] = await here.deliveries();
    assert(waiting!.nextAttemptAtMs! - clock.nowMs() <= 30_000, "a schedule from its beginning");
    receiver.behaviour = ok;
    await here.store.write((tx) => replayDelivery(tx, here, here.wanjiru, dead!.id));
    await settled();

    assert.equal(new Set(receiver.received.map(({ body }) => body)).size, 1);
    const { attemptLog, status } = await here.delivery(dead!.id);
    assert.equal(status, "delivered");
    assert.deepEqual(
      attemptLog.map((made) => made.status),
      [410, 500, 200],
    );
  });

  it("a replay that is asked for while a try is out is not lost with that try", async () => {
    receiver.behaviour = failing;
    await create(["*"]);
    here.start();
    await here.tell({});
    await until(async () => (await here.deliveries())[0]?.attempts === 1, "a first try");
    const out = Promise.withResolvers<() => void>();
    receiver.behaviour = (_got, response) => out.resolve(() => void response.writeHead(410).end());
    const [waiting] = await here.deliveries();
    await until(() => {
      clock.advanceTo(waiting!.nextAttemptAtMs!);
      return receiver.received.length === 2;
    }, "a second try");
    const refuse = await out.promise;

    await here.store.write((tx) => replayDelivery(tx, here, here.wanjiru, waiting!.id));
    receiver.behaviour = ok;
    refuse();
    await settled();

    const { attemptLog, status } = await here.delivery(waiting!.id);
    assert.equal(status, "delivered");
    assert.deepEqual(
      attemptLog.map((made) => made.status),
      [500, 410, 200],
    );
  });

  it("lists newest first by pages that stay right while rows are added, and by status, kind and call", async () => {
    await create(["*", "call.completed"]);
    const callId = here.ids.next("call");
    for (let n = 0; n < 5; n++) await here.tell({});
    await here.tell({ kind: "call.completed", callId });
    const list = (filter: Parameters<typeof listDeliveries>[2], limit: number, cursor?: string) =>
      here.store.read((tx) => listDeliveries(tx, here.wanjiru, filter, { limit, cursor }));

    const first = await list({}, 4);
    await here.tell({});
    const second = await list({}, 4, first.nextCursor!);

    const ids = [...first.data, ...second.data].map(({ id }) => id);
    assert.deepEqual(ids, [...ids].sort().reverse());
    assert.equal(new Set(ids).size, 6);
    assert.equal(second.nextCursor, null);
    assert.equal((await list({ callId }, 9)).data.length, 1);
    assert.equal((await list({ kind: "call.completed", status: "pending" }, 9)).data.length, 1);
    assert.equal((await list({ status: "dead_letter" }, 9)).data.length, 0);
    const endpoints = await here.store.read((tx) => here.endpoints.list(tx, here.wanjiru, { limit: 1 }));
    assert.deepEqual([endpoints.data.length, endpoints.nextCursor], [1, null]);
  });
});
