import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { databaseKind } from "../store/test-database.ts";
import { nairobi } from "../world/world.ts";
import { CallsUnderWay } from "./calls-under-way.ts";
import { RollingWorld, type Age } from "./rolling-world.ts";
import { checkOut, removeVersion, thisVersion, versionBefore, type Version } from "./versions.ts";

const wanjiru = "+254700000001";
/** Presses, and so sends back, each digit that it is sent. */
const echo = "+254700000004";
const hangsUpAfter3s = "+254700000103";
/** How long both versions are there at once, at each step. */
const besideMs = 3_000;
/** A call that nobody sent for so long is not sent any more. */
const notSent = "not_sent";

if (databaseKind === "postgres") {
  const from = versionBefore();
  const title = "from the version before to this one, and back, with calls up";
  if ("missing" in from)
    describe(title, () => {
      it.skip(`is skipped: ${from.missing}`);
    });
  else
    describeOnSwitch(`${title} (from ${from.title})`, function () {
      this.timeout(240_000);
      // Each begins where the one before ended.
      this.bail(true);
      let old: Version;
      let world: RollingWorld;
      before(async () => {
        old = checkOut(from.commit);
        world = await RollingWorld.start({ old, new: thisVersion });
      });
      after(async () => {
        await world.end();
        await removeVersion(old);
      });

      it("has a schema of the old version to begin with", async () => {
        assert.deepEqual(await world.migrations(), old.migrations);
      });

      it("goes on through the upgrade: no call ends, no request fails, nothing is lost or charged twice", async () => {
        await world.untilLed("all by the old one", allBy("old"));
        await through("old", async () => {
          await world.stopPart("old", "spool");
          await world.startPart("new", "spool");
          await sleep(besideMs);
          assert.deepEqual(await world.migrations(), thisVersion.migrations);
          await roll("controller", "old", "new");
          await roll("api", "old", "new");
        });
      });

      it("goes on through a roll-back on the new version's schema", async () => {
        await through("new", async () => {
          await roll("api", "new", "old");
          await roll("controller", "new", "old");
          await world.stopPart("new", "spool");
          await world.startPart("old", "spool");
        });
      });

      for (const [by, then] of [
        ["old", "new"],
        ["new", "old"],
      ] as const)
        it(`has what the ${by} version wanted done, and nobody did, done by the ${then} one`, async () => {
          const talking = await answered({ record: true });
          const steered = await answered({
            ...{ to: echo, record: true, voice_callback_url: world.inbox.url },
            actions: [{ getDigits: { numDigits: 1, timeout: 60 } }, { wait: { seconds: 60 } }],
          });
          await world.stopPart(by, "controller");
          if (by === "new") await roll("api", "old", "new");
          const statuses = await Promise.all([
            ask("POST", `/v1/calls/${talking}/hangup`),
            ask("PATCH", `/v1/calls/${steered}/recording`, { state: "paused" }),
            ask("POST", `/v1/calls/${steered}/digits`, { digits: "1" }),
          ]);
          assert.deepEqual(statuses, [200, 200, 202]);
          const dialled = await place(hangsUpAfter3s);
          await world.startPart(then, "controller");
          const ended = await Promise.all([talking, dialled].map((id) => world.customer.ended(id, 60_000)));
          assert.equal(ended[0]?.status, "completed");
          // The start of a process takes seconds, and a call is sent within ten, or not at all.
          assert.ok(ended[1]?.status === "completed" || ended[1]?.failure_code === notSent);
          await world.customer.until(steered, "the digit that it was sent, sent back", ({ events }) =>
            events.some(({ kind }) => kind === "call.digits"),
          );
          await world.customer.hangUp(steered);
          await world.customer.ended(steered);
        });

      it("leaves the books in order, and nobody said that anything went wrong", async () => {
        await world.audit();
        assert.deepEqual(world.customer.failed, []);
        assert.doesNotMatch(world.output(), /"level":(50|60)|Unhandled|could not stop cleanly/);
      });

      const place = (to: string, more: Record<string, unknown> = {}) =>
        world.customer.place({ from: nairobi, to, events_url: world.inbox.url, ...more });
      const ask = async (method: string, path: string, body?: unknown) =>
        (await world.customer.ask(method, path, { body })).status;

      async function answered({
        to = wanjiru,
        ...more
      }: Record<string, unknown> & { to?: string }): Promise<string> {
        const id = await place(to, more);
        await world.customer.until(id, "its answer", ({ status }) => status === "answered");
        return id;
      }

      /** Calls in the middle of everything, and others that come and go, while `steps` are done. */
      async function through(begunBy: Age, steps: () => Promise<void>): Promise<void> {
        const calls = await CallsUnderWay.begin(world, begunBy);
        const { failovers } = world.customer;
        const stop = traffic(300);
        await sleep(besideMs);
        await steps().catch(async (error: unknown) => {
          await stop().catch(() => undefined);
          await calls.close();
          throw error;
        });
        await sleep(besideMs);
        const placed = await stop();
        await calls.check();
        await calls.finish();
        for (const id of placed) {
          const call = await world.customer.ended(id, 60_000);
          assert.equal(call.status, "completed", JSON.stringify(call));
          assert.ok(call.duration_seconds >= 3 && call.duration_seconds <= 4, `${call.duration_seconds} s`);
        }
        assert.ok(placed.length > 20, `${placed.length} calls`);
        assert.ok(world.customer.failovers > failovers, "an API was stopped under the traffic");
        assert.deepEqual(world.customer.failed, []);
        await world.audit();
      }

      /** The one beside the other, and then without it. */
      async function roll(role: "api" | "controller", before: Age, then: Age): Promise<void> {
        await world.startPart(then, role);
        if (role === "controller") await world.untilLed("a box each", ([first, second]) => first !== second);
        await sleep(besideMs);
        await world.stopPart(before, role);
        if (role === "controller") await world.untilLed(`all by the ${then} one`, allBy(then));
      }

      /** A call that ends by itself every `everyMs`, until the answer is called, which resolves with all of them. */
      function traffic(everyMs: number): () => Promise<string[]> {
        const stopping = new AbortController();
        const placed: string[] = [];
        const run = (async () => {
          while (!stopping.signal.aborted) {
            placed.push(await place(hangsUpAfter3s, { record: true }));
            assert.equal(await ask("GET", "/v1/calls?limit=5"), 200);
            await sleep(everyMs);
          }
        })();
        run.catch(() => undefined);
        return async () => {
          stopping.abort();
          await run;
          return placed;
        };
      }
    });
}

const allBy = (age: Age) => (leaders: Age[]) => leaders.every((one) => one === age);
