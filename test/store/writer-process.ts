/** One of several processes that write to one database at once: `<url> <which> <job> <arguments>`. */
import { once } from "node:events";
import { openStore } from "../../cli/open-store.ts";
import { readConfig } from "../../cli/config.ts";
import { CallChange } from "../../engine/calls/call-change.ts";
import { DocumentRun } from "../../engine/calls/document-run.ts";
import { takeLegNews, type LegNews } from "../../engine/calls/leg-progress.ts";
import { CallTraces } from "../../engine/calls/call-traces.ts";
import { Calls } from "../../engine/calls/calls.ts";
import { noPeers, type ChangeParts } from "../../engine/calls/change-parts.ts";
import { systemClock } from "../../engine/clock.ts";
import { isError } from "../../engine/errors.ts";
import { systemIds, type CallId, type UserId, type WorkspaceId } from "../../engine/ids.ts";
import { createMailQueue } from "../../engine/mail/mail-queue.ts";
import { removeMember } from "../../engine/people/members.ts";
import { Policy } from "../../engine/policy/policy.ts";
import { createSettlement } from "../../engine/metering/settlement.ts";
import type { LegRow } from "../../engine/store/calls.ts";
import { workspaceById } from "../../engine/store/workspaces.ts";
import type { Store } from "../../engine/store/store.ts";
import { createLedger } from "../../engine/wallet/ledger.ts";
import { createWallet } from "../../engine/wallet/wallet.ts";
import { createOutbox } from "../../engine/webhooks/outbox.ts";
import type { Caller } from "../../engine/workspaces/api-keys.ts";
import { claimNumber, type NumberParts } from "../../engine/numbers/claims.ts";
import { Renewals } from "../../engine/numbers/renewals.ts";
import { aesSecrets } from "../../engine/secrets.ts";
import { loneTrunk } from "../../engine/sip/trunks/trunks.ts";
import { noPrompts } from "../media/no-prompts.ts";
import { quiet } from "../numbers/world.ts";

const [url = "", which = "", job = "", ...args] = process.argv.slice(2);
const clock = systemClock;
const ids = systemIds(clock);
const ledger = createLedger({ ids });
const wake = () => undefined;
const outbox = createOutbox({ clock, ids, wake });
const parts: ChangeParts = {
  clock,
  ids,
  outbox,
  policy: new Policy({ clock, ids, outbox, mails: createMailQueue({ clock, ids, wake }) }),
  settlement: createSettlement({ ledger }),
  trunks: loneTrunk("carrier", ids),
  traces: new CallTraces(),
  peers: noPeers,
  changed: () => undefined,
};

const numberParts: NumberParts = {
  ...{ clock, ids, ledger, outbox: parts.outbox, secrets: aesSecrets(Buffer.alloc(32, 7), ids) },
  mails: createMailQueue({ clock, ids, wake: () => undefined }),
};

const jobs: Record<string, (store: Store) => Promise<string>> = {
  migrate: () => Promise.resolve("opened"),

  /** Credits of its own, and the same ones as the other processes. */
  async credit(store) {
    const [workspaceId, count] = [args[0] as WorkspaceId, Number(args[1])];
    let posted = 0;
    const give = (reference: string) =>
      store.write((tx) =>
        createWallet({ ledger }).credit(tx, {
          ...{ workspaceId, amountMinor: 100, reference, description: "Together", createdAtMs: 0 },
          kind: "credit",
        }),
      );
    await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        for (const reference of [`${which} ${index}`, `shared ${index}`])
          if ((await give(reference)).posted) posted++;
      }),
    );
    return `${posted}`;
  },

  /** Events on one call. */
  async emit(store) {
    const [callId, count] = [args[0] as CallId, Number(args[1])];
    await Promise.all(
      Array.from({ length: count }, () =>
        store.write(async (tx) => {
          const change = await CallChange.load(parts, tx, callId);
          await change!.emit("call.answered", { by: which });
          await change!.save();
        }),
      ),
    );
    return "emitted";
  },

  /** One owner each, all at once. */
  async leave(store) {
    const [workspaceId, ...owners] = args as [WorkspaceId, ...UserId[]];
    const id = owners[Number(which)]!;
    const workspace = (await store.read((tx) => workspaceById(tx, workspaceId)))!;
    const caller: Caller = { by: { kind: "user", id, role: "owner" }, scopes: [], workspace };
    const left = store.write((tx) => removeMember(tx, caller, id, 2));
    return left.then(
      () => "left",
      (error: unknown) => (isError(error, "members.last_owner") ? "stays" : String(error)),
    );
  },

  /** As many calls as the workspace may have at once. */
  async originate(store) {
    const [workspaceId, e164, count] = [args[0] as WorkspaceId, args[1]!, Number(args[2])];
    const calls = new Calls({ ...parts, box: () => "box", promptUrls: noPrompts.urls });
    const outcomes = await Promise.all(
      Array.from({ length: count }, () =>
        store
          .write(async (tx) => {
            await calls.originate(tx, workspaceId, {
              ...{ fromE164: e164, toE164: ["+254712345678"], record: null },
              ...{ ringTimeoutSeconds: 30, maxDurationSeconds: 60 },
            });
            return 1;
          })
          .catch((error: unknown) => {
            if (!isError(error, "calls.concurrency_limit")) throw error;
            return 0;
          }),
      ),
    );
    return `${outcomes.reduce<number>((sum, placed) => sum + placed, 0)}`;
  },

  /** Claims, for the first workspace or for one of its own, those numbers, each; how many it got. */
  async claim(store) {
    const workspaces = args[0]!.split(",") as WorkspaceId[];
    const workspaceId = workspaces[Number(which) % workspaces.length]!;
    const outcomes = await Promise.all(
      args[1]!.split(",").map((number) =>
        store
          .write((tx) => claimNumber(tx, numberParts, workspaceId, { number }, {}))
          .then(() => "got")
          .catch((error: unknown) => {
            if (isError(error, "numbers.already_claimed") || isError(error, "wallet.insufficient_funds"))
              return error.code;
            throw error;
          }),
      ),
    );
    return outcomes.join(",");
  },

  /** Looks at the rents, as a controller does. */
  async renew(store) {
    const errors: unknown[] = [];
    const log = { ...quiet, error: (fields: object) => void errors.push(fields) };
    await new Renewals({ ...numberParts, store, log }).run();
    if (errors.length > 0) throw new Error(JSON.stringify(errors));
    return "renewed";
  },

  /** Answers and ends every call of the workspace, as the other processes do. */
  async end(store) {
    const workspaceId = args[0] as WorkspaceId;
    const live = await store.read((tx) =>
      tx.all<LegRow>("SELECT * FROM legs WHERE workspace_id = ? ORDER BY id", [workspaceId]),
    );
    const document = new DocumentRun(() => Promise.reject(new Error("Nobody dials here.")));
    const take = (leg: LegRow, news: LegNews) =>
      store.write(async (tx) => {
        const change = await CallChange.load(parts, tx, leg.callId);
        await takeLegNews(change!, news, document);
        await change!.save();
      });
    // Each process comes another way round.
    const mine = Number(which) % 2 === 0 ? live : live.toReversed();
    await Promise.all(
      mine.map(async (leg) => {
        const at = { box: leg.box, leg: leg.id };
        const answeredAtUs = leg.createdAtMs * 1000 + 1_000_000;
        const endedAtUs = answeredAtUs + 47_000_000;
        await take(leg, { kind: "answered", ...at, atUs: answeredAtUs });
        await take(leg, {
          ...{ kind: "hungUp", ...at, atUs: endedAtUs, createdAtUs: leg.createdAtMs * 1000 },
          ...{ ringingAtUs: null, answeredAtUs, endedAtUs, cause: "NORMAL_CLEARING", q850: 16 },
          ...{ sipStatus: null, quality: null, audio: null, sipCallId: null, endedBy: "event" },
        });
      }),
    );
    return "ended";
  },
};

process.stdout.write("ready\n");
await once(process.stdin, "data");
const store = await openStore(readConfig({ DATABASE_URL: url }), { clock });
const outcome = await jobs[job]!(store);
await store.close();
process.stdout.write(`${outcome}\n`);
