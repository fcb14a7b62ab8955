import type { SipId } from "../ids.ts";
import type { Log } from "../log.ts";
import { Poll } from "../poll.ts";
import {
  addLoginFailures,
  countLoginFailureRows,
  loginFailuresSince,
  standingBanOf,
  sweepBans,
  type BanSubject,
} from "../store/sip-bans.ts";
import { credentialsOfLogins, isRegisteredFrom } from "../store/sip-credentials.ts";
import type { Store, Tx } from "../store/store.ts";
import type { LoginFailed } from "../switch/switch.ts";
import { isWithin } from "./addresses.ts";
import { banForFailures, quietMs, type BanParts, type TellOfBan } from "./bans.ts";

export interface LoginFailuresParts extends BanParts {
  store: Store;
  log: Log;
  tell: TellOfBan;
  /** CIDRs of IPv4 addresses that are never banned. */
  never: () => readonly string[];
}

/** So many failures in so many minutes, this one with them, are too many. */
const failuresMax = 20;
const spanMinutes = 10;
/** Of an address that customers' devices are registered from: an office, or a mobile network, with one phone set up wrong. */
const sharedFailuresMax = 200;

/** They are counted together, so that a flood of them costs the database a transaction a second. */
const everyMs = 1_000;
/** Told apart in one such time; of those beyond nothing is kept. */
const subjectsMax = 500;
/** Rows of failures; nothing new is counted beyond, until the sweep. */
const rowsMax = 20_000;
/** Addresses of whom a workspace is told. */
const addressesTold = 5;
const minuteMs = 60_000;

interface Pending {
  addresses: Map<string, number>;
  names: Map<string, { count: number; from: Set<string> }>;
}
const nothing = (): Pending => ({ addresses: new Map(), names: new Map() });

/**
 * Counts the logins that fail, by address, and by credential where the name is one's, and bans who tries too often. What was told
 * in the second in which a controller dies is not counted.
 */
export class LoginFailures {
  readonly counts = { told: 0, leftOut: 0 };
  readonly #parts: LoginFailuresParts;
  readonly #poll: Poll;
  #pending = nothing();
  #sweptMinute = -1;

  constructor(parts: LoginFailuresParts) {
    this.#parts = parts;
    this.#poll = new Poll(
      parts.clock,
      everyMs,
      () => this.flush(),
      (error) => parts.log.warn({ err: error }, "Failed logins could not be counted."),
    );
  }

  start(): void {
    this.#poll.start();
  }

  stop(): Promise<void> {
    return this.#poll.stop();
  }

  take({ address, username }: LoginFailed): void {
    this.counts.told++;
    const { addresses, names } = this.#pending;
    const isNew = !addresses.has(address) || (username !== null && !names.has(username));
    if (isNew && Math.max(addresses.size, names.size) >= subjectsMax) {
      this.counts.leftOut++;
      return;
    }
    if (!isWithin(address, this.#parts.never())) addresses.set(address, (addresses.get(address) ?? 0) + 1);
    if (username === null) return;
    const name = names.get(username) ?? { count: 0, from: new Set() };
    names.set(username, name);
    name.count++;
    if (name.from.size < addressesTold) name.from.add(address);
  }

  /** Counts what was told since. */
  async flush(): Promise<void> {
    const { store, clock } = this.#parts;
    const minute = Math.floor(clock.nowMs() / minuteMs);
    if (minute !== this.#sweptMinute) {
      const until = { beforeMinute: minute - spanMinutes + 1, endedBeforeMs: clock.nowMs() - quietMs };
      await store.write((tx) => sweepBans(tx, until));
      this.#sweptMinute = minute;
    }
    const { addresses, names } = this.#pending;
    if (addresses.size === 0 && names.size === 0) return;
    this.#pending = nothing();
    const known = await this.#credentials(names);
    await store.write(async (tx) => {
      let room = rowsMax - (await countLoginFailureRows(tx));
      const count = async (subject: BanSubject, failures: number, from: readonly string[]) => {
        if (room-- > 0) await this.#count(tx, subject, { minute, failures, from });
        else this.counts.leftOut += failures;
      };
      for (const [subject, failures] of addresses)
        await count({ kind: "address", subject }, failures, [subject]);
      for (const [subject, { count: failures, from }] of known)
        await count({ kind: "credential", subject }, failures, [...from]);
    });
  }

  /** A name that nobody has is a stranger's: it counts for its address alone. */
  async #credentials(names: Pending["names"]): Promise<Map<SipId, { count: number; from: Set<string> }>> {
    const { store, clock } = this.#parts;
    const known = new Map<SipId, { count: number; from: Set<string> }>();
    if (names.size === 0) return known;
    const rows = await store.read((tx) => credentialsOfLogins(tx, [...names.keys()], clock.nowMs()));
    for (const { username, credentialId } of rows) {
      const { count = 0, from = [] } = names.get(username) ?? {};
      const before = known.get(credentialId);
      known.set(credentialId, {
        count: count + (before?.count ?? 0),
        from: new Set([...(before?.from ?? []), ...from]),
      });
    }
    return known;
  }

  async #count(
    tx: Tx,
    subject: BanSubject,
    { minute, failures, from }: { minute: number; failures: number; from: readonly string[] },
  ): Promise<void> {
    const { clock, log } = this.#parts;
    // What it goes on to send while it is banned makes its ban no longer.
    if (await standingBanOf(tx, subject, clock.nowMs())) return;
    await addLoginFailures(tx, { ...subject, minute, count: failures });
    const total = await loginFailuresSince(tx, subject, minute - spanMinutes + 1);
    if (total < failuresMax) return;
    const shared = subject.kind === "address" && (await isRegisteredFrom(tx, subject.subject, clock.nowMs()));
    if (shared && total < sharedFailuresMax) return;
    await banForFailures(tx, this.#parts, subject, { failures: total, from });
    log.warn({ ...subject, failures: total }, "banned after failed logins");
  }
}
