import type { SipId } from "../ids.ts";
import type { Log } from "../log.ts";
import { Poll } from "../poll.ts";
import {
  addLoginFailures,
  countLoginFailureRows,
  countStandingBans,
  forgetLoginFailures,
  loginFailuresSince,
  standingBanOf,
  sweepBans,
  type BanSubject,
} from "../store/sip-bans.ts";
import { sweepRelays } from "../store/relays.ts";
import { isRegisteredFrom, sweepLogins, triedLogins, type TriedLogin } from "../store/sip-credentials.ts";
import type { Store, Tx } from "../store/store.ts";
import { bindingsOfLoginMax } from "../switch/devices.ts";
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
/** Of one address, lest it alone uses those up; what it sends beyond counts for it, whatever the name. */
const namesMax = 50;
/** The switch looks for bindings whose time is over every 30 s, and until then they count as its ten. */
const expiryMs = 60_000;
/** A login is in each box's list by then, and refused before. */
const newLoginMs = 5_000;
/** Rows of failures; nothing new is counted beyond, until the sweep. */
const rowsMax = 20_000;
/** Addresses that are banned at once; UDP's senders can be forged, and the media server's box knows no more than some. */
const addressBansMax = 10_000;
/** Bans of addresses that are over, kept since the next one may be longer for it. */
const endedBansMax = 50_000;
/** Logins that ended, and bindings that expired, are kept so long, and then taken away so many in a minute. */
const loginsKeptMs = 24 * 3_600_000;
const sweptAtOnce = 500;
/** Addresses of whom a workspace is told. */
const addressesTold = 5;
const minuteMs = 60_000;

interface Pending {
  /** `names`: of those of the `count` that had one, how many had which. */
  addresses: Map<string, { count: number; names: Map<string, number> }>;
  names: Set<string>;
}
const nothing = (): Pending => ({ addresses: new Map(), names: new Set() });

/**
 * Counts the logins that fail, by address, and by credential where the name is one's, and bans who tries too often. What was told
 * in the second in which a controller dies is not counted.
 */
export class LoginFailures {
  /** `bansLeftOut`: too many failures for an address to be let in, and too many bans for one more. */
  readonly counts = { told: 0, leftOut: 0, bansLeftOut: 0 };
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
    const before = addresses.get(address);
    const name = before?.names.has(username ?? "") || (before?.names.size ?? 0) < namesMax ? username : null;
    const isNew = !before || (name !== null && !names.has(name));
    if (isNew && Math.max(addresses.size, names.size) >= subjectsMax) {
      this.counts.leftOut++;
      return;
    }
    const tries = before ?? { count: 0, names: new Map<string, number>() };
    addresses.set(address, tries);
    tries.count++;
    if (name === null) return;
    names.add(name);
    tries.names.set(name, (tries.names.get(name) ?? 0) + 1);
  }

  /** Counts what was told since. */
  async flush(): Promise<void> {
    const { store, clock } = this.#parts;
    const minute = Math.floor(clock.nowMs() / minuteMs);
    if (minute !== this.#sweptMinute) {
      const nowMs = clock.nowMs();
      const until = { nowMs, beforeMinute: minute - spanMinutes + 1, endedBeforeMs: nowMs - quietMs };
      await store.write(async (tx) => {
        await sweepBans(tx, { ...until, endedMax: endedBansMax });
        await sweepLogins(tx, nowMs - loginsKeptMs, sweptAtOnce);
        await sweepRelays(tx, nowMs);
      });
      this.#sweptMinute = minute;
    }
    const { addresses, names } = this.#pending;
    if (addresses.size === 0 && names.size === 0) return;
    this.#pending = nothing();
    const logins = await this.#logins([...names]);
    // What is counted now may have been told as long ago as the last time.
    const newSinceMs = clock.nowMs() - newLoginMs - everyMs;
    const never = this.#parts.never();
    await store.write(async (tx) => {
      let room = rowsMax - (await countLoginFailureRows(tx));
      const count = async (subject: BanSubject, failures: number, from: readonly string[]) => {
        if (failures === 0) return;
        if (room-- > 0) await this.#count(tx, subject, { minute, failures, from });
        else this.counts.leftOut += failures;
      };
      for (const [subject, tries] of addresses)
        if (!isWithin(subject, never))
          await count({ kind: "address", subject }, countOfAddress(subject, tries, logins, newSinceMs), [
            subject,
          ]);
      for (const [subject, { failures, from }] of byCredential(addresses, logins, newSinceMs))
        await count({ kind: "credential", subject }, failures, from);
    });
  }

  async #logins(names: readonly string[]): Promise<Map<string, TriedLogin>> {
    if (names.length === 0) return new Map();
    const nowMs = this.#parts.clock.nowMs();
    const bound = { nowMs, boundSinceMs: nowMs - expiryMs, bindingsMax: bindingsOfLoginMax };
    const rows = await this.#parts.store.read((tx) => triedLogins(tx, names, bound));
    return new Map(rows.map((row) => [row.username, row]));
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
    if (
      subject.kind === "address" &&
      (await countStandingBans(tx, clock.nowMs())).address >= addressBansMax
    ) {
      // Forgotten like those of one that is banned, so that they are counted out once in each twenty.
      await forgetLoginFailures(tx, subject);
      this.counts.bansLeftOut++;
      return;
    }
    await banForFailures(tx, this.#parts, subject, { failures: total, from });
    log.warn({ ...subject, failures: total }, "banned after failed logins");
  }
}

/**
 * A phone that has the right password is refused, too, where its credential is banned, has all its bindings, or was made a moment
 * ago, so that no box has read of it: such a refusal says nothing of whoever is at that address, and a phone that tries again
 * and again must not ban its own office.
 */
const isInnocent = (login: TriedLogin, address: string, newSinceMs: number): boolean => {
  const { spared, isFull } = login;
  if (isFull === 1 || isNew(login, newSinceMs)) return true;
  return spared !== null && !(JSON.parse(spared) as string[]).includes(address);
};

const isNew = ({ createdAtMs }: TriedLogin, newSinceMs: number): boolean => createdAtMs > newSinceMs;

/** So often phones with the right password try again; what an address sends beyond that is a flood, whatever name is in it. */
const innocentASecond = 2;

/** A name that nobody has is a stranger's: it counts for its address alone. */
function countOfAddress(
  address: string,
  { count, names }: { count: number; names: ReadonlyMap<string, number> },
  logins: ReadonlyMap<string, TriedLogin>,
  newSinceMs: number,
): number {
  let innocent = 0;
  for (const [name, tried] of names) {
    const login = logins.get(name);
    if (login && isInnocent(login, address, newSinceMs)) innocent += tried;
  }
  return count - Math.min(innocent, innocentASecond);
}

function byCredential(
  addresses: Pending["addresses"],
  logins: ReadonlyMap<string, TriedLogin>,
  newSinceMs: number,
): Map<SipId, { failures: number; from: string[] }> {
  const credentials = new Map<SipId, { failures: number; from: string[] }>();
  for (const [address, { names }] of addresses)
    for (const [name, tried] of names) {
      const login = logins.get(name);
      if (!login || login.isFull === 1 || isNew(login, newSinceMs)) continue;
      const { failures, from } = credentials.get(login.credentialId) ?? { failures: 0, from: [] };
      const told = from.includes(address) || from.length >= addressesTold ? from : [...from, address];
      credentials.set(login.credentialId, { failures: failures + tried, from: told });
    }
  return credentials;
}
