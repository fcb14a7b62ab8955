import type { Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import type { Store, Tx } from "../../store/store.ts";
import {
  markTopUpSent,
  topUpToChange,
  unansweredTopUps,
  unsentTopUps,
  updateTopUp,
  type TopUpRow,
} from "../../store/topups.ts";
import type { CallbackUrls } from "./callback-urls.ts";
import { DarajaError, refusedSetting } from "./daraja-error.ts";
import type { Daraja } from "./daraja.ts";
import { msisdnOf } from "./phone.ts";
import { firstQueryMs } from "./queries.ts";
import { pushFailures, resultOf } from "./result-codes.ts";

export interface PushParts {
  store: Store;
  clock: Clock;
  log: Log;
  daraja: Pick<Daraja, "ready" | "push">;
  urls: Pick<CallbackUrls, "ofPush">;
}

/** A prompt that comes later would surprise whoever holds the phone. */
const unsentMsMax = 30_000;
/** A phone is kept for a request that is not sent yet; longer than that takes. */
export const holdUnsentMs = 45_000;
/** A prompt is open for about a minute. */
const promptMsMax = 75_000;
/** Longer than any push waits for its answer: who sent it is dead. */
const unansweredMs = 60_000;
const atOnce = 16;

/**
 * Sends what was asked for, each at most once: it is marked in a commit of its own, then sent. Where no answer comes,
 * or whoever sent it dies, nobody knows whether a phone rang, so it is never sent again.
 */
export class Pushes {
  readonly #parts: PushParts;
  readonly #underWay = new Map<TopUpRow["id"], Promise<void>>();
  /** When each that waits was first seen, monotonic: whoever took it may have another clock. */
  #seenMs = new Map<TopUpRow["id"], number>();

  constructor(parts: PushParts) {
    this.#parts = parts;
  }

  /** Begins what waits, and does not wait for its answers: one phone's hold up no other's prompt. */
  async look(): Promise<void> {
    const { store, clock, log } = this.#parts;
    const unsent = await store.read((tx) => unsentTopUps(tx, atOnce));
    const seenMs = this.#seenMs;
    this.#seenMs = new Map(unsent.map(({ id }) => [id, seenMs.get(id) ?? clock.monotonicMs()]));
    for (const topUp of unsent) {
      if (this.#underWay.has(topUp.id) || this.#underWay.size >= atOnce) continue;
      const sending = this.#send(topUp, this.#seenMs.get(topUp.id) ?? clock.monotonicMs())
        .catch((error: unknown) =>
          log.error({ err: error, topUp: topUp.id }, "a push could not be seen through"),
        )
        .finally(() => this.#underWay.delete(topUp.id));
      this.#underWay.set(topUp.id, sending);
    }
    const sentBeforeMs = clock.nowMs() - unansweredMs;
    for (const { id } of await store.read((tx) => unansweredTopUps(tx, sentBeforeMs, atOnce)))
      await store.write((tx) => this.#leaveUnknown(tx, id));
  }

  /** Until nothing is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay.values());
  }

  async #send(topUp: TopUpRow, seenMs: number): Promise<void> {
    const { store, clock, daraja, urls, log } = this.#parts;
    const tooOld = () =>
      Math.max(clock.nowMs() - topUp.createdAtMs, clock.monotonicMs() - seenMs) > unsentMsMax;
    if (tooOld()) return this.#fail(topUp, pushFailures.unreachable, null);
    try {
      await daraja.ready();
    } catch (error) {
      if (error instanceof DarajaError && error.fault === "wrong_secrets") {
        log.error({ err: error, topUp: topUp.id }, "DARAJA_CONSUMER_KEY or DARAJA_CONSUMER_SECRET is wrong");
        return this.#fail(topUp, pushFailures.ours, error.code);
      }
      log.warn({ err: error, topUp: topUp.id }, "no token of Daraja's yet; nothing was sent");
      return;
    }
    if (tooOld()) return this.#fail(topUp, pushFailures.unreachable, null);
    const nowMs = clock.nowMs();
    const times = { sentAtMs: nowMs, openUntilMs: nowMs + promptMsMax };
    if (!(await store.write((tx) => markTopUpSent(tx, topUp.id, times)))) return;
    // Whoever stood still between the mark and this is late, and nobody else sends it.
    if (tooOld()) return this.#fail(topUp, pushFailures.unreachable, null);
    try {
      const answer = await daraja.push({
        amount: topUp.amountMinor / 100,
        msisdn: msisdnOf(topUp.phoneE164),
        accountReference: topUp.accountReference,
        description: "Top up",
        callbackUrl: urls.ofPush(topUp.callbackKey),
      });
      await store.write((tx) => this.#asked(tx, topUp.id, answer));
    } catch (error) {
      if (!(error instanceof DarajaError)) throw error;
      await this.#refusedOrLost(topUp, error);
    }
  }

  /** It may have been paid by now: the callback can be faster than this answer. */
  async #asked(tx: Tx, id: TopUpRow["id"], answer: { merchantRequestId: string; checkoutRequestId: string }) {
    const now = await topUpToChange(tx, id);
    if (!now) return;
    const nowMs = this.#parts.clock.nowMs();
    const open = now.state === "pending" || now.state === "unknown";
    await updateTopUp(tx, id, {
      merchantRequestId: answer.merchantRequestId,
      checkoutRequestId: now.checkoutRequestId ?? answer.checkoutRequestId,
      ...(open && now.nextQueryAtMs === null && now.paidAtMs === null
        ? { nextQueryAtMs: nowMs + firstQueryMs }
        : {}),
      updatedAtMs: nowMs,
    });
  }

  async #refusedOrLost(topUp: TopUpRow, error: DarajaError): Promise<void> {
    const { store, log } = this.#parts;
    const refusal = refusalOf(error);
    const facts = { topUp: topUp.id, fault: error.fault, code: error.code, err: error };
    if (refusal === null) {
      log.warn(facts, "a push to a phone was not answered; it is not sent again");
      await store.write((tx) => this.#leaveUnknown(tx, topUp.id));
      return;
    }
    const setting = refusedSetting(error);
    if (setting !== null) log.error(facts, `Daraja does not take DARAJA_${setting.toUpperCase()}`);
    else if (refusal.alert) log.error(facts, "Daraja refuses to ask phones for money: see docs/mpesa.md");
    else log.info(facts, "a push was refused");
    await this.#fail(topUp, refusal.reason, error.code);
  }

  async #fail({ id }: TopUpRow, failureReason: string, resultCode: string | null): Promise<void> {
    const { store, clock } = this.#parts;
    await store.write(async (tx) => {
      const now = await topUpToChange(tx, id);
      if (now?.state !== "requested" && now?.state !== "pending") return;
      const updatedAtMs = clock.nowMs();
      await updateTopUp(tx, id, { state: "failed", failureReason, resultCode, openPhone: null, updatedAtMs });
    });
  }

  async #leaveUnknown(tx: Tx, id: TopUpRow["id"]): Promise<void> {
    const now = await topUpToChange(tx, id);
    if (now?.state !== "pending" || now.checkoutRequestId !== null) return;
    const updatedAtMs = this.#parts.clock.nowMs();
    await updateTopUp(tx, id, { state: "unknown", failureReason: pushFailures.noAnswer, updatedAtMs });
  }
}

/** Null: it may have reached the phone. Only Daraja's own refusals, of codes that we know, say that it has not. */
function refusalOf(error: DarajaError): { reason: string; alert: boolean } | null {
  const no = (reason: string, alert = false) => ({ reason, alert });
  if (error.fault === "unreachable") return no(pushFailures.unreachable, true);
  // Its token was ended between the two, and there is no other.
  if (error.fault === "wrong_secrets") return no(pushFailures.ours, true);
  if (error.fault !== "refused" || error.code === null) return null;
  switch (error.code) {
    case "400.002.02":
      return /phone|msisdn|party ?a/i.test(error.message)
        ? no(pushFailures.phone)
        : no(pushFailures.ours, true);
    case "404.001.03":
    case "400.008.01":
    case "400.008.02":
      return no(pushFailures.ours, true);
    case "500.003.02":
    case "500.003.03":
      return no(pushFailures.busy, error.code === "500.003.03");
    case "500.001.1001":
      if (/lock subscriber/i.test(error.message)) return no(pushFailures.busyPhone);
      return refusedSetting(error) === null ? null : no(pushFailures.ours, true);
    default:
      break;
  }
  if (error.status === 200) {
    const result = resultOf(error.code, error.message);
    return result && no(result.reason, result.alert ?? false);
  }
  return error.status >= 400 && error.status < 500 ? no(pushFailures.ours, true) : null;
}
