import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describeConfig } from "../../cli/config.ts";
import { systemClock } from "../../engine/clock.ts";
import { systemIds } from "../../engine/ids.ts";
import { workspaceById } from "../../engine/store/workspaces.ts";
import { createWorkspace } from "../../engine/workspaces/workspaces.ts";
import { openTestStore } from "../store/test-database.ts";
import { anyOtherNumber, magicNumbers } from "../../engine/simulator/carrier/magic-numbers.ts";

const root = join(import.meta.dirname, "../..");
const page = (name: string) => readFileSync(join(root, name), "utf8");

describe("the README", () => {
  it("lists the numbers that the simulated carrier answers, as they behave", () => {
    const [, table = ""] = page("README.md").split("<!-- magic numbers");
    const rows = [...table.matchAll(/^\| `(\+\d+)`\s*\| (.+?)\s*\|$/gm)].map(([, number, text]) => [
      number,
      text,
    ]);

    assert.deepEqual(
      rows,
      Object.entries(magicNumbers).map(([number, { description }]) => [number, description]),
    );
    assert.ok(page("README.md").includes(`Any other number ${anyOtherNumber.description}.`));
  });

  it("tells the limits that a new workspace has", async () => {
    const store = await openTestStore();
    try {
      const row = await store.write(async (tx) => {
        const ids = systemIds(systemClock);
        const { id } = await createWorkspace(tx, ids, { name: "Wanjiru", createdAtMs: 0 });
        return workspaceById(tx, id);
      });
      const { callsPerSecond, concurrentCalls, requestsPerMinute } = row!;
      assert.ok(
        page("README.md").includes(
          `may place ${callsPerSecond} calls a second and have ${concurrentCalls} at once; a key may ask ${requestsPerMinute} times`,
        ),
      );
    } finally {
      await store.close();
    }
  });

  it("leads only to pages and headings that there are", () => {
    for (const name of ["README.md", "ARCHITECTURE.md", ...globSync("docs/**/*.md", { cwd: root })]) {
      for (const [, path = "", heading] of page(name).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)) {
        const target = path === "" ? name : join(dirname(name), path);
        const headings = target.endsWith(".md")
          ? [...page(target).matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
              title
                .toLowerCase()
                .replace(/[^\w\s-]/g, "")
                .replace(/\s/g, "-"),
            )
          : [];
        if (heading !== undefined) assert.ok(headings.includes(heading), `${name}: ${target}#${heading}`);
        assert.ok(existsSync(join(root, target)), `${name}: ${target}`);
      }
    }
  });

  it("names only settings that there are", () => {
    const known = new Set([...describeConfig({}).matchAll(/^([A-Z0-9_]+)=/gm)].map(([, name]) => name));
    // What the random run reads.
    for (const [, name] of page("test/faults/random/faults.ts").matchAll(/env\["(SAUTIKIT_[A-Z_]+)"\]/g))
      known.add(name);
    const named = [...page("README.md").matchAll(/\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b/g)].map(([, name]) => name);

    assert.deepEqual(
      named.filter((name) => !known.has(name ?? "") && name !== "SAUTIKIT_API_KEY"),
      [],
    );
  });
});

describe("the changelog", () => {
  it("is kept as Keep a Changelog has it: Unreleased on top, known headings below", () => {
    const headings = [...page("CHANGELOG.md").matchAll(/^(##+) (.+)$/gm)];

    assert.equal(headings[0]?.[2], "[Unreleased]");
    const kinds = headings.filter(([, level]) => level === "###").map(([, , title]) => title);
    const allowed = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Not there yet"];
    assert.deepEqual(
      kinds.filter((title) => !allowed.includes(title ?? "")),
      [],
    );
  });
});
