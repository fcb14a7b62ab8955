import { createHash, timingSafeEqual } from "node:crypto";
import type { Clock } from "../../clock.ts";
import type { Ids } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { insertNotice, workspaceByAccount } from "../../store/mpesa.ts";
import type { Store } from "../../store/store.ts";
import { typedAccount } from "./account-number.ts";
import { readPaybillPayment } from "./notices.ts";

/** What Safaricom is told of a payment that is about to be made. */
export interface Verdict {
  ResultCode: string;
  ResultDesc: string;
}

export interface CallbackParts {
  store: Store;
  clock: Clock;
  ids: Ids;
  log: Log;
  token: string;
  /** Whose requests are taken; empty: anybody's who knows the token. */
  addresses: readonly string[];
  shortcode: string;
  amounts: { minMinor: number; maxMinor: number };
  /** After something was stored. */
  wake: () => void;
}

/** How often at most the log tells of what knocks with a wrong token: strangers do, too. */
const strangersToldMs = 60_000;

/** What the doors that Safaricom knocks at do; who knocks is asked first. */
export class Callbacks {
  readonly #parts: CallbackParts;
  readonly #token: Buffer;
  #strangers = { count: 0, toldAtMs: -Infinity };

  constructor(parts: CallbackParts) {
    this.#parts = parts;
    this.#token = sha256(parts.token);
  }

  /** Takes as long for a wrong token as for a right one. */
  admits(token: string, address: string | undefined): boolean {
    const known = timingSafeEqual(sha256(token), this.#token);
    const { addresses, log } = this.#parts;
    if (!known) {
      this.#tellOfStranger(address);
      return false;
    }
    if (addresses.length === 0 || (address !== undefined && addresses.includes(plain(address)))) return true;
    log.warn(
      { address },
      "a callback with the right token came from an address that is not in DARAJA_ADDRESSES",
    );
    return false;
  }

  /** It may be Safaricom, who was told of another token than ours: then no payment is heard of. Neither token is in the line. */
  #tellOfStranger(address: string | undefined): void {
    const { clock, log } = this.#parts;
    this.#strangers.count++;
    if (clock.monotonicMs() - this.#strangers.toldAtMs < strangersToldMs) return;
    log.warn(
      { address, count: this.#strangers.count },
      "A callback of M-Pesa's came to an address with a wrong token. If it was Safaricom's, see Callbacks in docs/mpesa.md.",
    );
    this.#strangers = { count: 0, toldAtMs: clock.monotonicMs() };
  }

  /** Stores it as it came, and no more: what it says is worked off afterwards. */
  async keep(
    kind: "stk" | "confirmation" | "status",
    notice: { body: Uint8Array; callbackKey: string | null; address: string | undefined },
  ): Promise<void> {
    const { store, clock, ids, wake } = this.#parts;
    const row = {
      id: ids.next("ntc"),
      kind,
      callbackKey: notice.callbackKey,
      // No database keeps a NUL in text, and no JSON has one.
      body: Buffer.from(notice.body).toString("utf8").replaceAll("\0", "\ufffd"),
      address: notice.address ?? null,
      receivedAtMs: clock.nowMs(),
    };
    await store.write(async (tx) => {
      await insertNotice(tx, row);
      tx.afterCommit(wake);
    });
  }

  /** Before money is taken: whether anybody here would know whose it is. Where we cannot tell, it may come. */
  async validate(body: Uint8Array): Promise<Verdict> {
    const { store, shortcode, amounts, log } = this.#parts;
    const payment = readPaybillPayment(Buffer.from(body).toString("utf8"));
    if (!payment) return refused("C2B00016", "Unreadable");
    if (payment.shortcode !== shortcode) return refused("C2B00015", "Wrong shortcode");
    const { amountMinor } = payment;
    if (amountMinor < amounts.minMinor || amountMinor > amounts.maxMinor)
      return refused("C2B00013", "Amount not allowed");
    try {
      const { account } = typedAccount(payment.billReference);
      const found = await store.read((tx) => workspaceByAccount(tx, account));
      return found === null ? refused("C2B00012", "Unknown account number") : accepted;
    } catch (error) {
      log.warn({ err: error }, "a payment was let through unvalidated");
      return accepted;
    }
  }
}

export const accepted: Verdict = { ResultCode: "0", ResultDesc: "Accepted" };
const refused = (ResultCode: string, ResultDesc: string): Verdict => ({ ResultCode, ResultDesc });

const sha256 = (text: string) => createHash("sha256").update(text).digest();
/** An IPv4 address on a socket of both kinds. */
const plain = (address: string) => address.replace(/^::ffff:(?=\d+\.)/i, "");
