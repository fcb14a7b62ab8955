import assert from "node:assert/strict";
import { CallChange } from "../../engine/calls/call-change.ts";
import { CallTraces } from "../../engine/calls/call-traces.ts";
import { Calls } from "../../engine/calls/calls.ts";
import { noPeers, type ChangeParts } from "../../engine/calls/change-parts.ts";
import type { Command } from "../../engine/calls/command.ts";
import { DocumentRun } from "../../engine/calls/document-run.ts";
import { EndRecords } from "../../engine/calls/end-records.ts";
import { takeInCall } from "../../engine/calls/inbound.ts";
import { IntentRunner } from "../../engine/calls/intent-runner.ts";
import { takeLegNews, type LegNews } from "../../engine/calls/leg-progress.ts";
import { Reconciler } from "../../engine/calls/reconciler.ts";
import { endLegsOfUnknownBoxes } from "../../engine/calls/unknown-boxes.ts";
import { steadyUs, systemClock as clock } from "../../engine/clock.ts";
import { SautikitError } from "../../engine/errors.ts";
import { systemIds, type CallId, type LegId, type WorkspaceId } from "../../engine/ids.ts";
import { seedShippedDeck } from "../../engine/metering/rates.ts";
import { createMailQueue } from "../../engine/mail/mail-queue.ts";
import { Policy } from "../../engine/policy/policy.ts";
import { createSettlement } from "../../engine/metering/settlement.ts";
import { Questioner } from "../../engine/calls/questioner.ts";
import { createEgress } from "../../engine/egress/egress.ts";
import { aesSecrets } from "../../engine/secrets.ts";
import * as calls from "../../engine/store/calls.ts";
import type { LegRow } from "../../engine/store/calls.ts";
import type { Store, Tx } from "../../engine/store/store.ts";
import { updateWorkspace } from "../../engine/store/workspaces.ts";
import { channelName } from "../../engine/switch/channel-names.ts";
import type { Arrival, Switch } from "../../engine/switch/switch.ts";
import { createLedger } from "../../engine/wallet/ledger.ts";
import { createWallet } from "../../engine/wallet/wallet.ts";
import { WebhookEndpoints } from "../../engine/webhooks/endpoints.ts";
import { createOutbox } from "../../engine/webhooks/outbox.ts";
import { addNumber } from "../../engine/numbers/numbers.ts";
import { createWorkspace } from "../../engine/workspaces/workspaces.ts";
import { gatewayHash } from "../../engine/sip/trunks/gateways.ts";
import { readTrunkFile } from "../../engine/sip/trunks/trunk-file.ts";
import { loneTrunk, Trunks } from "../../engine/sip/trunks/trunks.ts";
import { gatewayLoaded, gatewayWritten } from "../../engine/store/trunks.ts";
import { eventually } from "../peers/waiting.ts";
import { noPrompts } from "../media/no-prompts.ts";
import { silentLog } from "../switch/peers.ts";
import { databaseKind, testDatabase, type TestDatabase } from "../store/test-database.ts";

const nairobi = "+254200000001";
const ids = systemIds(clock);
const secrets = aesSecrets(Buffer.alloc(32, 7), ids);
const ledger = createLedger({ ids });
const wake = () => undefined;
const outbox = createOutbox({ clock, ids, wake });
const parts: ChangeParts = {
  clock,
  ids,
  outbox,
  policy: new Policy({ clock, ids, outbox, mails: createMailQueue({ clock, ids, wake }) }),
  settlement: createSettlement({ ledger }),
  trunks: loneTrunk("carrier", ids),
  traces: new CallTraces(),
  peers: noPeers,
  changed: () => undefined,
};
const document = new DocumentRun(() => Promise.reject(new Error("no second leg here")));
const api = new Calls({ ...parts, box: () => "box", promptUrls: noPrompts.urls });

/** Lets another transaction in between, where the database runs them side by side. */
const linger = (tx: Tx) =>
  databaseKind === "postgres" ? tx.get("SELECT pg_sleep(0.3)") : Promise.resolve(undefined);

/** The store, whose first so many writes find no database. */
function awayFor(writes: number, store: Store): Store {
  let left = writes;
  return {
    read: (work) => store.read(work),
    write: (work) =>
      left-- > 0 ? Promise.reject(new SautikitError("database.unavailable")) : store.write(work),
    close: () => store.close(),
  };
}

describe(`work on one call that crosses, on ${databaseKind}`, function () {
  this.timeout(30_000);
  let database: TestDatabase;
  let store: Store;
  let home: WorkspaceId;
  beforeEach(async () => {
    database = await testDatabase();
    store = await database.open();
    home = await store.write(async (tx) => {
      await seedShippedDeck(tx, ids, clock.nowMs());
      const { id } = await createWorkspace(tx, ids, { name: "Wanjiru", createdAtMs: 0 });
      const credit = { workspaceId: id, amountMinor: 10_000, reference: "first", description: "" };
      await createWallet({ ledger }).credit(tx, { ...credit, kind: "credit", createdAtMs: 0 });
      const number = { workspaceId: id, e164: nairobi, country: "ke", provisionedAtMs: 0 };
      await addNumber(tx, { ids, secrets }, number);
      return id;
    });
  });
  afterEach(async () => {
    await store.close();
    await database.remove();
  });

  async function placed(): Promise<LegRow> {
    return store.write(async (tx) => {
      const call = await api.originate(tx, home, {
        ...{ fromE164: nairobi, toE164: ["+254712345678"], record: null },
        ...{ ringTimeoutSeconds: 30, maxDurationSeconds: 14_400 },
      });
      return (await calls.legsOfCall(tx, call.id))[0]!;
    });
  }

  type Told = LegNews extends infer News ? (News extends LegNews ? Omit<News, "box" | "leg"> : never) : never;
  const take = (leg: LegRow, news: Told) =>
    store.write(async (tx) => {
      const change = (await CallChange.load(parts, tx, leg.callId))!;
      await takeLegNews(change, { box: leg.box, leg: leg.id, ...news }, document);
      await change.save();
    });

  async function talking(answeredAtUs = clock.nowUs()): Promise<LegRow> {
    const leg = await placed();
    await store.write(async (tx) => {
      await tx.run("DELETE FROM intents");
      await calls.markDialled(tx, [leg.id], 1);
    });
    await take(leg, { kind: "answered", atUs: answeredAtUs });
    return leg;
  }

  const intentsOf = (callId: CallId) => store.read((tx) => calls.intentsOfCall(tx, callId));
  const legOf = async (id: LegId) => (await store.read((tx) => calls.legById(tx, id)))!;

  it("keeps what both want done: a cut-off armed anew for its workspace, and its own hang-up", async () => {
    const leg = await talking();
    const policy = store.write(async (tx) => {
      await updateWorkspace(tx, home, { onZeroBalance: "hangup" });
      await api.moneyChanged(tx, home);
      await linger(tx);
    });
    await clock.sleep(100);
    await Promise.all([policy, store.write((tx) => api.hangUp(tx, home, leg.callId))]);
    const kinds = (await intentsOf(leg.callId)).flatMap(({ commands }) =>
      (JSON.parse(commands) as Command[]).map(({ kind }) => kind),
    );
    assert.deepEqual(kinds.sort(), ["cutAt", "disarmKill", "hangUp", "setVariable"]);
  });

  function runner(over: Store, box: Partial<Switch>, by = clock) {
    return new IntentRunner({
      ...{
        store: over,
        clock: by,
        log: silentLog,
        trunks: parts.trunks,
        ids,
        scope: { box: "box" },
        stillLeads: null,
      },
      peers: parts.peers,
      media: { prepare: () => Promise.reject(new Error("no media here")) },
      questioner: new Questioner({
        ...{ store: over, clock, secrets, ids, log: silentLog },
        egress: createEgress({ clock, allowPrivate: true }),
      }),
      streams: {
        run: () => Promise.reject(new Error("no streams here")),
        end: () => Promise.resolve(),
      },
      sipAddressOf: () => Promise.reject(new Error("no hosts here")),
      boxOf: () => ({ connected: true, ...box }) as Switch,
      announced: () => Promise.resolve(),
      inDoubt: () => undefined,
      progress: () => Promise.resolve(),
      fact: () => Promise.resolve(),
      news: () => Promise.resolve(),
    });
  }

  it("does a call's commands again in their order, where the rows of those that were done stayed", async () => {
    const leg = await talking();
    const recording = ids.next("rec");
    await store.write(async (tx) => {
      for (const masked of [true, false]) {
        const command: Command = { kind: "maskRecording", leg: leg.id, recording, masked };
        await calls.insertIntent(tx, {
          ...{ id: ids.next("int"), callId: leg.callId, commands: JSON.stringify([command]) },
          ...{ atMostOnce: 0, sentAtMs: null, createdAtMs: clock.nowMs() },
        });
      }
    });
    const sent: boolean[] = [];
    const intents = runner(awayFor(1, store), {
      maskRecording: (_leg, _recording, masked) => Promise.resolve(sent.push(masked) > 0),
    });
    await eventually("the rows gone", async () => {
      intents.run(leg.callId);
      return (await intentsOf(leg.callId)).length === 0 ? true : undefined;
    });
    await intents.stop();
    assert.equal(sent.at(-1), false, "the recording goes on");
    for (let at = 0; at < sent.length; at += 2) assert.deepEqual(sent.slice(at, at + 2), [true, false]);
  });

  it("leaves to reconciliation a call that came too late and whose end could not be told", async () => {
    const leg = await placed();
    await store.write((tx) => tx.run("UPDATE intents SET created_at_ms = created_at_ms - 11000"));
    // Its news gets nowhere, as if we died there.
    const intents = runner(store, { connected: false });
    intents.run(leg.callId);
    await eventually("the row gone", async () =>
      (await intentsOf(leg.callId)).length === 0 ? true : undefined,
    );
    await intents.stop();
    const live = await store.read((tx) => calls.liveLegsOfBox(tx, leg.box));
    assert.deepEqual(
      live.map(({ id }) => id),
      [leg.id],
    );
  });

  for (const [first, lingers] of [
    ["taking in", "takeIn"],
    ["the record of their end", "record"],
  ] as const)
    it(`takes a caller in, and takes in how they went, where ${first} is under way as the other begins`, async () => {
      const channel = channelName(ids.bytes(16));
      const [startUs, endUs] = [clock.nowUs() - 900_000, clock.nowUs() - 400_000];
      const arrival: Arrival = {
        ...{ box: "box", uuid: channel, createdAtUs: startUs, from: "+254733000001", to: nairobi },
        ...{ sipCallId: "a@b", device: null, address: null, ticket: null, relay: null },
      };
      const taking = {
        ...parts,
        ticketed: () => false,
        drains: { isDraining: () => false, allDraining: () => false },
      };
      const slowly = (isSlow: boolean): Store => ({
        read: (work) => store.read(work),
        write: (work) =>
          store.write(async (tx) => {
            const result = await work(tx);
            if (isSlow) await linger(tx);
            return result;
          }),
        close: () => store.close(),
      });
      const records = new EndRecords({
        ...{ ...parts, store: slowly(lingers === "record"), log: silentLog },
        ending: () => Promise.resolve(),
        ended: () => undefined,
      });
      const takeIn = () =>
        slowly(lingers === "takeIn").write((tx) =>
          takeInCall(tx, taking, arrival, { call: ids.next("call"), leg: ids.next("leg") }, document),
        );
      const record = () =>
        records.take(
          JSON.stringify({
            variables: {
              ...{ uuid: channel, direction: "inbound", hangup_cause: "ORIGINATOR_CANCEL" },
              ...{ start_uepoch: String(startUs), end_uepoch: String(endUs), answer_uepoch: "0" },
            },
          }),
        );
      const [one, other] = lingers === "takeIn" ? [takeIn, record] : [record, takeIn];
      const begun = one();
      await clock.sleep(100);
      await Promise.all([begun, other()]);
      const leg = await store.read((tx) => calls.legOfChannel(tx, channel));
      assert.deepEqual([leg?.status, leg?.endedBy, leg?.endedAtUs], ["canceled", "end_record", endUs]);
      const call = await store.read((tx) => calls.callById(tx, leg!.callId));
      assert.equal(call?.status, "canceled");
      assert.deepEqual(await store.read((tx) => tx.all("SELECT * FROM gone_callers")), []);
    });

  it("gives a trunk's last channel to one box alone, where two dial over it in the same moment", async () => {
    const text = JSON.stringify({ trunks: [{ name: "safari", host: "196.201.214.10", channels: 1 }] });
    const read = readTrunkFile(text, { secretOf: () => undefined, edge: false, reserved: "carrier" });
    assert.ok(read.ok);
    const [trunk] = read.trunks;
    const loaded = gatewayHash(trunk!, null);
    await store.write(async (tx) => {
      for (const box of ["one", "other"]) {
        await gatewayWritten(tx, box, "safari", loaded);
        await gatewayLoaded(tx, box, "safari", loaded);
      }
    });
    const trunks = new Trunks({ ids, watch: { trunks: read.trunks }, edge: null, gateway: "carrier" });
    const dial = async (leg: LegRow, box: string) =>
      store.write(async (tx) => {
        const chosen = await trunks.choose(tx, { box, to: "+254712345678", tried: [], beside: [] });
        if (typeof chosen !== "string") await calls.updateLeg(tx, leg.id, { trunk: chosen.trunk });
        await linger(tx);
        return chosen;
      });
    const legs = [await placed(), await placed()] as const;
    const chosen = await Promise.all([dial(legs[0], "one"), dial(legs[1], "other")]);
    assert.equal(chosen.filter((one) => one === "none").length, 1, JSON.stringify(chosen));
  });

  it("gives up a call that no box could take for ten seconds, though the clock was set back by an hour in them", async () => {
    const leg = await placed();
    let passedMs = 0;
    const intents = runner(
      store,
      { connected: false },
      {
        ...clock,
        nowMs: () => clock.nowMs() - 3_600_000,
        monotonicMs: () => clock.monotonicMs() + passedMs,
        after: (delayMs, fn) =>
          clock.after(delayMs, () => {
            passedMs = 10_000;
            fn();
          }),
      },
    );
    intents.run(leg.callId);
    await eventually("the row gone", async () =>
      (await intentsOf(leg.callId)).length === 0 ? true : undefined,
    );
    await intents.stop();
  });

  it("believes an unbridge that came after the channel was looked at", async () => {
    const leg = await talking();
    const other: LegRow = { ...leg, id: ids.next("leg"), position: 2, endedAtUs: null };
    await store.write((tx) => calls.insertLeg(tx, other));
    await take(leg, { kind: "bridged", atUs: 3_000_000, otherLeg: other.id });
    await take(leg, { kind: "unbridged", atUs: 4_000_000 });
    const facts = {
      leg: leg.id,
      createdAtUs: 1,
      ringingAtUs: null,
      answeredAtUs: 2_000_000,
      hungUp: false,
      relayed: false,
      playback: null,
    };
    await take(leg, {
      ...{ kind: "found", atUs: 5_000_000, bridgedBefore: other.id, adopted: "reconnected" },
      facts: { ...facts, bridgedTo: other.id },
    });
    assert.equal((await legOf(leg.id)).bridgedTo, null);
  });

  it("proves no leg by the life of another core than its own, though the change was stored late", async () => {
    const leg = await talking(2_000_000);
    await store.write(async (tx) => {
      await tx.run("UPDATE legs SET seen_at_us = 4000000");
      await calls.saveBox(tx, { name: leg.box, coreUuid: "old", version: "1", aliveAtUs: 5_000_000 });
    });
    const box = {
      ...{ box: leg.box, connected: true },
      listChannels: () => Promise.resolve([]),
      arrivals: () => Promise.resolve([]),
      strangers: () => Promise.resolve([]),
      channelFacts: () => Promise.resolve(null),
    } as Partial<Switch> as Switch;
    const reconciler = new Reconciler({
      ...{ box, clock, log: silentLog },
      store: awayFor(1, store),
      takesEndRecords: true,
      news: () => Promise.resolve(),
      arrived: () => undefined,
      isArriving: () => false,
      hangUp: () => Promise.resolve(),
    });
    const connected = { kind: "connected", box: leg.box, coreUuid: "new", version: "1" } as const;
    await reconciler.connected(connected);
    // Minutes of beats of the new core, and its connection is cut once.
    await store.write((tx) => calls.saveBoxAlive(tx, leg.box, "new", 300_000_000));
    await reconciler.every(30_000);
    await store.write((tx) => calls.saveBoxAlive(tx, leg.box, "new", 301_000_000));
    await reconciler.connected(connected);
    const { seenAtUs, endedBy } = await legOf(leg.id);
    assert.deepEqual([seenAtUs, endedBy], [5_000_000, "last_proven"]);
  });

  it("proves no leg by the life of a box that was seen to be without it", async () => {
    const leg = await talking(2_000_000);
    await store.write((tx) => tx.run("UPDATE legs SET started_at_us = 1000000, max_duration_seconds = 60"));
    const nobody = () => Promise.resolve([]);
    const box = {
      ...{ box: leg.box, connected: true, listChannels: nobody, arrivals: nobody, strangers: nobody },
      ...{ relayed: nobody, channelFacts: () => Promise.resolve(null) },
    };
    const told: LegNews[] = [];
    let atMs = 0;
    const common = { store, clock: { ...clock, monotonicMs: () => atMs }, log: silentLog };
    const reconciler = new Reconciler({
      ...{ ...common, box: box as Partial<Switch> as Switch, takesEndRecords: true },
      news: (news) => Promise.resolve(told.push(news)),
      arrived: () => undefined,
      isArriving: () => false,
      hangUp: () => Promise.resolve(),
    });
    await reconciler.connected({ kind: "connected", box: leg.box, coreUuid: "core", version: "1" });
    await store.write((tx) => calls.saveBoxAlive(tx, leg.box, "core", 30_000_000));
    await endLegsOfUnknownBoxes(
      { ...common, news: (news) => Promise.resolve(told.push(news)) },
      { configured: ["another"], leaderless: [] },
    );
    box.connected = false;
    for (atMs of [30_000, 120_000]) await reconciler.every(30_000);
    assert.deepEqual(
      told.map((news) => news.kind === "hungUp" && [news.closed, news.endedAtUs]),
      [
        ["switch_not_configured", 2_000_000],
        ["switch_away", 2_000_000],
      ],
    );
    reconciler.stop();
  });

  for (const [what, stepMs, laterMs] of [
    ["an hour back just then", -3_600_000, -3_600_000],
    ["an hour back, and right again by the time that it is stored", -3_600_000, 0],
  ] as const)
    it(`knows of a leg that it died with its switch, though the clock was set ${what}`, async () => {
      const leg = await talking(2_000_000);
      const dialledMs = clock.nowMs();
      await store.write(async (tx) => {
        await tx.run("UPDATE legs SET dialled_at_ms = ?, started_at_us = ?", [dialledMs, dialledMs * 1000]);
        const aliveAtUs = dialledMs * 1000 + 1;
        await calls.saveBox(tx, { name: leg.box, coreUuid: "old", version: "1", aliveAtUs });
      });
      const nobody = () => Promise.resolve([]);
      const box = {
        ...{ box: leg.box, connected: true, listChannels: nobody, arrivals: nobody, strangers: nobody },
        channelFacts: () => Promise.resolve(null),
      } as Partial<Switch> as Switch;
      let setMs: number = stepMs;
      const reconciler = new Reconciler({
        ...{ box, clock: { ...clock, nowMs: () => clock.nowMs() + setMs }, log: silentLog },
        store: awayFor(1, store),
        takesEndRecords: true,
        news: () => Promise.resolve(),
        arrived: () => undefined,
        isArriving: () => false,
        hangUp: () => Promise.resolve(),
      });
      await reconciler.connected({ kind: "connected", box: leg.box, coreUuid: "new", version: "1" });
      setMs = laterMs;
      await reconciler.every(30_000);
      assert.equal((await legOf(leg.id)).endedBy, "last_proven");
      reconciler.stop();
    });

  it("knows a switch to have lived when it was connected, and no later, whenever that could be stored", async () => {
    const nobody = () => Promise.resolve([]);
    const box = {
      ...{ box: "nairobi-1", connected: true, listChannels: nobody, arrivals: nobody, strangers: nobody },
      relayed: nobody,
    } as Partial<Switch> as Switch;
    let laterMs = 0;
    const later = {
      ...clock,
      steadyMs: () => clock.steadyMs() + laterMs,
      monotonicMs: () => clock.monotonicMs() + laterMs,
    };
    const reconciler = new Reconciler({
      ...{ box, clock: later, log: silentLog, store: awayFor(1, store) },
      takesEndRecords: true,
      news: () => Promise.resolve(),
      arrived: () => undefined,
      isArriving: () => false,
      hangUp: () => Promise.resolve(),
    });
    await reconciler.connected({ kind: "connected", box: box.box, coreUuid: "new", version: "1" });
    const connectedUs = steadyUs(clock);
    laterMs = 60_000;
    await reconciler.every(30_000);
    const row = await store.read((tx) => calls.boxByName(tx, box.box));
    assert.equal(row?.coreUuid, "new");
    assert.ok(row.aliveAtUs! <= connectedUs, `${row.aliveAtUs! - connectedUs} µs later`);
    reconciler.stop();
  });

  for (const [whose, steadyAheadMs] of [
    ["was set five hours ahead", 0],
    ["was five hours ahead when the process began", 5 * 3_600_000],
  ] as const)
    it(`ends no leg of a box that is away for a moment by a clock that ${whose}`, async () => {
      const leg = await talking();
      const aheadMs = 5 * 3_600_000;
      let atMs = 0;
      const box = {
        ...{ box: leg.box, connected: false, listChannels: () => Promise.resolve([]) },
        ...{ arrivals: () => Promise.resolve([]), strangers: () => Promise.resolve([]) },
        relayed: () => Promise.resolve([]),
        channelFacts: () => Promise.resolve(null),
      };
      const told: LegNews[] = [];
      const reconciler = new Reconciler({
        ...{ box: box as Partial<Switch> as Switch, store, log: silentLog, takesEndRecords: true },
        hangUp: () => Promise.resolve(),
        clock: {
          ...clock,
          nowMs: () => clock.nowMs() + aheadMs,
          nowUs: () => clock.nowUs() + aheadMs * 1000,
          steadyMs: () => clock.steadyMs() + steadyAheadMs,
          monotonicMs: () => atMs,
        },
        news: (news) => Promise.resolve(told.push(news)),
        arrived: () => undefined,
        isArriving: () => false,
      });
      for (const [ms, connected] of [
        ...[[0, false] as const, [55_000, false] as const],
        ...[[90_000, true] as const, [125_000, false] as const, [180_000, false] as const],
      ]) {
        [atMs, box.connected] = [ms, connected];
        await reconciler.every(30_000);
        assert.deepEqual(told, [], `after ${ms} ms`);
      }
      // It does not come back, and this process knows of no other time.
      atMs = 220_000;
      await reconciler.every(30_000);
      assert.equal(told.length, steadyAheadMs === 0 ? 0 : 1);
      reconciler.stop();
    });

  it("gives up what is told to an endpoint that is being deleted", async () => {
    const endpoints = new WebhookEndpoints({ clock, ids, secrets, wake: () => undefined });
    const { endpoint } = await store.write((tx) =>
      endpoints.create(tx, home, { url: "https://example.com/", events: ["call.dial_completed"] }),
    );
    const leg = await talking();
    const told = store.write(async (tx) => {
      const change = (await CallChange.load(parts, tx, leg.callId))!;
      await change.emit("call.dial_completed", {});
      await change.save();
      await linger(tx);
    });
    await clock.sleep(100);
    await store.write((tx) => endpoints.delete(tx, home, endpoint.id));
    await told;
    const rows = await store.read((tx) =>
      tx.all<{ status: string }>("SELECT status FROM deliveries WHERE endpoint_id = ?", [endpoint.id]),
    );
    assert.ok(rows.length > 0);
    assert.ok(rows.every(({ status }) => status !== "pending"));
  });
});
