import { strict as assert } from "node:assert";
import type { CallId, RecordingId } from "../../engine/ids.ts";
import * as recordings from "../../engine/store/recordings.ts";
import {
  insertCallEvent,
  updateCall,
  updateLeg,
  legsOfCall,
  type CallRow,
} from "../../engine/store/calls.ts";
import { nairobi, otienosPhone, world, type World } from "./world.ts";

describe("lists of calls", () => {
  let api: World;
  let wanjiru: Awaited<ReturnType<World["workspace"]>>;
  beforeEach(async () => {
    api = await world();
    wanjiru = await api.workspace();
    await api.store.write((tx) =>
      tx.run("UPDATE workspaces SET calls_per_second = 1000, concurrent_calls = 1000"),
    );
  });
  afterEach(() => api.end());

  const place = async (body: object = {}): Promise<CallId> =>
    (
      await api.ask("POST", "/v1/calls", {
        key: wanjiru.key,
        body: { from: nairobi, to: otienosPhone, ...body },
      })
    ).body.id;
  const placeMany = async (count: number): Promise<CallId[]> => {
    const ids: CallId[] = [];
    for (let index = 0; index < count; index++) ids.push(await place());
    return ids;
  };
  const list = async (query: string) => {
    const { status, body } = await api.ask("GET", `/v1/calls${query}`, { key: wanjiru.key });
    assert.equal(status, 200, JSON.stringify(body));
    return {
      ids: body.data.map((call: { id: CallId }) => call.id) as CallId[],
      next: body.next_cursor as string | null,
    };
  };
  const change = (id: CallId, patch: Partial<CallRow>) => api.store.write((tx) => updateCall(tx, id, patch));

  it("pages neither skip nor repeat a call while others are placed", async () => {
    const ids = await placeMany(7);

    const first = await list("?limit=3");
    await placeMany(2);
    const second = await list(`?limit=3&cursor=${first.next}`);
    await placeMany(1);
    const third = await list(`?limit=3&cursor=${second.next}`);

    assert.deepEqual([...first.ids, ...second.ids, ...third.ids], [...ids].reverse());
    assert.equal(third.next, null);
    assert.match(first.next!, /^[A-Za-z0-9_-]+$/);
  });

  it("a page that ends with the last call has no next one", async () => {
    await placeMany(2);

    assert.equal((await list("?limit=2")).next, null);
    assert.equal((await list("")).ids.length, 2);
  });

  it("a call of more events than one answer holds shows the first, and the rest page by page", async () => {
    const [id, other] = await placeMany(2);
    const { key } = wanjiru;
    await api.store.write(async (tx) => {
      for (let position = 1; position <= 1_200; position++)
        await insertCallEvent(tx, {
          ...{ id: api.ids.next("evt"), callId: id!, workspaceId: wanjiru.id, position, sequence: null },
          ...{ kind: "digits.sent", payload: JSON.stringify({ digits: String(position) }) },
          ...{ occurredAtMs: api.clock.nowMs(), createdAtMs: api.clock.nowMs() },
        });
    });
    const digitsOf = (events: { payload: { digits: string } }[]) =>
      events.map(({ payload }) => Number(payload.digits));

    const { call } = (await api.ask("GET", `/v1/calls/${id}`, { key })).body;
    const pages: number[][] = [];
    for (let next: string | null = ""; next !== null;) {
      const from: string = next === "" ? "" : `?cursor=${next}`;
      const { body } = await api.ask("GET", `/v1/calls/${id}/events${from}`, { key });
      pages.push(digitsOf(body.data));
      next = body.next_cursor;
    }
    const cursor = Buffer.from(call.events[0].id as string).toString("base64url");
    const elsewhere = await api.ask("GET", `/v1/calls/${other}/events?cursor=${cursor}`, { key });

    assert.deepEqual(
      pages.map(({ length }) => length),
      [500, 500, 200],
    );
    assert.deepEqual(
      pages.flat(),
      Array.from({ length: 1_200 }, (_, index) => index + 1),
    );
    assert.deepEqual(digitsOf(call.events), pages[0]);
    assert.deepEqual(elsewhere.body.data, []);
  });

  it("so many recordings of a call are listed page by page as well", async () => {
    const [id] = await placeMany(1);
    const { key } = wanjiru;
    const made: RecordingId[] = [];
    await api.store.write(async (tx) => {
      const [leg] = await legsOfCall(tx, id!);
      for (let count = 0; count < 120; count++) {
        const recording = api.ids.next("rec");
        made.push(recording);
        await recordings.insert(tx, {
          ...{ id: recording, callId: id!, legId: leg!.id, workspaceId: wanjiru.id, box: "box" },
          ...{ status: "starting", trim: false, askedInCall: true, createdAtMs: api.clock.nowMs() },
        });
      }
    });

    const first = (await api.ask("GET", `/v1/calls/${id}/recordings`, { key })).body;
    const rest = (await api.ask("GET", `/v1/calls/${id}/recordings?cursor=${first.next_cursor}`, { key }))
      .body;

    const ids = (page: { data: { id: RecordingId }[] }) => page.data.map((recording) => recording.id);
    assert.deepEqual([ids(first).length, ids(rest).length, rest.next_cursor], [100, 20, null]);
    assert.deepEqual([...ids(first), ...ids(rest)], made);
  });

  it("a cursor of another list is refused", async () => {
    const cursor = Buffer.from("txn_01j00000000000000000000001").toString("base64url");

    const { status, body } = await api.ask("GET", `/v1/calls?cursor=${cursor}`, { key: wanjiru.key });

    assert.equal(status, 400);
    assert.equal(body.error.fields[0].field, "cursor");
  });

  it("each filter finds its own", async () => {
    const busy = await place({ client_request_id: "Order_17%" });
    await change(busy, { status: "busy", endedAtUs: api.clock.nowUs() });
    const inbound = await place({ to: "+254733000001" });
    await change(inbound, { direction: "inbound" });
    const old = await place();
    await change(old, { createdAtMs: Date.parse("2026-06-27T10:00:00Z") });
    const rest = await place();

    const rows: [query: string, found: CallId[]][] = [
      ["?status=busy", [busy]],
      ["?status=busy,initiated", [rest, old, inbound, busy]],
      ["?direction=inbound", [inbound]],
      ["?number=%2B254733000001", [inbound]],
      ["?number=+254733000001", [inbound]],
      ["?client_request_id=Order_17%25", [busy]],
      ["?client_request_id=order_17%25", []],
      ["?q=order_17%25", [busy]],
      ["?q=_1", [busy]],
      ["?q=733000", [inbound]],
      [`?q=${old.slice(-8)}`, [old]],
      ["?from=2026-06-27T10:00:00Z&to=2026-06-27T10:00:01Z", [old]],
      ["?from=2026-06-27T13:00:00+03:00&to=2026-06-27T13:00:01%2B03:00", [old]],
      [
        `?from=${Date.parse("2026-06-27T10:00:00Z") / 1000}&to=${Date.parse("2026-06-27T10:00:01Z") / 1000}`,
        [old],
      ],
      ["?to=2026-06-27T10:00:00Z", []],
      ["?status=busy&direction=inbound", []],
    ];
    for (const [query, found] of rows) assert.deepEqual((await list(query)).ids, found, query);
  });

  describe("in numbers", () => {
    const stats = async (query: string) =>
      (await api.ask("GET", `/v1/calls/stats${query}`, { key: wanjiru.key })).body;

    /** A call that was placed then and has ended so. */
    const ended = async (at: string, patch: Partial<CallRow>, seconds = 0, costMinor = 0) => {
      const id = await place();
      const createdAtMs = Date.parse(at);
      const answeredAtUs = seconds > 0 ? createdAtMs * 1000 : null;
      const endedAtUs = createdAtMs * 1000 + seconds * 1_000_000;
      await change(id, { createdAtMs, answeredAtUs, endedAtUs, ...patch });
      await api.store.write(async (tx) => {
        for (const leg of await legsOfCall(tx, id)) await updateLeg(tx, leg.id, { costMinor });
      });
    };

    beforeEach(() => {
      api.clock.offsetMs += Date.parse("2027-01-03T20:30:00Z") - api.clock.nowMs();
    });

    it("days are East Africa's, none is missing, and the parts add up", async () => {
      await place();
      await ended("2027-01-03T12:00:00Z", { status: "completed" }, 47, 235);
      await ended("2027-01-03T12:00:00Z", { status: "completed", direction: "inbound" }, 13);
      await ended("2027-01-03T11:00:00Z", { status: "busy" });
      await ended("2027-01-03T11:00:00Z", { status: "failed" });
      // 23:59:59 and 00:00:00 in Nairobi.
      await ended("2027-01-01T20:59:59Z", { status: "no_answer" });
      await ended("2027-01-01T21:00:00Z", { status: "canceled" });
      await ended("2026-12-27T20:59:59Z", { status: "completed" }, 60, 300);

      const body = await stats("?since=7d&bucket=day");

      assert.equal(body.series.length, 7);
      assert.equal(body.series[0].start, "2026-12-27T21:00:00Z");
      assert.equal(body.series.at(-1).start, "2027-01-02T21:00:00Z");
      assert.deepEqual(body.series.at(-1), {
        start: "2027-01-02T21:00:00Z",
        total: 4,
        inbound: 1,
        outbound: 3,
        completed: 2,
        missed: 1,
        failed: 1,
        spend_minor: 235,
      });
      assert.deepEqual(
        body.series.map((one: { missed: number }) => one.missed),
        [0, 0, 0, 0, 1, 1, 1],
      );
      for (const one of body.series) {
        const { completed, missed, failed, total } = one as Record<string, number>;
        assert.equal(completed! + missed! + failed!, total);
      }
      assert.deepEqual(
        { ...body, series: null },
        { series: null, total: 6, failed: 1, minutes_total: 1, spend_minor: 235, currency: "KES" },
      );
    });

    it("today, this month and any time can be asked for, with or without the series", async () => {
      await ended("2027-01-02T12:00:00Z", { status: "completed" }, 30, 150);
      await ended("2026-12-31T20:59:59Z", { status: "completed" }, 30, 150);

      assert.equal((await stats("")).total, 0);
      assert.equal((await stats("?since=today")).series, undefined);
      assert.equal((await stats("?since=month")).total, 1);
      assert.equal((await stats("?since=2026-12-31T00:00:00Z")).minutes_total, 1);
      assert.equal((await stats(`?since=${Date.parse("2027-01-02T12:00:00Z") / 1000}`)).total, 1);
      assert.equal((await stats("?since=today&bucket=hour")).series.length, 24);
      assert.equal((await stats("?since=2030-01-01T00:00:00Z&bucket=day")).series.length, 0);
    });

    it("a series without end is refused", async () => {
      const { status, body } = await api.ask("GET", "/v1/calls/stats?since=0&bucket=hour", {
        key: wanjiru.key,
      });

      assert.equal(status, 400);
      assert.equal(body.error.fields[0].field, "since");
    });
  });
});
