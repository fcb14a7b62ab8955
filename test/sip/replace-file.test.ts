import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { replaceFile } from "../../engine/sip/replace-file.ts";

describe("a file that the media server reads", () => {
  it("is written for several boxes at once, which share a spool: it is one of theirs, whole", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sautikit-replace-"));
    try {
      const path = join(folder, "trunks", "gateways.xml");
      const texts = Array.from({ length: 20 }, (_, index) => `${index} `.repeat(1_000 * (20 - index)));
      await Promise.all(texts.map((text, index) => replaceFile(path, text, `10.1.0.${index}:8021`)));
      assert.ok(texts.includes(await readFile(path, "utf8")));
      assert.deepEqual(await readdir(join(folder, "trunks")), ["gateways.xml"]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
