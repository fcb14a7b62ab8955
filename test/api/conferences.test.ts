import assert from "node:assert/strict";
import { insertRoom } from "../../engine/store/conferences.ts";
import { nairobi, otienosPhone, world, type World } from "./world.ts";

type Workspace = Awaited<ReturnType<World["workspace"]>>;

describe("conferences", () => {
  let api: World;
  let wanjiru: Workspace;
  let otieno: Workspace;
  before(async () => {
    api = await world();
    wanjiru = await api.workspace();
    otieno = await api.workspace({ name: "Otieno", number: "+254200000002" });
    for (const name of ["first", "50 % / off", "last"]) await open(name, wanjiru);
    await open("first", otieno);
  });
  after(() => api.end());

  const open = (name: string, { id }: Workspace) =>
    api.store.write((tx) =>
      insertRoom(tx, {
        ...{ id: api.ids.next("conf"), workspaceId: id, name, box: "box", maxParticipants: 2, locked: 0 },
        ...{ music: null, createdAtMs: api.clock.nowMs(), startedAtMs: null, endedAtMs: null },
      }),
    );
  const get = (path: string, key = wanjiru.key) => api.ask("GET", `/v1/conferences${path}`, { key });
  const command = (name: string, body: unknown, key = wanjiru.key) =>
    api.ask("POST", `/v1/conferences/${encodeURIComponent(name)}/commands`, { key, body });

  it("are listed newest first, page by page, the workspace's own", async () => {
    const page = await get("?limit=2");
    assert.deepEqual(
      page.body.data.map(({ name }: { name: string }) => name),
      ["last", "50 % / off"],
    );
    const rest = await get(`?limit=2&cursor=${page.body.next_cursor}`);
    assert.deepEqual(
      [rest.body.data.length, rest.body.data[0].name, rest.body.next_cursor],
      [1, "first", null],
    );
    assert.equal((await get("", otieno.key)).body.data.length, 1);
  });

  it("are found by their name, percent-encoded, and by nobody else's key", async () => {
    const found = await get("/50%20%25%20%2F%20off");
    assert.deepEqual([found.status, found.body.name, found.body.members], [200, "50 % / off", []]);
    for (const [path, key] of [
      ["/last", otieno.key],
      ["/Last", wanjiru.key],
      ["/%20", wanjiru.key],
      [`/${"x".repeat(65)}`, wanjiru.key],
    ] as const) {
      const { status, body } = await get(path, key);
      assert.deepEqual([status, body.error.code], [404, "conferences.not_found"], path);
    }
    assert.equal((await command("last", { command: "lock" }, otieno.key)).status, 404);
  });

  it("are directed with calls.supervise, and looked at with calls.read", async () => {
    const reader = await api.key(wanjiru.id, { scopes: ["calls.read", "calls.write"] });
    const supervisor = await api.key(wanjiru.id, { scopes: ["calls.supervise"] });
    assert.equal((await get("/last", reader)).status, 200);
    assert.equal((await command("last", { command: "lock" }, reader)).body.error.code, "auth.scope");
    assert.equal((await command("last", { command: "lock" }, supervisor)).status, 202);
    assert.equal((await get("/last", reader)).body.locked, true);
    assert.equal((await get("/last", supervisor)).body.error.code, "auth.scope");
  });

  it("tell nobody, and play nothing, of an address that is not public", async () => {
    const inside = "http://127.0.0.1:9/events";
    const played = await command("last", { command: "play", url: inside });
    assert.deepEqual([played.status, played.body.error.fields[0].field], [422, "url"]);
    const actions = [
      { wait: { seconds: 1 } },
      { conference: { name: "desk", statusEventsCallbackUrl: inside } },
    ];
    const placed = await api.ask("POST", "/v1/calls", {
      key: wanjiru.key,
      body: { from: nairobi, to: otienosPhone, actions },
    });
    assert.deepEqual(
      [placed.status, placed.body.error.code, placed.body.error.fields[0].field],
      [422, "webhooks.url_not_allowed", "actions[1].conference.statusEventsCallbackUrl"],
    );
  });

  it("that end are gone, and their name is free", async () => {
    const { body } = await get("/first");
    assert.equal((await command("first", { command: "end" })).body.conference_id, body.id);
    assert.equal((await get("/first")).status, 404);
    assert.equal(await open("first", wanjiru), true);
    assert.equal(await open("first", wanjiru), false);
    assert.equal((await get("/first", otieno.key)).status, 200);
  });
});
