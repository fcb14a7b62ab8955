import { recordChange } from "../audit/audit.ts";
import { dayMs, rfc3339Seconds } from "../clock.ts";
import { localDay } from "../east-africa-time.ts";
import type { JsonObject } from "../json.ts";
import type { Log } from "../log.ts";
import { ownersOf } from "../store/members.ts";
import {
  dueNumbers,
  hurriedAtMs,
  numberToChange,
  updateDue,
  updateSuspended,
  type DueNumber,
  type NumberRow,
} from "../store/numbers.ts";
import type { Store, Tx } from "../store/store.ts";
import { keepWorkspace } from "../store/workspaces.ts";
import { kes } from "../wallet/money.ts";
import { tellWorkspace } from "../webhooks/workspace-events.ts";
import { tellResumed } from "./block.ts";
import { releaseNumber, type NumberParts } from "./claims.ts";
import { payMonth, type Rent } from "./rent.ts";

/** An unpaid number is kept for so long. */
export const graceMs = 7 * dayMs;
const retryMs = dayMs;
const seenAtOnce = 100;

interface RenewalParts extends NumberParts {
  store: Store;
  log: Log;
}

/**
 * Pays what is due for rented numbers, suspends and releases those that cannot be paid. Each step is one transaction that
 * looks at the row as it is: what was done before a crash, or by another controller, is not done again.
 */
export class Renewals {
  readonly #parts: RenewalParts;

  constructor(parts: RenewalParts) {
    this.#parts = parts;
  }

  /** Everything that is due now. */
  async run(): Promise<void> {
    const { store, clock, log } = this.#parts;
    const nowMs = clock.nowMs();
    for (let after: DueNumber | null = null; ;) {
      const from: DueNumber | null = after;
      const due: DueNumber[] = await store.read((tx) =>
        dueNumbers(tx, { nowMs, after: from, limit: seenAtOnce }),
      );
      for (const number of due) {
        try {
          // More than one month, where nobody looked for long.
          while (await store.write((tx) => renewNumber(tx, this.#parts, number, nowMs)));
        } catch (error) {
          // One that cannot be renewed keeps no other from it.
          log.error({ err: error, number: number.id }, "A number's rent could not be looked at.");
        }
      }
      after = due.at(-1) ?? null;
      if (due.length < seenAtOnce) return;
    }
  }
}

/** One step of a number whose rent is due. True: there is another at once. */
export async function renewNumber(
  tx: Tx,
  parts: NumberParts,
  { id, workspaceId }: Pick<NumberRow, "id" | "workspaceId">,
  nowMs: number,
): Promise<boolean> {
  await keepWorkspace(tx, workspaceId);
  const number = await numberToChange(tx, workspaceId, id);
  if (number?.dueAtMs == null || number.dueAtMs > nowMs) return false;
  const graceOver = number.status === "suspended" && nowMs >= (number.releaseAtMs ?? nowMs);
  // Its seven days are over: whatever is in the wallet by now stays there. But money that came in within them counts,
  // however late somebody looks.
  if (graceOver && number.dueAtMs !== hurriedAtMs) {
    await releaseUnpaid(tx, parts, number);
    return false;
  }
  const paid = await payMonth(tx, parts, number);
  if (paid.ok) {
    if (number.status === "suspended") await resumed(tx, parts, number);
    return paid.paidUntilMs <= nowMs;
  }
  if (number.status === "active") await suspend(tx, parts, number, paid.rent, nowMs);
  else if (graceOver) await releaseUnpaid(tx, parts, number);
  else await updateDue(tx, id, Math.min(nowMs + retryMs, number.releaseAtMs ?? Infinity));
  return false;
}

async function suspend(tx: Tx, parts: NumberParts, number: NumberRow, rent: Rent, nowMs: number) {
  const releaseAtMs = nowMs + graceMs;
  await updateSuspended(tx, number.id, { suspendedAtMs: nowMs, releaseAtMs, dueAtMs: nowMs + retryMs });
  await audited(tx, parts, number, "suspend number", {
    ...{ status: "suspended", release_at: rfc3339Seconds(releaseAtMs) },
  });
  await tellWorkspace(tx, parts, {
    workspaceId: number.workspaceId,
    kind: "number.suspended",
    data: {
      ...{ number_id: number.id, number: number.e164, reason: "unpaid", owed_minor: rent.grossMinor },
      ...{ suspended_at: rfc3339Seconds(nowMs), release_at: rfc3339Seconds(releaseAtMs) },
    },
  });
  await parts.mails.send(tx, {
    key: `${number.id} suspended at ${nowMs}`,
    workspaceId: number.workspaceId,
    to: await ownersOf(tx, number.workspaceId),
    subject: `${number.e164} is suspended: its rent could not be paid`,
    text:
      `The month of ${number.e164} that begins on ${localDay(number.paidUntilMs ?? nowMs)} costs ${kes(rent.grossMinor)}, and your wallet ` +
      `does not cover it.\n\nUntil it is paid no calls go to the number or come from it; calls under way go on. Top up your ` +
      `wallet, and it is back in service at once. We also try every day.\n\nOn ${localDay(releaseAtMs)}, 7 days from now, ` +
      `it is released for good and cannot be recovered.\n`,
  });
}

async function resumed(tx: Tx, parts: NumberParts, number: NumberRow): Promise<void> {
  await audited(tx, parts, number, "resume number", { status: "active" });
  await tellResumed(tx, parts, { ...number, status: "active" });
}

async function releaseUnpaid(tx: Tx, parts: NumberParts, number: NumberRow): Promise<void> {
  await audited(tx, parts, number, "release number", { status: "released", reason: "unpaid" });
  await releaseNumber(tx, parts, number.workspaceId, number.id, "unpaid");
}

const audited = (tx: Tx, parts: NumberParts, number: NumberRow, action: string, after: JsonObject) =>
  recordChange(tx, parts, {
    ...{ workspaceId: number.workspaceId, actor: { kind: "system" as const }, action, subject: number.id },
    before: { number: number.e164, status: number.status },
    after: { number: number.e164, ...after },
  });
