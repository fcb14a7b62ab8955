import assert from "node:assert/strict";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { WorkspaceId } from "../../engine/ids.ts";
import { levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import { parseWav } from "../../engine/simulator/media/wav.ts";
import { wav } from "../media/wav.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { eventOf, kindsOf, world, type World } from "./world.ts";

const otieno = "+254700000005";

describeOnSwitch("an uploaded prompt", function () {
  this.timeout(60_000);
  let on: World;
  before(async () => {
    on = await world();
  });
  after(() => on.end());

  async function upload(workspace: WorkspaceId, bytes: Uint8Array) {
    const row = await on.prompts.put(workspace, { bytes, name: null });
    await on.store.write((tx) => on.prompts.publish(tx, row));
    return { row, url: on.prompts.urls.of(row.id) };
  }
  const converted = async () =>
    (await readdir(join(on.peer.spoolDir, "media"))).filter((name) => name.endsWith(".wav"));

  it("is heard, from the storage and nowhere else; what became of it meanwhile is told", async () => {
    const { row, url } = await upload(on.home, wav({ hz: 700, seconds: 1 }));
    const gone = await upload(on.home, wav({ hz: 300, seconds: 1 }));
    const theirs = await upload(await on.workspace("+254200000009"), wav({ hz: 500, seconds: 1 }));

    const id = await on.place({
      ...{ to: otieno, record: "from-answer" },
      actions: [
        { wait: { seconds: 1 } },
        { play: { url } },
        { play: { url: gone.url } },
        { getDigits: { timeout: 1, nested: [{ play: { url: gone.url } }] } },
        { hangup: {} },
      ],
    });
    await on.store.write((tx) => on.prompts.delete(tx, on.home, gone.row.id));
    const call = await on.ended(id);

    const told = call.events.filter(({ kind }) => kind.startsWith("play."));
    assert.deepEqual(
      told.map(({ kind, payload }) => [kind, payload["url"], payload["reason"]]),
      [
        ["play.started", url, undefined],
        ["play.finished", url, undefined],
        ["play.failed", gone.url, "media_not_found"],
        ["play.failed", gone.url, "media_not_found"],
      ],
    );
    await assert.rejects(on.place({ to: otieno, actions: [{ play: { url: theirs.url } }] }), {
      code: "validation.invalid",
    });
    const recording = await eventually("the recording", async () => {
      const [found] = await on.recordingsOf(id);
      return found?.status === "ready" && found.objectKey !== null ? found.objectKey : undefined;
    });
    const heard = parseWav(Buffer.from((await on.storage.get(recording, 10_000_000))!)).channels[1]!;
    assert.ok(levelDbfs(heard, 700) > -30, `${levelDbfs(heard, 700)} dBFS`);
    assert.deepEqual(await converted(), [`${row.sha256}.wav`]);
  });

  it("that the storage has lost is a failed play, and the document goes on", async () => {
    const { row, url } = await upload(on.home, wav({ hz: 900, seconds: 1 }));
    await on.storage.delete(row.objectKey);
    await rm(join(on.peer.spoolDir, "media"), { recursive: true, force: true });

    const call = await on.ended(await on.place({ to: otieno, actions: [{ play: { url } }] }));

    assert.equal(eventOf(call, "play.failed").payload["reason"], "storage_failed");
    assert.ok(kindsOf(call).includes("document.ended"));
  });
});
