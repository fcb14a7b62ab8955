import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, symlinkSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { verbs } from "../../engine/actions/document.ts";
import { freePort } from "../peers/free-ports.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { startEmbedded, type Embedded } from "../world/embedded.ts";

const root = join(import.meta.dirname, "../..");
const folder = join(root, "docs/actions");
const pages = readdirSync(folder).filter((name) => name.endsWith(".md") && name !== "README.md");
const textOf = (name: string) => readFileSync(join(folder, name), "utf8");
const elsewhereOf = (name: string) => /^Its example is run by `(.+?)`/m.exec(textOf(name))?.[1];

describe("the pages of the voice actions", function () {
  this.timeout(120_000);
  let on: Embedded;
  before(async () => {
    on = await startEmbedded();
    // Where the README has its reader stand.
    symlinkSync(join(root, "test"), join(on.folder, "test"));
  });
  after(() => on.end());
  const together = sideBySide(4);

  it("are there for each action, and in the index", () => {
    const index = textOf("README.md");
    for (const verb of Object.keys(verbs)) {
      assert.ok(pages.includes(`${verb}.md`), `docs/actions/${verb}.md`);
      assert.ok(index.includes(`[\`${verb}\`](${verb}.md)`), `docs/actions/README.md leads to ${verb}`);
      assert.ok(textOf(`${verb}.md`).startsWith(`# \`${verb}\`\n`));
    }
  });

  it("name a test that is about them where it is not this one that runs them", () => {
    for (const page of pages) {
      const elsewhere = elsewhereOf(page);
      if (elsewhere !== undefined)
        assert.ok(readFileSync(join(root, elsewhere), "utf8").includes(`docs/actions/${page}`), page);
    }
  });

  for (const page of pages.filter((name) => elsewhereOf(name) === undefined))
    together(`${page} does what its example says`, async () => {
      const [, tried = ""] = textOf(page).split("## Try it");
      const [, script] = /```sh\n([\s\S]*?)```/.exec(tried) ?? [];
      const [, line] = /^Its events: (.+)$/m.exec(tried) ?? [];
      assert.ok(script !== undefined && line !== undefined, 'a shell block, and a line "Its events: …"');
      const expected = [...line.matchAll(/`([a-z_.]+)`/g)].map(([, kind]) => kind);
      assert.ok(expected.length > 0, line);

      const told = await run(script);
      const id = /"id":"(call_[0-9a-z]{26})"/.exec(told)?.[1];
      assert.ok(id !== undefined, told);
      const { events } = await on.customer.ended(id, 60_000);

      const kinds = events.map(({ kind }) => kind);
      let from = 0;
      for (const kind of expected) {
        const at = kinds.indexOf(kind ?? "", from);
        assert.ok(at >= 0, `no ${kind} there among ${kinds.join(", ")}`);
        from = at + 1;
      }
    });

  /** What a reader types, and what they see. */
  async function run(script: string): Promise<string> {
    const port = await freePort();
    const here = script.replaceAll("http://127.0.0.1:8080", on.baseUrl).replaceAll("8091", String(port));
    const PATH = `${dirname(process.execPath)}${delimiter}${process.env["PATH"] ?? ""}`;
    const child = execFile("bash", ["-eu", "-c", here], {
      cwd: on.folder,
      env: { ...process.env, PATH },
      timeout: 60_000,
    });
    let [stdout, stderr] = ["", ""];
    child.stdout?.on("data", (text: string) => (stdout += text));
    child.stderr?.on("data", (text: string) => (stderr += text));
    const [code] = (await once(child, "close")) as [number | null];
    assert.equal(code, 0, stderr);
    return stdout;
  }
});
