import { strict as assert } from "node:assert";
import { insert, markReady } from "../../engine/store/recordings.ts";
import { leg } from "../wallet/books.ts";
import { world, type World } from "./world.ts";

describe("storage over HTTP", () => {
  let api: World;
  let wanjiru: Awaited<ReturnType<World["workspace"]>>;
  before(async () => {
    api = await world();
    wanjiru = await api.workspace();
  });
  after(() => api.end());

  const storage = (key: string) => api.ask("GET", "/v1/storage", { key });

  it("says what is used, what is free, the average so far, what it will cost, and where it is", async () => {
    const otieno = await api.workspace({ name: "Otieno", number: "+254200000002" });
    const id = api.ids.next("rec");
    await api.store.write(async (tx) => {
      const { legId, callId } = await leg(tx, { workspaceId: wanjiru.id, endedAtUs: null });
      const recording = { id, callId, legId, workspaceId: wanjiru.id, box: "box", createdAtMs: 1 };
      await insert(tx, { ...recording, status: "starting", askedInCall: false });
      await markReady(tx, id, {
        ...{ durationMs: 1, trimmedMs: null, talkMs: 1, short: 0, sha256: "00", objectKey: id },
        // Stored long before this month began.
        ...{ sizeBytes: 7_000_000_000, storedAtMs: api.clock.nowMs() - 40 * 86_400_000 },
      });
    });
    const { status, body } = await storage(wanjiru.key);
    assert.equal(status, 200);
    const { month, average_bytes, ...rest } = body;
    assert.match(month, /^\d{4}-\d\d$/);
    assert.equal(average_bytes, 7_000_000_000);
    assert.deepEqual(rest, {
      ...{ used_bytes: 7_000_000_000, free_bytes: 5_000_000_000, currency: "KES", gb_month_minor: 200 },
      ...{ projected_charge_minor: 400, location: "Nairobi, Kenya" },
    });
    assert.equal((await storage(otieno.key)).body.used_bytes, 0, "and nobody else's");
  });

  it("asks for the scope recordings.read", async () => {
    const key = await api.key(wanjiru.id, { scopes: ["calls.read"] });
    assert.equal((await storage(key)).status, 403);
  });
});
