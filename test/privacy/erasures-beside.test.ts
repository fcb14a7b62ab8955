import { strict as assert } from "node:assert";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createEgress } from "../../engine/egress/egress.ts";
import { Erasures } from "../../engine/privacy/erasures.ts";
import type { Store } from "../../engine/store/store.ts";
import { Deliverer } from "../../engine/webhooks/deliverer.ts";
import { scopes } from "../../engine/workspaces/scopes.ts";
import { objectKey } from "../../recordings/object-key.ts";
import { nairobi, otienosPhone, quiet } from "../api/world.ts";
import { databaseKind } from "../store/test-database.ts";
import { endCall, everyRow, finishedCall, privacyWorld, unzipped, type PrivacyWorld } from "./world.ts";

const achieng = "+254733000001";

describe(`what goes on beside an erasure, on ${databaseKind}`, () => {
  let api: PrivacyWorld;
  let wanjiru: Awaited<ReturnType<PrivacyWorld["workspace"]>>;
  beforeEach(async () => {
    api = await privacyWorld();
    wanjiru = await api.workspace({ key: { scopes } });
  });
  afterEach(() => api.end());

  const call = (to = otienosPhone) => finishedCall(api, wanjiru, { from: nairobi, to, recorded: true });
  const erase = async (number = otienosPhone) => {
    const asked = await api.ask("POST", "/v1/privacy/erasures", {
      key: wanjiru.key,
      body: { phone_e164: number },
    });
    assert.equal(asked.status, 202, asked.text);
    return asked.body.id as string;
  };
  const receipt = async (id: string) =>
    (await api.ask("GET", `/v1/privacy/erasures/${id}`, { key: wanjiru.key })).body;
  const again = (parts: Partial<ConstructorParameters<typeof Erasures>[0]> = {}) =>
    new Erasures({ ...api, recordingKey: objectKey, log: quiet, ...parts });
  /** A call of the workspace's whose second leg goes to another person. */
  const callBetween = async (one: string, other: string) => {
    const made = await call(one);
    await api.store.write((tx) =>
      tx.run(
        `INSERT INTO legs (id, call_id, workspace_id, position, kind, direction, from_e164, to_e164, status, box,
           rate_micro_kes_per_minute, max_duration_seconds, cut_after_seconds, created_at_ms, ended_at_us)
         SELECT ?, call_id, workspace_id, 1, kind, direction, from_e164, ?, status, box, 0, 1, 1, created_at_ms, ended_at_us
         FROM legs WHERE call_id = ? AND position = 0`,
        [api.ids.next("leg"), other, made.callId],
      ),
    );
    return made;
  };
  /** The call's document, which has gone on since, had it dialled. */
  const dialSip = (callId: string, to: string) =>
    api.store.write((tx) =>
      tx.run(
        `INSERT INTO legs (id, call_id, workspace_id, position, kind, direction, from_e164, to_e164, status, box,
           rate_micro_kes_per_minute, max_duration_seconds, cut_after_seconds, created_at_ms)
         SELECT ?, call_id, workspace_id, 1, 'sip', direction, from_e164, ?, status, box, 1000000, 1, 1, created_at_ms
         FROM legs WHERE call_id = ? AND position = 0`,
        [api.ids.next("leg"), to, callId],
      ),
    );
  const nowhere = async (...numbers: string[]) => {
    for (const [table, rows] of await everyRow(api))
      for (const number of numbers)
        assert.ok(!rows.includes(number.slice(1)), `${table} still has ${number}`);
  };

  describe("others' exports", () => {
    const request = async (number: string, headers = {}) => {
      const body = { phone_e164: number };
      const who = Object.keys(headers).length > 0 ? { headers } : { key: wanjiru.key };
      return (await api.ask("POST", "/v1/privacy/exports", { ...who, body })).body.id as string;
    };
    const look = async (id: string) =>
      (await api.ask("GET", `/v1/privacy/exports/${id}`, { key: wanjiru.key })).body;
    const object = (id: string) => api.storage.head(`${wanjiru.id}/privacy/${id}.zip`);

    it("that may name the person are withdrawn with the request, and gone before the erasure is complete", async () => {
      await callBetween(otienosPhone, achieng);
      const person = await api.person("otieno@example.co.ke", { [wanjiru.id]: "admin" });
      const [asked, byKey] = [await request(achieng, person.headers), await request(achieng)];
      await api.exports.run();
      assert.ok((await look(asked)).download_url);

      const seen = await api.store.read((tx) => api.exports.get(tx, wanjiru.id, asked as `exp_${string}`));
      const id = await erase();

      assert.equal(await api.exports.link(seen, { kind: "operator" }), null, "nor to who looked before");
      const withdrawn = await look(asked);
      assert.deepEqual(
        [withdrawn.status, withdrawn.ended_by, withdrawn.download_url],
        ["expired", "erasure", null],
      );
      api.troubled.delete = () => Promise.resolve();
      await assert.rejects(api.erasures.run(), /still holds/);
      assert.equal((await receipt(id)).status, "running");
      delete api.troubled.delete;
      await api.erasures.run();
      assert.equal((await receipt(id)).status, "complete");
      assert.deepEqual([await object(asked), await object(byKey)], [null, null]);
      const told = (await api.mails()).filter(({ recipient }) => recipient === person.email);
      assert.equal(told.length, 1);
      assert.match(told[0]!.body, new RegExp(`${asked}[^]*Ask for it again`));
      const anew = await request(achieng);
      await api.exports.run();
      assert.equal((await look(anew)).status, "ready");
    });

    it("of which a try that was killed has left parts in the storage are gone with these", async () => {
      const [his, hers] = [await request(otienosPhone), await request(achieng)];
      for (const id of [his, hers])
        await api.objectStorage.leaveUnfinished(`${wanjiru.id}/privacy/${id}.zip`);
      await api.exports.run();

      const id = await erase();
      await api.erasures.run();

      assert.equal((await receipt(id)).status, "complete");
      assert.deepEqual(await api.objectStorage.unfinished(), []);
    });

    it("of another workspace stay", async () => {
      const njeri = await api.workspace({ name: "Njeri", number: "+254200000002", key: { scopes } });
      const asked = await api.ask("POST", "/v1/privacy/exports", {
        key: njeri.key,
        body: { phone_e164: achieng },
      });
      await api.exports.run();
      await erase();
      await api.erasures.run();
      const { body } = await api.ask("GET", `/v1/privacy/exports/${asked.body.id}`, { key: njeri.key });
      assert.equal(body.status, "ready");
    });

    it("that are being made meanwhile are made anew, and nothing of the first try is left", async () => {
      await callBetween(otienosPhone, achieng);
      const asked = await request(achieng);
      let id = "";
      // All of it was read, and is on its way to the storage, when the erasure is asked for and done.
      api.troubled.putFile = async (...args) => {
        delete api.troubled.putFile;
        id = await erase();
        await api.erasures.run().catch(() => undefined);
        assert.equal((await receipt(id)).status, "running", "what is being stored may name him");
        return api.storage.putFile(...args);
      };
      await api.exports.run();
      await api.erasures.run();
      const { status, pseudonym } = await receipt(id);
      assert.equal(status, "complete");
      const made = await look(asked);
      assert.equal(made.status, "ready");
      const files = unzipped(Buffer.from(await (await fetch(made.download_url)).arrayBuffer()));
      const text = [...files.values()].join();
      assert.ok(!text.includes(otienosPhone.slice(1)) && text.includes(pseudonym));
      await nowhere(otienosPhone);
    });
  });

  it("a webhook's answer that comes after it does not bring the number back", async () => {
    const waiting: (() => void)[] = [];
    const server = createServer((request, response) => {
      request.resume();
      waiting.push(() => response.end(`no such customer: ${otienosPhone}`));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    await call();
    // One of another call, whose label names him.
    const other = await call(achieng);
    await api.store.write(async (tx) => {
      await tx.run("UPDATE deliveries SET status = 'dead_letter', next_attempt_at_ms = NULL");
      await tx.run(
        `UPDATE deliveries SET status = 'pending', next_attempt_at_ms = 0, host = ?, url = ? WHERE kind = 'call.completed'`,
        [host, `http://${host}/`],
      );
      await tx.run("UPDATE deliveries SET body = ? WHERE kind = 'call.completed' AND call_id = ?", [
        JSON.stringify({ husband: otienosPhone }),
        other.callId,
      ]);
    });
    const egress = createEgress({ clock: api.clock, allowPrivate: true });
    const deliverer = new Deliverer({ ...api, egress, log: quiet });
    deliverer.start();
    while (waiting.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));

    const id = await erase();
    await api.erasures.run();
    assert.equal((await receipt(id)).status, "complete");
    for (const answer of waiting) answer();
    const attempts = () =>
      api.store.read((tx) =>
        tx.all<{ status: number }>(
          "SELECT a.status FROM delivery_attempts a JOIN deliveries d ON d.id = a.delivery_id WHERE d.host = ? AND a.status = 200",
          [host],
        ),
      );
    while ((await attempts()).length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    await deliverer.stop();
    server.close();

    await nowhere(otienosPhone);
  });

  describe("another person's call that runs yet and names the number", () => {
    const uri = `sip:${otienosPhone}@pbx.example.co.ke`;
    for (const [where, labels, leg] of [
      ["in its labels", { about: otienosPhone }, null],
      ["in a SIP URI that it dials", {}, uri],
    ] as const)
      it(`${where} is waited for, and erased with what it told as it ended`, async () => {
        const { body } = await api.ask("POST", "/v1/calls", {
          key: wanjiru.key,
          body: { from: nairobi, to: achieng, metadata: labels },
        });
        if (leg !== null) await dialSip(body.id, leg);
        const id = await erase();

        await api.erasures.run();
        assert.equal((await receipt(id)).status, "running");

        api.clock.offsetMs += 1000;
        await endCall(api, wanjiru.id, body.id, false);
        await api.erasures.run();
        assert.equal((await receipt(id)).status, "complete");
        await nowhere(otienosPhone);
      });
  });

  it("the status URL of a conference is erased with the call, and where another call's names the number", async () => {
    const [his, hers] = [await call(), await call(achieng)];
    const room = api.ids.next("conf");
    const url = `https://shop.example/room?of=${encodeURIComponent(otienosPhone)}`;
    await api.store.write(async (tx) => {
      await tx.run(
        "INSERT INTO conferences (id, workspace_id, name, box, max_participants, created_at_ms, ended_at_ms) VALUES (?, ?, 'room', 'box', 10, 0, 1)",
        [room, wanjiru.id],
      );
      for (const { callId } of [his, hers])
        await tx.run(
          `INSERT INTO conference_members (token, conference_id, call_id, leg_id, status, start_on_enter, end_on_exit, muted,
             status_url, created_at_ms, left_at_us)
           SELECT ?, ?, call_id, id, 'left', 1, 0, 0, ?, 0, 1 FROM legs WHERE call_id = ?`,
          [`token ${callId}`, room, url, callId],
        );
    });
    const id = await erase();
    await api.erasures.run();
    const { status, pseudonym } = await receipt(id);
    assert.equal(status, "complete");
    await nowhere(otienosPhone);
    const urls = await api.store.read((tx) =>
      tx.all<{ callId: string; statusUrl: string | null }>(
        "SELECT call_id, status_url FROM conference_members",
      ),
    );
    assert.deepEqual(
      new Map(urls.map(({ callId, statusUrl }) => [callId, statusUrl])),
      new Map([
        [his.callId, null],
        [hers.callId, `https://shop.example/room?of=%2B${pseudonym}`],
      ]),
    );
  });

  it("everybody else has their turn while it looks through many rows, and only what it finds is written", async () => {
    const { callId } = await call(achieng);
    const rows = 20_000;
    const hits = [`Call ${otienosPhone}`, `${otienosPhone} again`];
    await api.store.write(async (tx) => {
      await tx.run(
        `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
         INSERT INTO call_events (id, call_id, workspace_id, position, kind, payload, occurred_at_ms, created_at_ms)
         SELECT 'evt_' || (1000000 + i), c.id, c.workspace_id, 2000 + i, 'say.started', '{"text":"Hello"}', 0, 0 FROM n JOIN calls c ON c.id = ?`,
        [callId],
      );
      for (const [index, text] of hits.entries())
        await tx.run("UPDATE call_events SET payload = ? WHERE id = ?", [
          JSON.stringify({ text }),
          `evt_${1000000 + rows - index * 7000}`,
        ]);
    });
    const id = await erase();
    let turns = 0;
    let running = true;
    const turn = () => {
      turns++;
      if (running) setImmediate(turn);
    };
    setImmediate(turn);
    await api.erasures.run();
    running = false;
    const { status, erased } = await receipt(id);
    assert.equal(status, "complete");
    assert.ok(erased.mentions >= hits.length, JSON.stringify(erased));
    assert.ok(turns >= rows / 500, `${turns} turns of the event loop`);
    await nowhere(otienosPhone);
  });

  describe("two erasures at once", () => {
    it("of two people of one call are each complete only once its recording is seen to be gone", async () => {
      await callBetween(otienosPhone, achieng);
      const [one, other] = [await erase(otienosPhone), await erase(achieng)];
      api.troubled.delete = () => Promise.resolve();
      await assert.rejects(api.erasures.run(), /still holds/);
      await assert.rejects(api.erasures.run(), /still holds/);
      assert.deepEqual([(await receipt(one)).status, (await receipt(other)).status], ["running", "running"]);
      delete api.troubled.delete;
      await Promise.all([api.erasures.run(), again().run()]);
      assert.deepEqual(
        [(await receipt(one)).status, (await receipt(other)).status],
        ["complete", "complete"],
      );
      await nowhere(otienosPhone, achieng);
    });

    it("that change the same text both find their number in it", async () => {
      const { callId } = await call("+254733000077");
      await api.store.write((tx) =>
        tx.run("UPDATE calls SET metadata = ? WHERE id = ?", [
          JSON.stringify({ one: otienosPhone, other: achieng }),
          callId,
        ]),
      );
      const id = await erase();
      let raced = false;
      // Between this one's look and its change, another erasure puts a pseudonym there.
      const racing: Store = {
        ...api.store,
        read: async (work) => {
          const found = await api.store.read(work);
          if (!raced && JSON.stringify(found).includes("other")) {
            raced = true;
            await api.store.write((tx) =>
              tx.run("UPDATE calls SET metadata = REPLACE(metadata, ?, 'erased:0') WHERE id = ?", [
                achieng,
                callId,
              ]),
            );
          }
          return found;
        },
        write: (work) => api.store.write(work),
      };
      await again({ store: racing }).run();
      assert.ok(raced);
      assert.equal((await receipt(id)).status, "complete");
      await nowhere(otienosPhone, achieng);
    });

    it("of the same number by two processes count everything once", async () => {
      for (let index = 0; index < 5; index++) await call();
      const ids = [await erase(), await erase()];
      assert.equal(ids[0], ids[1]);
      await Promise.all([api.erasures.run(), again().run(), again().run()]);
      const { status, erased } = await receipt(ids[0]!);
      assert.deepEqual([status, erased.calls, erased.recordings], ["complete", 5, 5]);
      await nowhere(otienosPhone);
    });
  });
});
