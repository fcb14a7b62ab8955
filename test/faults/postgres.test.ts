import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { startPostgres, type PostgresServer } from "../peers/postgres-server.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { databaseKind, onServerOf, type TestDatabase } from "../store/test-database.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { placeUntilTaken, type Placed } from "./careful-customer.ts";

const wanjiru = "+254700000001";
const hangsUpAfter3s = "+254700000103";
const tooLongMs = 10_000;

interface Trouble {
  what: string;
  /** Returns once the server is well again. */
  make: (server: PostgresServer, database: TestDatabase) => Promise<void>;
}

const troubles: Trouble[] = [
  {
    what: "ends every connection, again and again",
    async make(_server, database) {
      for (let round = 0; round < 30; round++) {
        await database.byHand(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`,
        );
        await sleep(100);
      }
    },
  },
  {
    what: "is killed, and back after 3 s",
    async make(server) {
      await server.crash();
      await sleep(3_000);
      await server.start();
    },
  },
  {
    what: "stands still for 8 s",
    async make(server) {
      server.pause();
      try {
        await sleep(8_000);
      } finally {
        server.resume();
      }
    },
  },
];

if (databaseKind === "postgres") {
  describeOnSwitch("a PostgreSQL server in trouble under the whole product", function () {
    this.timeout(90_000);
    let server: PostgresServer;
    let database: TestDatabase;
    let world: TestWorld;
    let talking: string;
    before(async () => {
      server = await startPostgres();
      database = onServerOf(server);
      world = await TestWorld.start({}, undefined, { database });
      talking = await place(wanjiru);
      await world.customer.until(talking, "its answer", ({ status }) => status === "answered");
    });
    after(async () => {
      await world.end();
      await server.stop();
    });

    const place = (to: string) =>
      world.customer.place({ from: nairobi, to, events_url: world.inbox.url, record: true });

    /** Ends in the trouble, and what a careful client asked for meanwhile. */
    async function through({ make }: Trouble, number: string): Promise<{ ended: string; careful: Placed }> {
      const ended = await place(hangsUpAfter3s);
      await world.customer.until(ended, "two seconds of talk", ({ duration_seconds: s }) => s >= 2);
      const careful = placeUntilTaken(world, number, { everyMs: 200 });
      const [placed] = await Promise.all([careful, make(server, database)]);
      return { ended, careful: placed };
    }

    /** Rang once and was known to; or not at all, where nobody can say whether the mark before its sending was stored. */
    async function checkCareful({ callId, number }: Placed): Promise<void> {
      const { customer, carrier } = world;
      const placed = await customer.until(
        callId,
        "its answer",
        ({ status, ended_at: end }) => status === "answered" || end !== null,
        45_000,
      );
      const rung = (await carrier.calls()).filter((call) => call.number === number);
      if (rung.length === 0) return assert.equal(placed.failure_code, "controller_restarted");
      assert.equal(rung.length, 1);
      const answer = placed.events.find(({ kind }) => kind === "call.answered")!;
      const lateMs = Date.parse(answer.created_at) - Date.parse(answer.occurred_at);
      assert.ok(lateMs <= tooLongMs, `the answer was known after ${lateMs} ms`);
      await customer.hangUp(callId);
      assert.equal((await customer.ended(callId)).status, "completed");
    }

    for (const [index, trouble] of troubles.entries()) {
      it(`that ${trouble.what} loses no end, rings no phone twice, and ends no call`, async () => {
        const { customer, inbox } = world;
        const { ended, careful } = await through(trouble, `+25471230000${index}`);

        const call = await customer.ended(ended, 40_000);
        assert.equal(call.status, "completed");
        assert.ok(call.duration_seconds >= 3 && call.duration_seconds <= 4, `${call.duration_seconds} s`);
        await inbox.kind(ended, "call.completed", 1, 40_000);
        await inbox.kind(ended, "call.recording.ready", 1, 40_000);

        assert.equal(careful.ids.size, 1);
        await checkCareful(careful);

        assert.equal((await customer.call(talking)).status, "answered");
      });
    }

    it("that is away has requests refused, and says when to come again", async () => {
      await server.crash();
      const started = performance.now();
      const answers = await Promise.all([
        world.customer.ask("POST", "/v1/calls", { body: { from: nairobi, to: wanjiru } }),
        world.customer.ask("GET", `/v1/calls/${talking}`),
        world.customer.ask("POST", `/v1/calls/${talking}/hangup`),
      ]);
      const ms = performance.now() - started;
      for (const { status, body, headers } of answers) {
        assert.deepEqual([status, body.error.code], [503, "database.unavailable"]);
        assert.equal(headers.get("retry-after"), "1");
      }
      assert.ok(ms <= tooLongMs, `refused after ${ms} ms`);
      await server.start();
      await eventually("the database to be well", async () =>
        (await world.customer.ask("GET", "/readyz")).status === 200 ? true : undefined,
      );
      await world.customer.hangUp(talking);
      assert.equal((await world.customer.ended(talking)).hangup_cause, "normal_clearing");
    });

    it("leaves nothing for the auditor to find", () => world.audit());
  });
}
