import { noPeers } from "../../engine/calls/change-parts.ts";
import { strict as assert } from "node:assert";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Registry } from "prom-client";
import { createApi } from "../../api/app.ts";
import { openLedger } from "../../cli/open-ledger.ts";
import type { ApiParts } from "../../api/parts.ts";
import { listen } from "../../api/server.ts";
import { CallTraces } from "../../engine/calls/call-traces.ts";
import { Calls } from "../../engine/calls/calls.ts";
import { Conferences } from "../../engine/calls/conferences.ts";
import { systemClock, type Clock } from "../../engine/clock.ts";
import { createEgress } from "../../engine/egress/egress.ts";
import { systemIds, type IntentOwner, type WorkspaceId } from "../../engine/ids.ts";
import type { Log } from "../../engine/log.ts";
import { createMailQueue } from "../../engine/mail/mail-queue.ts";
import { Invitations } from "../../engine/people/invitations.ts";
import { sessionMs, SignIn } from "../../engine/people/sign-in.ts";
import { newToken } from "../../engine/people/tokens.ts";
import { Erasures } from "../../engine/privacy/erasures.ts";
import { Exports } from "../../engine/privacy/exports.ts";
import { insertMember, upsertUser, type Role } from "../../engine/store/members.ts";
import { insertSession } from "../../engine/store/sessions.ts";
import { createPromptUrls } from "../../engine/media/prompt-urls.ts";
import { StoredPrompts } from "../../engine/media/stored-prompts.ts";
import { seedShippedDeck } from "../../engine/metering/rates.ts";
import { Policy } from "../../engine/policy/policy.ts";
import { createSettlement } from "../../engine/metering/settlement.ts";
import { aesSecrets } from "../../engine/secrets.ts";
import { TopUps } from "../../engine/wallet/mpesa/top-ups.ts";
import { createWallet } from "../../engine/wallet/wallet.ts";
import type { Store } from "../../engine/store/store.ts";
import { WebhookEndpoints } from "../../engine/webhooks/endpoints.ts";
import { createOutbox } from "../../engine/webhooks/outbox.ts";
import { createKey, type NewKey } from "../../engine/workspaces/api-keys.ts";
import { readBlock } from "../../engine/numbers/inventory-file.ts";
import { addToInventory } from "../../engine/numbers/inventory.ts";
import { addNumber } from "../../engine/numbers/numbers.ts";
import { PortDocuments } from "../../engine/numbers/port-documents.ts";
import { Renewals } from "../../engine/numbers/renewals.ts";
import { createWorkspace } from "../../engine/workspaces/workspaces.ts";
import { loneTrunk } from "../../engine/sip/trunks/trunks.ts";
import { objectKey } from "../../recordings/object-key.ts";
import { createRecordings } from "../../recordings/recordings.ts";
import { createStorage, type Storage } from "../../recordings/storage.ts";
import { openTestStore } from "../store/test-database.ts";
import { changingOperation, notAudited } from "./audited.ts";
import { checkedFetch } from "./response-checker.ts";

export const nairobi = "+254200000001";
export const otienosPhone = "+254712345678";
/** What browsers call the place where the pages are. */
export const publicUrl = "https://sautikit.example";

export const quiet: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** The whole API on a port of its own, over a real database, with nobody to carry its calls out: they stay initiated. */
export async function world(
  overrides: Partial<ApiParts> = {},
  given: { storage?: Storage; store?: Store; clock?: Clock & { offsetMs: number } } = {},
) {
  const folder = await mkdtemp(join(tmpdir(), "sautikit-api-"));
  const clock: Clock & { offsetMs: number } = given.clock ?? {
    ...systemClock,
    offsetMs: 0,
    nowMs() {
      return systemClock.nowMs() + this.offsetMs;
    },
    nowUs() {
      return this.nowMs() * 1000;
    },
    steadyMs() {
      return this.nowMs();
    },
  };
  const ids = systemIds(clock);
  const secrets = aesSecrets(Buffer.alloc(32, 7), ids);
  const store = given.store ?? (await openTestStore());
  const ledger = openLedger({ clock, ids, changed: () => undefined });
  const wallet = createWallet({ ledger });
  const wake = () => undefined;
  const outbox = createOutbox({ clock, ids, wake });
  const settlement = createSettlement({ ledger });
  const changed: IntentOwner[] = [];
  // Nobody answers there, unless a test brings a storage of its own.
  const unreachable = createStorage({
    endpoint: "http://127.0.0.1:9",
    region: "af-nairobi-1",
    bucket: "recordings",
    accessKeyId: "key",
    secretAccessKey: "secret",
    forcePathStyle: true,
    clock,
  });
  const storage = given.storage ?? unreachable;
  const urls = createPromptUrls(() => publicUrl);
  const prompts = new StoredPrompts({ store, storage, urls, clock, ids });
  const numbers = {
    ...{ clock, ids, secrets, ledger, outbox, mails: createMailQueue({ clock, ids, wake }) },
  };
  const policy = new Policy({ clock, ids, outbox, mails: numbers.mails });
  const calls = new Calls({
    clock,
    ids,
    outbox,
    settlement,
    policy,
    changed: (id) => void changed.push(id),
    trunks: loneTrunk("carrier", ids),
    traces: new CallTraces(),
    peers: noPeers,
    box: () => "box",
    promptUrls: urls,
  });
  const conferences = new Conferences({ clock, ids, changed: (id) => void changed.push(id) });
  const people = { clock, ids, mails: createMailQueue({ ids, clock, wake }), publicUrl: () => publicUrl };
  const recordingKey = objectKey;
  const privacy = { store, storage, recordingKey, secrets, mails: people.mails, clock, ids, log: quiet };
  const exportsFolder = join(folder, "exports");
  const exports = new Exports({ ...privacy, directory: exportsFolder });
  const erasures = new Erasures({ ...privacy, exports });
  const parts: ApiParts = {
    store,
    clock,
    ids,
    log: quiet,
    registry: new Registry(),
    calls,
    policy,
    conferences,
    recordings: createRecordings({ store, storage, clock, log: quiet }),
    prompts,
    numbers,
    portDocuments: new PortDocuments({ store, storage, clock, ids }),
    topUps: new TopUps({
      ...{ clock, ids, amounts: { minMinor: 10_000, maxMinor: 15_000_000 }, perHour: 30 },
      wake,
    }),
    callbacks: null,
    sip: {
      access: () => ({
        realm: "sautikit.example",
        domain: "sip.sautikit.example",
        ports: { udp: 5060, tls: 5061, wss: 7443 },
      }),
      changed: () => undefined,
    },
    secrets,
    invitations: new Invitations(people),
    signIn: new SignIn(people, "open"),
    exports,
    erasures,
    publicUrl: people.publicUrl,
    webhooks: new WebhookEndpoints({ clock, ids, wake, secrets }),
    deliverer: { wake },
    checkUrl: (url, field) => createEgress({ clock, allowPrivate: false }).checkUrl(url, field),
    checkSocketUrl: (url, field) => createEgress({ clock, allowPrivate: false }).checkSocketUrl(url, field),
    checkSipHost: (host, field) => createEgress({ clock, allowPrivate: false }).checkSipHost(host, field),
    paybill: "400200",
    storageLocation: "Nairobi, Kenya",
    readiness: {},
    isDraining: () => false,
    trustedProxies: 0,
    ...overrides,
  };
  await store.write((tx) => seedShippedDeck(tx, ids, clock.nowMs()));
  const server = await listen(createApi(parts), { host: "127.0.0.1", port: 0, clock });
  const request = await checkedFetch(server.url);

  /** A workspace with money, a number of its own and a key. */
  async function workspace(
    facts: {
      name?: string;
      balanceMinor?: number;
      number?: string;
      key?: Partial<NewKey>;
      requestsPerMinute?: number;
    } = {},
  ) {
    const createdAtMs = clock.nowMs();
    return store.write(async (tx) => {
      const name = facts.name ?? "Wanjiru";
      const { id } = await createWorkspace(tx, ids, { name, createdAtMs });
      await tx.run("UPDATE workspaces SET requests_per_minute = ? WHERE id = ?", [
        facts.requestsPerMinute ?? 1_000_000,
        id,
      ]);
      const balanceMinor = facts.balanceMinor ?? 100_000;
      if (balanceMinor > 0) {
        const credit = {
          workspaceId: id,
          amountMinor: balanceMinor,
          reference: id,
          description: "To begin with",
        };
        await wallet.credit(tx, { ...credit, kind: "credit", createdAtMs });
      }
      const e164 = facts.number ?? nairobi;
      const number = await addNumber(
        tx,
        { ids, secrets },
        { workspaceId: id, e164, country: "ke", provisionedAtMs: createdAtMs },
      );
      const key = await createKey(tx, ids, { workspaceId: id, name, createdAtMs, ...facts.key });
      return { id, key: key.key, keyId: key.id, number: e164, numberId: number?.id };
    });
  }

  /** Somebody who is signed in, with a role in each of these workspaces. */
  async function person(email: string, roles: Readonly<Record<WorkspaceId, Role>> = {}) {
    const nowMs = clock.nowMs();
    const { token, tokenSha256 } = newToken(ids);
    const userId = await store.write(async (tx) => {
      const user = await upsertUser(tx, { id: ids.next("usr"), email, createdAtMs: nowMs });
      for (const [workspaceId, role] of Object.entries(roles) as [WorkspaceId, Role][])
        await insertMember(tx, { workspaceId, userId: user.id, role, createdAtMs: nowMs });
      await insertSession(tx, {
        ...{
          id: ids.next("ses"),
          tokenSha256,
          userId: user.id,
          workspaceId: null,
          address: null,
          userAgent: null,
        },
        ...{ createdAtMs: nowMs, seenAtMs: nowMs, expiresAtMs: nowMs + sessionMs },
      });
      return user.id;
    });
    return { id: userId, email, headers: { cookie: `__Host-sautikit=${token}`, origin: publicUrl } };
  }

  /** What the audit log has of a request. */
  const auditOf = (requestId: string) =>
    store.read((tx) =>
      tx.all<{ action: string; before: string | null; after: string | null; actorKind: string }>(
        "SELECT * FROM audit_entries WHERE request_id = ?",
        [requestId],
      ),
    );

  return {
    ...parts,
    ...{ outbox, settlement, policy },
    prompts,
    exports,
    exportsFolder,
    erasures,
    person,
    auditOf,
    mailQueue: people.mails,
    /** Mails, oldest first, as they wait to be sent. */
    mails: () =>
      store.read((tx) =>
        tx.all<{ recipient: string; subject: string; body: string }>("SELECT * FROM mails ORDER BY id"),
      ),
    clock,
    url: server.url,
    wallet,
    changed,
    workspace,
    renewals: new Renewals({ ...numbers, store, log: quiet }),
    /** Numbers to claim: `+254 20 700 0000-0009`. */
    async stock(block: string): Promise<void> {
      const numbers = readBlock(block);
      if (typeof numbers === "string") throw new Error(numbers);
      await store.write((tx) => addToInventory(tx, { clock, ids }, numbers));
    },
    /** Another key of a workspace. */
    key: async (workspaceId: WorkspaceId, key: Partial<NewKey>) =>
      (
        await store.write((tx) =>
          createKey(tx, ids, { workspaceId, name: "another", createdAtMs: clock.nowMs(), ...key }),
        )
      ).key,
    /** One request; a body that is no string and no bytes goes as JSON. */
    async ask(
      method: string,
      path: string,
      {
        key,
        body,
        headers,
        changes = true,
      }: {
        key?: string;
        body?: unknown;
        headers?: Record<string, string>;
        /** False: it is done already, and leaves no entry in the audit log. */
        changes?: boolean;
      } = {},
    ) {
      const response = await request(path, {
        method,
        headers: {
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: sent(body) }),
      });
      const text = await response.text();
      // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests reach into answers of every shape
      const answer: any = text.startsWith("{") ? (JSON.parse(text) as unknown) : null;
      const operation = changingOperation(method, path);
      const replay = response.headers.has("idempotent-replay");
      if (response.ok && operation !== undefined && !replay && notAudited[operation] === undefined) {
        const entries = await auditOf(response.headers.get("x-request-id") ?? "");
        assert.equal(
          entries.length > 0,
          changes,
          `${operation}: ${entries.length} entries in the audit log of what it changed`,
        );
      }
      return { status: response.status, headers: response.headers, body: answer, text };
    },
    async end(): Promise<void> {
      await server.close(0);
      await store.close();
      await prompts.close();
      unreachable.close();
      await rm(folder, { recursive: true });
    },
  };
}

const sent = (body: unknown): string | Uint8Array<ArrayBuffer> =>
  typeof body === "string" ? body : body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body);

export type World = Awaited<ReturnType<typeof world>>;
