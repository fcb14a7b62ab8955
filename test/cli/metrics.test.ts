import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Registry } from "prom-client";
import { boundedLabel } from "../../cli/metrics/bounded-label.ts";
import { showStore } from "../../cli/metrics/store-metrics.ts";
import { systemClock } from "../../engine/clock.ts";
import { SautikitError } from "../../engine/errors.ts";
import { backlogs, unseenLegs } from "../../engine/store/backlog.ts";
import { freePort } from "../peers/free-ports.ts";
import { startRefusingCarrier } from "../peers/refusing-carrier.ts";
import { parseScrape, scrape } from "../peers/scrape.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { databaseKind, testDatabase } from "../store/test-database.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { sautikit } from "./sautikit.ts";

const hangsUpAfter3s = "+254700000103";
const ringsFirst = "+254700000003";
const isBusy = "+254700000486";

describeOnSwitch("the metrics of a running Sautikit", function () {
  this.timeout(60_000);
  let world: TestWorld;
  before(async () => {
    world = await TestWorld.start();
  });
  after(() => world.end());

  const seen = () => scrape(world.customer.baseUrl);

  it("say what came of legs, by trunk, status and cause, and how long they took to ring", async () => {
    const busy = await world.customer.place({ from: nairobi, to: isBusy });
    const spoken = await world.customer.place({ from: nairobi, to: hangsUpAfter3s });
    const ringing = await world.customer.place({ from: nairobi, to: ringsFirst });
    await world.customer.until(ringing, "its ringing", ({ status }) => status === "ringing");
    await world.customer.hangUp(ringing);
    for (const id of [busy, spoken, ringing]) await world.customer.ended(id);

    const { value } = await seen();
    const ended = (status: string, cause: string) =>
      value("sautikit_legs_ended_total", { direction: "outbound", trunk: "carrier", status, cause });
    assert.equal(ended("busy", "user_busy"), 1);
    assert.equal(ended("completed", "normal_clearing"), 1);
    assert.equal(value("sautikit_legs_ended_total", { status: "canceled" }), 1);
    assert.equal(value("sautikit_legs_ended_total"), 3);
    assert.ok(value("sautikit_post_dial_delay_seconds_count", { trunk: "carrier" })! >= 1);
    assert.ok(value("sautikit_post_dial_delay_seconds_sum")! < 3);
  });

  it("say how the media server and the database answer, and how the process is", async () => {
    const { value } = await seen();
    const [box] = Object.keys({ [new URL(world.env["FREESWITCH_URLS"]!).host]: 1 });
    assert.equal(value("sautikit_switch_connected"), 1);
    assert.equal(value("sautikit_switch_connections", { box: box! }), 1);
    assert.ok(value("sautikit_switch_heartbeat_age_seconds", { box: box! })! < 3);
    assert.ok(value("sautikit_switch_heartbeat_seconds", { box: box! })! < 3);
    assert.ok(value("sautikit_switch_events", { fate: "delivered" })! > 5);
    assert.equal(value("sautikit_switch_events", { fate: "unreadable" }), 0);

    assert.equal(value("sautikit_database_answers"), 1);
    assert.ok(value("sautikit_database_seconds_count", { kind: "write" })! > 10);
    assert.ok(value("sautikit_database_seconds_count", { kind: "read" })! > 10);
    assert.ok(value("sautikit_database_transactions", { kind: "write" })! >= 0);
    assert.equal(value("sautikit_database_unavailable_total"), 0);

    assert.equal(value("sautikit_info", { roles: "api,controller,spool", version: "0.1.0" }), 1);
    assert.ok(Date.now() / 1000 - value("process_start_time_seconds")! < 60);
    assert.ok(value("nodejs_eventloop_lag_p99_seconds")! >= 0);
    for (const folder of ["data", "spool"]) {
      const free = value("sautikit_disk_free_bytes", { folder })!;
      assert.ok(free > 0 && free <= value("sautikit_disk_size_bytes", { folder })!, folder);
    }
    assert.equal(value("sautikit_spool_trouble"), 0);
  });

  if (databaseKind === "sqlite")
    it("say that nobody leads the media server while the lease of it cannot be renewed", async () => {
      const led = async () => (await seen()).value("sautikit_box_led");
      assert.equal(await led(), 1);
      const unlock = await world.lockDatabase();
      try {
        await eventually("a lease that ran out", async () => (await led()) === 0 || undefined);
      } finally {
        await unlock();
      }
      await eventually("the lease again", async () => (await led()) === 1 || undefined);
    });

  it("count webhooks by their answers and time, and the dead", async () => {
    const before = await seen();
    const id = await world.customer.place({ from: nairobi, to: isBusy, events_url: world.inbox.url });
    await world.inbox.kind(id, "call.failed", 1);
    const gone = createServer((_, response) => response.writeHead(410).end()).listen(0, "127.0.0.1");
    await once(gone, "listening");
    const url = `http://127.0.0.1:${(gone.address() as AddressInfo).port}/`;
    await world.customer.ended(await world.customer.place({ from: nairobi, to: isBusy, events_url: url }));

    await eventually("the dead letters", async () => {
      const { value } = await seen();
      const dead = value("sautikit_webhooks_dead_total")!;
      if (dead < 1) return undefined;
      assert.equal(value("sautikit_webhook_seconds_count", { answer: "4xx" }), dead);
      assert.ok(
        value("sautikit_webhook_seconds_count", { answer: "2xx" })! >
          (before.value("sautikit_webhook_seconds_count", { answer: "2xx" }) ?? 0),
      );
      return true;
    });
    gone.close();
  });

  it("say what waits, and for how long its oldest has: also money in suspense, and legs that nobody sees", async () => {
    const quiet = await eventually("that nothing waits", async () => {
      const now = await seen();
      return now.value("sautikit_backlog") === 0 ? now : undefined;
    });
    assert.equal(quiet.value("sautikit_backlog_oldest_seconds"), 0);
    assert.deepEqual(
      [...new Set([...quiet.text.matchAll(/^sautikit_backlog\{work="(.+)"\}/gm)].map(([, work]) => work))],
      Object.keys(backlogs),
    );
    const hourAgo = Date.now() - 3_600_000;
    await world.byHand(
      `INSERT INTO mpesa_payments (id, receipt, amount_minor, source, suspense_reason, created_at_ms)
       VALUES ('pay_1', 'QKT1', 25050, 'c2b', 'unknown_account', ${hourAgo})`,
    );
    await world.byHand(
      `INSERT INTO mpesa_notices (id, kind, body, received_at_ms, outcome) VALUES ('ntc_1', 'stk', '', ${hourAgo}, 'unreadable')`,
    );
    await world.byHand(
      `INSERT INTO calls (id, workspace_id, direction, from_e164, to_e164, status, options, created_at_ms, updated_at_ms)
       SELECT 'call_x', id, 'outbound', '${nairobi}', '${isBusy}', 'answered', '{}', 0, 0 FROM workspaces LIMIT 1`,
    );
    await world.byHand(
      `INSERT INTO legs (id, call_id, workspace_id, position, kind, direction, from_e164, to_e164, status, box,
         rate_micro_kes_per_minute, max_duration_seconds, cut_after_seconds, created_at_ms)
       SELECT 'leg_x', 'call_x', id, 0, 'pstn', 'outbound', '${nairobi}', '${isBusy}', 'answered', 'gone', 0, 1, 1, 0 FROM workspaces LIMIT 1`,
    );

    const { value } = await seen();

    assert.equal(value("sautikit_backlog", { work: "suspense" }), 1);
    assert.equal(value("sautikit_suspense_kes"), 250.5);
    const age = value("sautikit_backlog_oldest_seconds", { work: "suspense" })!;
    assert.ok(age >= 3600 && age < 3700, `${age} s`);
    assert.equal(value("sautikit_mpesa_unreadable"), 1);
    assert.equal(value("sautikit_legs_unseen"), 1);
    for (const table of ["mpesa_payments", "mpesa_notices", "legs", "calls"])
      await world.byHand(`DELETE FROM ${table} WHERE id IN ('pay_1', 'ntc_1', 'leg_x', 'call_x')`);
  });

  it("say when the books were last checked, and what was wrong with them", async () => {
    assert.equal((await seen()).value("sautikit_check_timestamp_seconds"), undefined);
    assert.equal((await sautikit(["ledger", "verify"], world.env)).code, 0);
    const { value } = await seen();
    assert.ok(
      Math.abs(value("sautikit_check_timestamp_seconds", { check: "ledger" })! - Date.now() / 1000) < 60,
    );
    assert.equal(value("sautikit_check_findings", { check: "ledger" }), 0);

    const verified = await sautikit(["recordings", "verify"], world.env);
    assert.equal(verified.code, 0, verified.stderr);
    assert.equal((await seen()).value("sautikit_check_findings", { check: "recordings" }), 0);

    await world.byHand("UPDATE ledger_accounts SET balance_minor = balance_minor + 1 WHERE kind = 'wallet'");
    assert.equal((await sautikit(["ledger", "verify"], world.env)).code, 1);
    assert.ok((await seen()).value("sautikit_check_findings", { check: "ledger" })! >= 1);
    await world.byHand("UPDATE ledger_accounts SET balance_minor = balance_minor - 1 WHERE kind = 'wallet'");
  });
});

describeOnSwitch("the metrics of trunks", function () {
  this.timeout(60_000);

  it("count what one could not carry, and the next one did", async () => {
    const refusing = await startRefusingCarrier();
    const world = await TestWorld.start();
    try {
      const trunk = (name: string, port: number, priority: number) =>
        `  - { name: ${name}, host: 127.0.0.1, port: ${port}, priority: ${priority}, ping_seconds: 5, codecs: [PCMA] }\n`;
      await writeFile(
        join(world.env["DATA_DIR"]!, "trunks.yaml"),
        `trunks:\n${trunk("baringo", refusing.port, 1)}${trunk("safari", world.carrier.port, 2)}`,
      );
      const seen = () => scrape(world.customer.baseUrl);
      await eventually("both trunks", async () =>
        (await seen()).value("sautikit_trunk_up") === 2 ? true : undefined,
      );

      await world.customer.ended(await world.customer.place({ from: nairobi, to: hangsUpAfter3s }));

      const { value } = await seen();
      assert.equal(value("sautikit_legs_ended_total", { trunk: "baringo", status: "failed_over" }), 1);
      assert.equal(value("sautikit_legs_ended_total", { trunk: "safari", status: "completed" }), 1);
      assert.equal(value("sautikit_legs_ended_total"), 2);
      assert.equal(value("sautikit_trunk_up", { trunk: "safari" }), 1);
    } finally {
      await world.end();
      refusing.close();
    }
  });
});

describeOnSwitch("a controller without the API", function () {
  this.timeout(60_000);

  it("is watched by METRICS_PORT: metrics and health, and nothing of the API", async () => {
    const port = await freePort();
    const world = await TestWorld.start({ METRICS_PORT: String(port) }, "controller,spool");
    try {
      const baseUrl = `http://127.0.0.1:${port}`;
      const { value } = await scrape(baseUrl);
      assert.equal(value("sautikit_switch_connected"), 1);
      assert.equal(value("sautikit_info", { roles: "controller,spool" }), 1);
      const statuses = ["/healthz", "/readyz", "/v1/calls", "/v1/openapi.json"].map(
        async (path) => (await fetch(baseUrl + path)).status,
      );
      assert.deepEqual(await Promise.all(statuses), [200, 200, 404, 404]);
    } finally {
      await world.end();
    }
  });
});

describe(`the metrics of the store, on ${databaseKind}`, () => {
  it("follow an index, or read a table of what is not done yet, whatever else there is", async () => {
    const database = await testDatabase();
    const store = await database.open();
    try {
      const questions = { ...backlogs, unseen: unseenLegs.replaceAll("?", "0") };
      for (const [work, sql] of Object.entries(questions)) {
        const plan =
          databaseKind === "sqlite"
            ? await database.byHand(`EXPLAIN QUERY PLAN ${sql}`)
            : await database.byHand(`SET enable_seqscan = off; EXPLAIN ${sql}`);
        const whole = [...JSON.stringify(plan).matchAll(/(?:SCAN|Seq Scan on) (\w+)(?! USING)\b/g)];
        // Intents go when they are carried out; `untried` is one row.
        const tables = whole.map(([, table = ""]) => table).filter((table) => table !== "untried");
        assert.deepEqual(tables, work === "intents" ? ["intents"] : [], work);
      }
    } finally {
      await store.close();
      await database.remove();
    }
  });

  it("are left out where the database is away, or says nothing, and the rest is told", async () => {
    for (const read of [
      () => Promise.reject(new SautikitError("database.unavailable")),
      () => new Promise<never>(() => undefined),
    ]) {
      const registry = new Registry();
      const store = { read, write: read, close: () => Promise.resolve() };
      showStore(registry, { store, clock: systemClock });
      const { value, names } = parseScrape(await registry.metrics());
      assert.equal(value("sautikit_database_answers"), 0);
      assert.equal(value("sautikit_calls_live"), undefined);
      assert.ok(names.has("sautikit_calls_live"));
    }
  });

  it("have labels of so many values at most", () => {
    const label = boundedLabel(2);
    assert.deepEqual(["a", "b", "c", "a", "d"].map(label), ["a", "b", "other", "a", "other"]);
  });
});
