import { strict as assert } from "node:assert";
import type { Clock, Timer } from "../../../engine/clock.ts";
import { systemClock } from "../../../engine/clock.ts";
import type { Log } from "../../../engine/log.ts";
import { systemIds, type Ids, type TopUpId, type WorkspaceId } from "../../../engine/ids.ts";
import { pays, type Behaviour } from "../../../engine/simulator/daraja/behaviours.ts";
import { startStandIn } from "../../../engine/simulator/daraja/stand-in.ts";
import { aesSecrets } from "../../../engine/secrets.ts";
import type { Store } from "../../../engine/store/store.ts";
import type { PaymentRow } from "../../../engine/store/mpesa.ts";
import type { TopUpRow } from "../../../engine/store/topups.ts";
import { walletBalanceMinor } from "../../../engine/store/ledger.ts";
import { createLedger } from "../../../engine/wallet/ledger.ts";
import { Callbacks } from "../../../engine/wallet/mpesa/callbacks.ts";
import { CallbackUrls } from "../../../engine/wallet/mpesa/callback-urls.ts";
import { Daraja } from "../../../engine/wallet/mpesa/daraja.ts";
import { Mpesa, type MpesaParts } from "../../../engine/wallet/mpesa/mpesa.ts";
import { TopUps } from "../../../engine/wallet/mpesa/top-ups.ts";
import { verifyLedger } from "../../../engine/wallet/verify.ts";
import { createOutbox } from "../../../engine/webhooks/outbox.ts";
import { openTestStore } from "../../store/test-database.ts";
import { world as apiWorld } from "../../api/world.ts";

export const shortcode = "600999";
export const wanjirusPhone = "+254722000001";
/** As it stands in the path: no word of Daraja's in it. */
export const token = "5f1d0c9a7b3e4d2f8a6b1c0d9e8f7a6b5c4d";
const initiator = { name: "sautikit", securityCredential: "c2VhbGVk" };
const settings = { consumerKey: "key", consumerSecret: "secret", shortcode, passkey: "pass", initiator };

/** Real time for what waits for the network; its hour is moved by hand, and timers of more than a second with it. */
export class MovedClock implements Clock {
  offsetMs = 0;
  /** By how much the host's clock was set. */
  steppedMs = 0;
  #timers = new Set<{ atMs: number; fn: () => void }>();

  nowMs = () => this.steadyMs() + this.steppedMs;
  nowUs = () => this.nowMs() * 1000;
  steadyMs = () => systemClock.nowMs() + this.offsetMs;
  monotonicMs = () => systemClock.monotonicMs() + this.offsetMs;
  sleep = (delayMs: number, signal?: AbortSignal) => systemClock.sleep(Math.min(delayMs, 5), signal);
  after(delayMs: number, fn: () => void): Timer {
    const timer = { atMs: this.steadyMs() + delayMs, fn };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** Runs what falls due by then, in its order. */
  advance(ms: number): void {
    this.offsetMs += ms;
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= this.steadyMs());
      const [next] = due.sort((a, b) => a.atMs - b.atMs);
      if (!next) return;
      this.#timers.delete(next);
      next.fn();
    }
  }
}

/**
 * The API, what works in the background, and Daraja's stand-in, over real HTTP on a real database. Nothing happens by
 * itself but what the stand-in is told to: `run` looks once at all that is due.
 */
export async function mpesaWorld(
  given: Partial<Pick<MpesaParts, "verifyAboveMinor" | "pulls">> & {
    addresses?: string[];
    perHour?: number;
    trustedProxies?: number;
  } = {},
) {
  const clock = new MovedClock();
  const ids = systemIds(clock);
  const secrets = aesSecrets(Buffer.alloc(32, 7), ids);
  const standIn = await startStandIn({ clock, ids, settings });
  const store = await openTestStore();
  const urls = new CallbackUrls(() => api.url, token);
  const said: Said[] = [];
  const log = recording(said);
  const amounts = { minMinor: 10_000, maxMinor: 15_000_000 };
  const wake = () => undefined;
  const callbacks = new Callbacks({
    ...{ store, clock, ids, token, shortcode, amounts, wake, log },
    addresses: given.addresses ?? [],
  });
  const topUps = new TopUps({ clock, ids, amounts, perHour: given.perHour ?? 30, wake });
  const api = await apiWorld(
    { topUps, callbacks, trustedProxies: given.trustedProxies ?? 0 },
    { store, clock },
  );
  const ledger = createLedger({ ids });
  const outbox = createOutbox({ clock, ids, wake });
  const daraja = () =>
    new Daraja({ store, secrets, clock, ids, settings: { ...settings, url: standIn.url } });
  const parts: Omit<MpesaParts, "daraja"> = {
    ...{ store, clock, ids, ledger, outbox, urls, log },
    verifyAboveMinor: given.verifyAboveMinor ?? 100_000_000,
    pulls: given.pulls ?? true,
  };
  let mpesa = new Mpesa({ ...parts, daraja: daraja() });

  const here = {
    ...{ said, topUps, api, clock, ids, store, secrets, standIn, urls, daraja, parts },
    get book() {
      return standIn.book;
    },
    get mpesa() {
      return mpesa;
    },
    /** The process dies and another begins: all that it held in memory is gone. */
    restart(client: Partial<MpesaParts["daraja"]> = {}) {
      const fresh = daraja();
      mpesa = new Mpesa({
        ...parts,
        daraja: {
          shortcode,
          ready: () => fresh.ready(),
          push: (push) => fresh.push(push),
          query: (id) => fresh.query(id),
          pull: (from, to, offset) => fresh.pull(from, to, offset),
          askStatus: (receipt, url) => fresh.askStatus(receipt, url),
          stop: () => fresh.stop(),
          ...client,
        },
      });
    },
    behave(phone: string, behaviour: Partial<Behaviour>) {
      standIn.book.behaviours.set(phone, { ...pays, ...behaviour });
    },
    async registerUrls() {
      await daraja().registerUrls({ confirmation: urls.confirmation, validation: urls.validation });
      here.restart();
    },
    /** Asks for a top-up over HTTP, and has it sent. */
    async ask(
      workspace: { key: string },
      {
        kes = 500,
        phone = wanjirusPhone,
        send = true,
      }: { kes?: number; phone?: string; send?: boolean } = {},
    ): Promise<TopUpId> {
      const answer = await api.ask("POST", "/v1/topups", {
        key: workspace.key,
        body: { provider: "mpesa", amount_minor: kes * 100, currency: "KES", phone_e164: phone },
      });
      assert.equal(answer.status, 202, answer.text);
      if (send) await here.push();
      return answer.body.id as TopUpId;
    },
    async push() {
      await mpesa.pushes.look();
      await mpesa.pushes.settled();
    },
    /** Time goes by, and what was on its way is there. */
    async pass(ms: number) {
      clock.advance(ms);
      await here.arrived();
    },
    /** Until the stand-in waits for no answer of ours. */
    async arrived() {
      // Twice: an answer may have one more request follow it.
      for (let quietLooks = 0; quietLooks < 2;) {
        await systemClock.sleep(5);
        quietLooks = standIn.book.posting === 0 ? quietLooks + 1 : 0;
      }
    },
    /** All that the background would do now. */
    async run() {
      await mpesa.notices.look();
      await here.push();
      await mpesa.queries.look();
      await mpesa.notices.look();
      await mpesa.reconciliation.look();
    },
    row: (id: TopUpId) =>
      store.read(async (tx) => (await tx.get<TopUpRow>("SELECT * FROM topups WHERE id = ?", [id]))!),
    payments: () => store.read((tx) => tx.all<PaymentRow>("SELECT * FROM mpesa_payments ORDER BY id")),
    balance: (id: WorkspaceId) => store.read((tx) => walletBalanceMinor(tx, id)),
    async suspense() {
      const row = await store.read((tx) =>
        tx.get<{ balanceMinor: number }>("SELECT balance_minor FROM ledger_accounts WHERE kind = 'suspense'"),
      );
      return row?.balanceMinor ?? 0;
    },
    async view(workspace: { key: string }, id: TopUpId) {
      return (await api.ask("GET", `/v1/topups/${id}`, { key: workspace.key })).body;
    },
    accountOf: (id: WorkspaceId) => accountOf(store, id),
    /** Every invariant, by its words. */
    async books() {
      assert.deepEqual(await broken(store), []);
    },
    async end() {
      await mpesa.stop();
      await standIn.close();
      await api.end();
    },
  };
  return here;
}

/** A line of the log. */
export interface Said {
  level: keyof Log;
  facts: Record<string, unknown>;
  message: string;
}

function recording(said: Said[]): Log {
  const at = (level: keyof Log) => (facts: unknown, message?: string) =>
    void said.push({ level, facts: facts as Said["facts"], message: message ?? "" });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

export type MpesaWorld = Awaited<ReturnType<typeof mpesaWorld>>;

export const broken = async (store: Store) =>
  (await store.read(verifyLedger)).filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`);

export async function accountOf(store: Store, id: WorkspaceId): Promise<string> {
  const row = await store.read((tx) =>
    tx.get<{ mpesaAccountRef: string }>("SELECT mpesa_account_ref FROM workspaces WHERE id = ?", [id]),
  );
  return row!.mpesaAccountRef;
}

/** Numbers that nobody else of these tests has. */
export function phones(ids: Ids): () => string {
  let next = ids.bytes(2).readUInt16BE(0) * 1000;
  return () => `+2547${String(next++ % 100_000_000).padStart(8, "1")}`;
}
