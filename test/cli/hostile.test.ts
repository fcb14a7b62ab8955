import { strict as assert } from "node:assert";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sinon from "sinon";
import { print } from "../../cli/operator/desk.ts";
import { operator } from "../../cli/operator/operator.ts";
import { usage } from "../../cli/usage.ts";
import { systemClock } from "../../engine/clock.ts";
import { systemIds } from "../../engine/ids.ts";
import { seedShippedDeck } from "../../engine/metering/rates.ts";
import { everyRow } from "../privacy/world.ts";
import { testDatabase, type TestDatabase } from "../store/test-database.ts";
import type { Store } from "../../engine/store/store.ts";

/** Each operator's command, as the usage has it, with how many words stand behind it. */
const commands = [...usage([]).matchAll(/^ {2}((?:[a-z-]+ ?)+)(.*)$/gm)].flatMap(
  ([, name = "", rest = ""]) => {
    const [subject = "", action] = name.trim().split(" ");
    const others = ["start", "spool", "demo", "config", "doctor", "version", "simulator", "firewall", "help"];
    const words = rest.replace(/\[[^\]]*\]/g, "").match(/\b[A-Z][A-Z0-9_]+\b/g) ?? [];
    return others.includes(subject) ? [] : [{ subject, action, words: Math.max(1, words.length) }];
  },
);

const hostile: Record<string, string> = {
  SQL: "'; DROP TABLE workspaces; --",
  "another folder": "../../../../etc/passwd",
  "a shell's": "$(reboot) `reboot` | reboot",
  "a terminal's": "\u001b]0;x\u0007\u009b31m\u202e",
  "a prototype's": "__proto__",
  "two lines": "ws_01kb9n2v3w4x5y6z7a8b9c0d1e\nkey_01kb9n2v3w4x5y6z7a8b9c0d1e",
  "very long": "7".repeat(100_000),
};

describe("the operator's commands, with hostile words", function () {
  this.timeout(60_000);
  let folder: string;
  let database: TestDatabase;
  let store: Store;
  const before_ = { ...process.env };
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-hostile-"));
    database = await testDatabase();
    Object.assign(process.env, { DATA_DIR: folder, DATABASE_URL: database.url, LOG_LEVEL: "warn" });
    store = await database.open();
    // The first command about prices would.
    await store.write((tx) => seedShippedDeck(tx, systemIds(systemClock), systemClock.nowMs()));
  });
  after(async () => {
    for (const name of ["DATA_DIR", "DATABASE_URL", "LOG_LEVEL"]) {
      const was = before_[name];
      if (was === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = was;
    }
    await store.close();
    await database.remove();
    await rm(folder, { recursive: true, force: true });
  });
  const listeners = process.stdout.listeners("error");
  afterEach(() => {
    sinon.restore();
    // A process runs one command; this one ran many.
    for (const one of process.stdout.listeners("error"))
      if (!listeners.includes(one)) process.stdout.off("error", one as () => void);
  });

  const rows = async () => [...(await everyRow({ store } as never))];

  for (const [what, word] of Object.entries(hostile)) {
    it(`of ${what}, are refused in a sentence, or found to be nobody's, and change nothing`, async () => {
      assert.ok(commands.length > 30, `${commands.length} commands`);
      const had = await rows();
      for (const { subject, action, words } of commands) {
        const name = `${subject} ${action ?? ""}`.trim();
        // A workspace may be called anything, but for what is refused below.
        if (name === "workspace create") continue;
        const told = sinon.stub(process.stdout, "write").returns(true);
        const args = [...(action === undefined ? [] : [action]), ...Array<string>(words).fill(word)];
        process.stdout.setMaxListeners(100);
        const refused: unknown = await operator(subject, args).then(
          () => null,
          (error: unknown) => error,
        );
        const lines = told.args.map(([line]) => String(line)).join("");
        told.restore();
        if (refused === null)
          assert.match(
            lines,
            /^$|^\[?\]?\n?$|"(workspaces|data)":\[\]/,
            `${name} says ${lines.slice(0, 200)}`,
          );
        else {
          assert.ok(refused instanceof Error, name);
          assert.doesNotMatch(
            refused.message,
            /SQLITE|syntax error|undefined|\[object|TypeError|    at /,
            name,
          );
          assert.equal(
            refused instanceof TypeError || refused instanceof RangeError,
            false,
            `${name}: ${String(refused)}`,
          );
        }
      }
      assert.deepEqual(await rows(), had);
    });
  }

  it("a stranger's words are printed so that no terminal obeys them, and read back as they were", () => {
    const typed = "\u0000\u001b[31m\u007f\u0080\u009b31m\u200f\u2028\u202e\u2066 Wanjiru é 😀";
    const told = sinon.stub(process.stdout, "write").returns(true);
    print({ typed });
    const [line] = told.args[0] as [string];
    told.restore();
    assert.doesNotMatch(line.trimEnd(), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    assert.deepEqual(JSON.parse(line), { typed });
  });
});
