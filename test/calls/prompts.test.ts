import assert from "node:assert/strict";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { WorkspaceId } from "../../engine/ids.ts";
import { levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import { parseWav } from "../../engine/simulator/media/wav.ts";
import { filesInUse } from "../../engine/store/media.ts";
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

  it("is in use for as long as a call may hear it again: looped, as ringback, in a room", async () => {
    const ringsForEver = "+254700000180";
    const prompt = async (hz: number) => {
      const { row, url } = await upload(on.home, wav({ hz, seconds: 0.5 }));
      return { url, name: `${row.sha256}.wav` };
    };
    const [looped, next, ringback, music] = [
      await prompt(710),
      await prompt(720),
      await prompt(730),
      await prompt(740),
    ];
    const inUse = () => on.store.read(filesInUse);
    const waitUrl = music.url;
    const ids = await Promise.all(
      [
        [{ play: { url: looped.url, loop: 20 } }],
        [{ dial: { number: ringsForEver, ringback: ringback.url, timeout: 30 } }],
        [{ conference: { name: "Ngoja", startOnEnter: false, waitUrl } }],
      ].map((actions) => on.place({ to: otieno, actions })),
    );

    const heard = (...names: string[]) =>
      eventually(`${names.length} in use`, async () => {
        const found = await inUse();
        return found.size === names.length && names.every((name) => found.has(name)) ? found : undefined;
      });
    await heard(looped.name, ringback.name, music.name);
    await on.direct(ids[0]!, [{ play: { url: next.url, loop: 20 } }]);
    await heard(next.name, ringback.name, music.name);
    for (const id of ids) await on.hangUp(id);
    for (const id of ids) await on.ended(id);
    assert.deepEqual(await inUse(), new Set());
  });
});
