import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../engine/clock.ts";
import { verifyLedger } from "../../engine/wallet/verify.ts";
import { startEmbeddedS3 } from "../../recordings/embedded-s3/server.ts";
import { toldLine } from "../cli/sautikit.ts";
import { Auditor, type Witnesses } from "../faults/auditor/auditor.ts";
import { startCarrierProcess, type CarrierProcess } from "../peers/carrier-process.ts";
import { startSautikit, type Child } from "../peers/child.ts";
import { freePort } from "../peers/free-ports.ts";
import { boxName, startSwitchUnderTest, type SwitchUnderTest } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { testDatabase, type TestDatabase } from "../store/test-database.ts";
import { WebhookInbox } from "../world/webhook-inbox.ts";
import { nairobi } from "../world/world.ts";
import { FailoverCustomer } from "./failover-customer.ts";
import type { Version } from "./versions.ts";

export type Age = "old" | "new";
type Role = "api" | "controller" | "spool";

/**
 * A carrier, two boxes, a PostgreSQL and an S3 that stay; and API, controller and spool, each a process of its own, of the old
 * version or of the new. What there is to begin with was made by the old one.
 */
export class RollingWorld {
  readonly folder: string;
  readonly carrier: CarrierProcess;
  readonly switches: readonly [SwitchUnderTest, SwitchUnderTest];
  readonly boxes: readonly [string, string];
  readonly inbox: WebhookInbox;
  readonly customer: FailoverCustomer;
  readonly customers: readonly FailoverCustomer[];
  readonly witnesses: Witnesses = { daraja: null, devices: [], callsIn: false };
  readonly env: Readonly<Record<string, string>>;
  auditor!: Auditor;
  readonly #versions: Record<Age, Version>;
  readonly #ports: Record<Age, number>;
  readonly #database: TestDatabase;
  readonly #s3: { close(): Promise<void> };
  readonly #parts = new Map<string, Child>();
  /** Of those that are gone, too. */
  readonly #output: (() => string)[] = [];

  private constructor(
    parts: Pick<RollingWorld, "folder" | "carrier" | "switches" | "inbox" | "customer" | "env">,
    own: {
      versions: Record<Age, Version>;
      ports: Record<Age, number>;
      database: TestDatabase;
      s3: { close(): Promise<void> };
    },
  ) {
    ({ folder: this.folder, carrier: this.carrier, switches: this.switches } = parts);
    ({ inbox: this.inbox, customer: this.customer, env: this.env } = parts);
    this.customers = [this.customer];
    this.boxes = [boxName(parts.switches[0]), boxName(parts.switches[1])];
    this.#versions = own.versions;
    this.#ports = own.ports;
    this.#database = own.database;
    this.#s3 = own.s3;
  }

  static async start(versions: Record<Age, Version>): Promise<RollingWorld> {
    const folder = await mkdtemp(join(tmpdir(), "sautikit-rolling-"));
    const carrier = await startCarrierProcess();
    const first = await startSwitchUnderTest({ carrier });
    const second = await startSwitchUnderTest({ carrier, spoolDir: first.spoolDir });
    const credentials = { accessKeyId: "wanjiru", secretAccessKey: "wanjiru-secret" };
    const s3 = await startEmbeddedS3({
      ...{ host: "127.0.0.1", port: 0, directory: join(folder, "objects") },
      ...{ region: "af-nairobi-1", credentials, clock: systemClock },
    });
    const ports = { old: await freePort(), new: await freePort() };
    const database = await testDatabase({ migrated: false });
    const env = {
      DATABASE_URL: database.url,
      SECRETS_KEY: randomBytes(32).toString("hex"),
      S3_ENDPOINT: s3.endpoint,
      S3_ACCESS_KEY_ID: credentials.accessKeyId,
      S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      SPOOL_DIR: first.spoolDir,
      SPOOL_BOXES: [first, second].map(boxName).join(","),
      FREESWITCH_URLS: [first, second]
        .map(
          ({ esl, sip }) =>
            `freeswitch://:${esl.password}@${esl.host}:${esl.port}?sip=${sip.host}:${sip.port}`,
        )
        .join(","),
      ALLOW_PRIVATE_URLS: "yes",
      LOG_LEVEL: "warn",
    };
    const old = { ...env, DATA_DIR: join(folder, "desk") };
    const told = (...args: string[]) => toldLine(args, old, versions.old.folder);
    const workspace = String((await told("workspace", "create", "Wanjiru"))["workspace_id"]);
    // A test looks far more often than a customer: what it asks for is not what is bounded here.
    const unbounded = ["requests-per-minute", "cps", "concurrent"].flatMap((name) => [`--${name}`, "100000"]);
    const unwatched = ["short-calls", "numbers-per-range"].flatMap((name) => [`--${name}`, "none"]);
    await told("workspace", "limits", workspace, ...unbounded, ...unwatched);
    await told("credit", workspace, "10000");
    const { api_key: key } = await told("key", "create", workspace);
    const { voice_signing_secret: secret } = await told("number", "add", workspace, nairobi);
    const inbox = await WebhookInbox.listen(String(secret));
    const nodes = [ports.old, ports.new].map((port) => `http://127.0.0.1:${port}`);
    const world = new RollingWorld(
      {
        ...{ folder, carrier, switches: [first, second], inbox, env },
        customer: new FailoverCustomer(nodes, String(key)),
      },
      { versions, ports, database, s3 },
    );
    for (const role of ["spool", "controller", "api"] as const) await world.startPart("old", role);
    world.auditor = await Auditor.watch(world);
    return world;
  }

  /** Beside whatever runs; with the folder that it had, where it ran before. */
  async startPart(age: Age, role: Role): Promise<void> {
    // A box has one spool at a time, and so both are the same one.
    const name = role === "spool" ? role : `${age}-${role}`;
    const env = { ...this.env, DATA_DIR: join(this.folder, name), PORT: String(this.#ports[age]) };
    const product = this.#versions[age].folder;
    const { child } = await startSautikit(["start", "--role", role], { folder: this.folder, env, product });
    this.#parts.set(`${age} ${role}`, child);
    this.#output.push(() => child.output());
  }

  /** SIGTERM; resolves when it has gone by itself, and well. */
  async stopPart(age: Age, role: Role): Promise<void> {
    const child = this.#parts.get(`${age} ${role}`);
    assert.ok(child?.running, `there is ${age} ${role}`);
    child.kill("SIGTERM");
    assert.deepEqual(await child.exited(), { code: 0, signal: null }, child.output());
    this.#parts.delete(`${age} ${role}`);
  }

  /** Which version leads each box, and has the duties. */
  async leaders(): Promise<Record<string, Age>> {
    const rows = (await this.byHand(
      "SELECT l.name, c.pid FROM leases l JOIN controllers c ON c.id = l.holder",
    )) as { name: string; pid: string | number }[];
    const ages = new Map([...this.#parts].map(([name, { pid }]) => [pid, name.split(" ")[0] as Age]));
    return Object.fromEntries(
      rows.flatMap(({ name, pid }) => (ages.has(Number(pid)) ? [[name, ages.get(Number(pid))!]] : [])),
    );
  }

  /** Waits for the boxes to be led so, first and second. */
  async untilLed(what: string, when: (leaders: Age[]) => boolean): Promise<void> {
    await eventually(
      what,
      async () => {
        const leaders = await this.leaders();
        const ages = [...this.boxes, "duties"].flatMap((name) => leaders[name] ?? []);
        return (ages.length === 3 && when(ages)) || undefined;
      },
      { withinMs: 30_000 },
    );
  }

  /** The operator's command, of that version. */
  told(age: Age, ...args: string[]): Promise<Record<string, unknown>> {
    const env = { ...this.env, DATA_DIR: join(this.folder, "desk") };
    return toldLine(args, env, this.#versions[age].folder);
  }

  /** Names of the migrations that the database has had. */
  async migrations(): Promise<unknown[]> {
    return (await this.byHand("SELECT name FROM migrations ORDER BY name")).map(({ name }) => name);
  }

  byHand(sql: string): Promise<Record<string, unknown>[]> {
    return this.#database.byHand(sql);
  }

  async audit(): Promise<void> {
    const findings = await this.auditor.audit();
    assert.ok(findings.length === 0, `${findings.length} findings:\n${findings.join("\n")}`);
    const store = await this.#database.open();
    try {
      const wrong = (await store.read(verifyLedger)).filter(({ ok }) => !ok);
      assert.deepEqual(wrong, []);
    } finally {
      await store.close();
    }
  }

  /** What all of them said, of warnings and worse. */
  output(): string {
    return this.#output.map((told) => told()).join("");
  }

  async end(): Promise<void> {
    await this.auditor.stop();
    for (const child of this.#parts.values()) await child.stop();
    for (const one of this.switches) await one.stop();
    await this.carrier.stop();
    await this.inbox.close();
    await this.#s3.close();
    await this.#database.remove();
    await rm(this.folder, { recursive: true, force: true });
  }
}
