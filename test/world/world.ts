import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../engine/clock.ts";
import { systemIds } from "../../engine/ids.ts";
import { seedShippedDeck } from "../../engine/metering/rates.ts";
import { aesSecrets } from "../../engine/secrets.ts";
import type { Store } from "../../engine/store/store.ts";
import { createLedger } from "../../engine/wallet/ledger.ts";
import { verifyLedger } from "../../engine/wallet/verify.ts";
import { createWallet } from "../../engine/wallet/wallet.ts";
import { createKey } from "../../engine/workspaces/api-keys.ts";
import { addNumber, type Routing } from "../../engine/numbers/numbers.ts";
import { createWorkspace } from "../../engine/workspaces/workspaces.ts";
import { Auditor, type Witnesses } from "../faults/auditor/auditor.ts";
import { startCarrierProcess, type CarrierProcess } from "../peers/carrier-process.ts";
import { startSautikit, type Child } from "../peers/child.ts";
import type { EdgeUnderTest } from "../peers/edge-under-test.ts";
import { freePort } from "../peers/free-ports.ts";
import {
  startSwitchUnderTest,
  type SwitchKind,
  type SwitchOptions,
  type SwitchUnderTest,
} from "../peers/switch-under-test.ts";
import { testDatabase, type TestDatabase } from "../store/test-database.ts";
import { Customer } from "./customer.ts";
import { WebhookInbox } from "./webhook-inbox.ts";

export const nairobi = "+254200000001";

/**
 * A carrier, a switch and `sautikit start`, each a process of its own that can be killed alone, on free ports and in a
 * temporary folder; and Wanjiru, a customer with money, a number, a key and a web server for her webhooks.
 */
export class TestWorld {
  readonly folder: string;
  readonly inbox: WebhookInbox;
  readonly customer: Customer;
  /** All of those whom the auditor knows: Wanjiru, and who came later. */
  readonly customers: Customer[];
  /** Who else has an account of what happened. */
  readonly witnesses: Witnesses = { daraja: null, devices: [], callsIn: false };
  /** The same database that `sautikit` has open, for setting up and for looking at what no customer sees. */
  readonly store: Store;
  carrier: CarrierProcess;
  switch: SwitchUnderTest;
  /** The running `sautikit start`. */
  sautikit: Child;
  /** What each `sautikit` process is started with. */
  readonly env: Record<string, string>;
  readonly #roles: string;
  readonly #database: TestDatabase;
  /** Killed, and what they hold of the machine is given back at the end: the spool is in the first one's folder. */
  readonly #dead: { stop(): Promise<void> }[] = [];
  /** There from the moment that `start` gives the world away. */
  auditor!: Auditor;

  private constructor(
    parts: Pick<TestWorld, "folder" | "carrier" | "inbox" | "customer" | "store" | "switch" | "sautikit">,
    { env, roles, database }: { env: Record<string, string>; roles: string; database: TestDatabase },
  ) {
    ({ folder: this.folder, carrier: this.carrier, inbox: this.inbox, customer: this.customer } = parts);
    ({ store: this.store, switch: this.switch, sautikit: this.sautikit } = parts);
    this.customers = [this.customer];
    this.env = env;
    this.#roles = roles;
    this.#database = database;
  }

  /**
   * With a database that somebody has prepared, in place of its own, and a switch with other options: another carrier,
   * another spool. `reach` answers where `sautikit` finds the event socket: at the switch itself, or at what stands
   * before it.
   */
  static async start(
    env: Record<string, string> = {},
    roles = "api,controller,spool",
    prepared: {
      database?: TestDatabase;
      switchOptions?: Partial<SwitchOptions>;
      switchKind?: SwitchKind;
      carrier?: CarrierProcess;
      /** More boxes. */
      beside?: readonly SwitchUnderTest[];
      /** Stands between carrier and switch, which are its one trunk and its one box. */
      edge?: EdgeUnderTest;
      reach?: (esl: EslAddress) => Promise<EslAddress>;
    } = {},
  ): Promise<TestWorld> {
    const folder = await mkdtemp(join(tmpdir(), "sautikit-world-"));
    const carrier = prepared.carrier ?? (await startCarrierProcess());
    const { edge } = prepared;
    const options = { carrier, ...(edge && { edge: edge.sip }), ...prepared.switchOptions };
    const peer = await startSwitchUnderTest(options, prepared.switchKind).catch(async (error: unknown) => {
      // Left running it would keep the tests' process from its end.
      await carrier.stop();
      throw error;
    });
    const { host, port } = (await prepared.reach?.(peer.esl)) ?? peer.esl;
    const [apiPort, s3Port] = [await freePort(), await freePort()];
    const secretsKey = randomBytes(32).toString("hex");
    const database = prepared.database ?? (await testDatabase());
    const allEnv = {
      DATA_DIR: join(folder, "data"),
      DATABASE_URL: database.url,
      PORT: String(apiPort),
      S3_PORT: String(s3Port),
      SECRETS_KEY: secretsKey,
      SPOOL_DIR: peer.spoolDir,
      ...(prepared.beside && {
        SPOOL_BOXES: [{ esl: { host, port } }, ...prepared.beside]
          .map(({ esl }) => `${esl.host}:${esl.port}`)
          .join(","),
      }),
      FREESWITCH_URLS: [{ ...peer, esl: { ...peer.esl, host, port } }, ...(prepared.beside ?? [])]
        .map(
          ({ esl, sip }) =>
            `freeswitch://:${esl.password}@${esl.host}:${esl.port}?sip=${sip.host}:${sip.port}`,
        )
        .join(","),
      ...(edge ? await edgeEnv(folder, edge, carrier) : {}),
      ALLOW_PRIVATE_URLS: "yes",
      ...(peer.devices
        ? { SIP_DOMAIN: peer.devices.realm, SIP_PORTS: `udp:${peer.devices.port},tcp:${peer.devices.port}` }
        : {}),
      LOG_LEVEL: "warn",
      ...env,
    };
    const store = await database.open();
    const account = await openAccount(store, Buffer.from(secretsKey, "hex"));
    const inbox = await WebhookInbox.listen(account.voiceSigningSecret);
    const customer = new Customer(`http://127.0.0.1:${apiPort}`, account.key);
    const sautikit = await startServer(folder, allEnv, roles);
    const parts = { folder, carrier, inbox, customer, store, switch: peer, sautikit };
    const world = new TestWorld(parts, { env: allEnv, roles, database });
    world.auditor = await Auditor.watch(world);
    return world;
  }

  /** SIGKILL to `sautikit start` alone; carrier and switch go on. */
  async killSautikit(): Promise<void> {
    this.sautikit.kill("SIGKILL");
    await this.sautikit.exited();
    this.auditor.controllerDied();
  }

  /** Starts it again with the same settings. `product`: the folder of another version. */
  async startSautikit(product?: string): Promise<void> {
    assert.equal(this.sautikit.running, false, "the one before is gone");
    this.sautikit = await startServer(this.folder, this.env, this.#roles, product);
    this.auditor.controllerStarted();
  }

  /** SIGKILL to the switch alone. */
  async killSwitch(): Promise<void> {
    const fromMs = Date.now();
    this.switch.child.kill("SIGKILL");
    await this.switch.child.exited();
    this.auditor.switchDied({ fromMs, toMs: Date.now() });
  }

  /** A new switch where the old one was, with its spool. */
  async startSwitch(): Promise<void> {
    const { spoolDir, esl, devices } = this.switch;
    this.#dead.push(this.switch);
    const same = { spoolDir, eslPort: esl.port, devices: devices !== null, devicesPort: devices?.port };
    this.switch = await startSwitchUnderTest({ carrier: this.carrier, ...same });
  }

  /** SIGKILL to the carrier alone; what it was seen to do is kept for the audit. */
  async killCarrier(): Promise<void> {
    await this.auditor.rememberCarrier();
    this.carrier.child.kill("SIGKILL");
    await this.carrier.child.exited();
    await this.carrier.stop();
  }

  /** A new carrier where the old one was. It knows nothing of that one's calls. */
  async startCarrier(): Promise<void> {
    this.#dead.push(this.carrier);
    this.carrier = await startCarrierProcess(this.carrier.port);
  }

  /**
   * Waits until calls, outbox and uploads are quiet, and throws whatever is wrong with what was charged, told, recorded
   * and rung since the world's start, by the independent auditor. Every call must have ended, or be about to.
   */
  async audit(options?: { withinMs?: number }): Promise<void> {
    const findings = await this.auditor.audit(options);
    assert.ok(findings.length === 0, `${findings.length} findings:\n${findings.join("\n")}`);
  }

  /** Statements past the product, and past the foreign keys. */
  byHand(sql: string): Promise<Record<string, unknown>[]> {
    return this.#database.byHand(sql);
  }

  /** From now on nobody else can write to the database, until the answer is called. */
  lockDatabase(): Promise<() => Promise<void>> {
    return this.#database.lock();
  }

  /** Throws what is wrong with the ledger. */
  async verifyLedger(): Promise<void> {
    const findings = await this.store.read(verifyLedger);
    assert.deepEqual(
      findings.filter(({ ok }) => !ok),
      [],
    );
  }

  /** Ends every process, and removes the folder. Twice is fine. */
  async end(): Promise<void> {
    await this.auditor.stop();
    await this.sautikit.stop();
    await this.switch.stop();
    await this.carrier.stop();
    for (const dead of this.#dead) await dead.stop();
    await this.inbox.close();
    await this.store.close();
    await this.#database.remove();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The carrier as the trunk `safari`, whose people call from wherever on this machine. */
async function edgeEnv(folder: string, edge: EdgeUnderTest, carrier: { host: string; port: number }) {
  const file = join(folder, "trunks.yaml");
  const addresses = [`${carrier.host}/32`];
  const trunk = {
    name: "safari",
    via: "edge",
    host: carrier.host,
    port: carrier.port,
    addresses,
    ping_seconds: 5,
  };
  await writeFile(file, JSON.stringify({ trunks: [trunk] }));
  return { ...edge.env, TRUNKS_FILE: file };
}

interface EslAddress {
  readonly host: string;
  readonly port: number;
}

async function startServer(
  folder: string,
  env: Record<string, string>,
  roles: string,
  product?: string,
): Promise<Child> {
  const of = product === undefined ? {} : { product };
  const { child } = await startSautikit(["start", "--role", roles], { folder, env, ...of });
  return child;
}

/** As the operator's commands do it, but in one transaction and without limits that a busy test would meet. */
export function openAccount(
  store: Store,
  secretsKey: Buffer,
  { name = "Wanjiru", e164 = nairobi, ...routing }: { name?: string; e164?: string } & Routing = {},
) {
  const ids = systemIds(systemClock);
  const createdAtMs = systemClock.nowMs();
  return store.write(async (tx) => {
    await seedShippedDeck(tx, ids, createdAtMs);
    const { id: workspaceId, mpesaAccountRef } = await createWorkspace(tx, ids, { name, createdAtMs });
    await tx.run(
      `UPDATE workspaces SET requests_per_minute = 1000000, calls_per_second = 1000, concurrent_calls = 1000,
         short_calls_max = NULL, numbers_per_range_max = NULL WHERE id = ?`,
      [workspaceId],
    );
    await createWallet({ ledger: createLedger({ ids }) }).credit(tx, {
      workspaceId,
      amountMinor: 1_000_000,
      reference: workspaceId,
      description: "To begin with",
      kind: "credit",
      createdAtMs,
    });
    const { key } = await createKey(tx, ids, { workspaceId, name, createdAtMs });
    const secrets = aesSecrets(secretsKey, ids);
    const number = await addNumber(
      tx,
      { ids, secrets },
      { ...routing, workspaceId, e164, country: "ke", provisionedAtMs: createdAtMs },
    );
    const { id: numberId, voiceSigningSecret } = number!;
    return { key, voiceSigningSecret, workspaceId, numberId, mpesaAccountRef };
  });
}
