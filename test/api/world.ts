import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Registry } from "prom-client";
import { createApi } from "../../api/app.ts";
import type { ApiParts } from "../../api/parts.ts";
import { listen } from "../../api/server.ts";
import { Calls } from "../../engine/calls/calls.ts";
import { Conferences } from "../../engine/calls/conferences.ts";
import { systemClock, type Clock } from "../../engine/clock.ts";
import { createEgress } from "../../engine/egress/egress.ts";
import { systemIds, type IntentOwner, type WorkspaceId } from "../../engine/ids.ts";
import type { Log } from "../../engine/log.ts";
import { createPromptUrls } from "../../engine/media/prompt-urls.ts";
import { StoredPrompts } from "../../engine/media/stored-prompts.ts";
import { seedShippedDeck } from "../../engine/metering/rates.ts";
import { createSettlement } from "../../engine/metering/settlement.ts";
import { aesSecrets } from "../../engine/secrets.ts";
import { createLedger } from "../../engine/wallet/ledger.ts";
import { TopUps } from "../../engine/wallet/mpesa/top-ups.ts";
import { createWallet } from "../../engine/wallet/wallet.ts";
import type { Store } from "../../engine/store/store.ts";
import { WebhookEndpoints } from "../../engine/webhooks/endpoints.ts";
import { createOutbox } from "../../engine/webhooks/outbox.ts";
import { createKey, type NewKey } from "../../engine/workspaces/api-keys.ts";
import { addNumber } from "../../engine/workspaces/numbers.ts";
import { createWorkspace } from "../../engine/workspaces/workspaces.ts";
import { createRecordings } from "../../recordings/recordings.ts";
import { createStorage, type Storage } from "../../recordings/storage.ts";
import { openTestStore } from "../store/test-database.ts";
import { checkedFetch } from "./response-checker.ts";

export const nairobi = "+254200000001";
export const otienosPhone = "+254712345678";

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
  };
  const ids = systemIds(clock);
  const secrets = aesSecrets(Buffer.alloc(32, 7), ids);
  const store = given.store ?? (await openTestStore());
  const ledger = createLedger({ ids });
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
  const urls = createPromptUrls(() => "https://sautikit.example");
  const prompts = new StoredPrompts({ store, storage, urls, clock, ids });
  const calls = new Calls({
    clock,
    ids,
    outbox,
    settlement,
    changed: (id) => void changed.push(id),
    box: "box",
    gateway: "carrier",
    promptUrls: urls,
  });
  const conferences = new Conferences({ clock, ids, changed: (id) => void changed.push(id) });
  const parts: ApiParts = {
    store,
    clock,
    ids,
    log: quiet,
    registry: new Registry(),
    calls,
    conferences,
    recordings: createRecordings({ store, storage, clock, log: quiet }),
    prompts,
    topUps: new TopUps({
      ...{ clock, ids, amounts: { minMinor: 10_000, maxMinor: 15_000_000 }, perHour: 30 },
      wake,
    }),
    callbacks: null,
    secrets,
    webhooks: new WebhookEndpoints({ clock, ids, wake, secrets }),
    deliverer: { wake },
    checkUrl: (url, field) => createEgress({ clock, allowPrivate: false }).checkUrl(url, field),
    checkSocketUrl: (url, field) => createEgress({ clock, allowPrivate: false }).checkSocketUrl(url, field),
    paybill: "400200",
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

  return {
    ...parts,
    prompts,
    clock,
    url: server.url,
    wallet,
    changed,
    workspace,
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
      { key, body, headers }: { key?: string; body?: unknown; headers?: Record<string, string> } = {},
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
      const answer: any = text === "" ? null : (JSON.parse(text) as unknown);
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
