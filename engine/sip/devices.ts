import type { Clock } from "../clock.ts";
import { isError } from "../errors.ts";
import type { Log } from "../log.ts";
import { Poll } from "../poll.ts";
import {
  countRegistrations,
  deleteRegistration,
  deleteRegistrationsOf,
  directoryLoaded,
  mayRegister,
  registeredStrangers,
  registrationsOfBox,
  saveRegistration,
  sipDirectory,
  sipLogins,
  type SipRegistrationRow,
} from "../store/sip-credentials.ts";
import type { Store, Tx } from "../store/store.ts";
import type { DeviceEvent, Registration, Switch } from "../switch/switch.ts";

export interface DevicesParts {
  store: Store;
  clock: Clock;
  log: Log;
  box: Pick<Switch, "box" | "connected" | "reloadDirectory" | "registrations" | "forgetDevice">;
}

/** While nothing is told: a list of logins that another process wrote is found within this. What is asked of the switch is rarer. */
const everyMs = 1_000;
/** What is told within that time is written down together. */
const apartMs = 200;
/** A list takes the switch time in which it registers nobody: some 0.5 % of it at most. */
const listPauses = 200;
const listEveryMsMin = 30_000;
const listEveryMsMax = 300_000;
/** The switch takes ten of a login, and counts a login that is written in another way anew. */
const bindingsMax = 20;
/** Rows in one transaction. */
const batch = 200;

/**
 * What a media server knows of customers' devices: has it read the list of logins when that was written anew, writes down
 * who is registered, as it is told and now and then as the media server lists them, and drops who is let in no more.
 */
export class Devices {
  readonly #parts: DevicesParts;
  readonly #poll: Poll;
  /** Told and not yet written down, by binding: the last of each counts. */
  readonly #news = new Map<string, DeviceEvent>();
  /** Of whom the media server is to be asked. */
  readonly #unclear = new Set<string>();
  #lookedMs = -Infinity;
  #listDueMs = -Infinity;
  #stopping = new AbortController();

  constructor(parts: DevicesParts) {
    this.#parts = parts;
    this.#poll = new Poll(
      parts.clock,
      everyMs,
      () => this.#look(),
      (error) => {
        if (isError(error, "switch.unavailable") || this.#stopping.signal.aborted) return;
        parts.log.warn({ err: error, box: parts.box.box }, "registered devices could not be looked at");
      },
    );
  }

  start(): void {
    this.#poll.start();
  }

  /** The list of logins was written. */
  wake(): void {
    this.#poll.wake();
  }

  /** A device came or went. */
  take(event: DeviceEvent): void {
    if (event.kind === "registered") this.#news.set(keyOf(event.registration), event);
    else if (event.callId === null) this.#unclear.add(event.username);
    else this.#news.set(keyOf({ username: event.username, callId: event.callId }), event);
    this.#poll.wake();
  }

  /** The media server is back: what it told meanwhile was told to nobody. */
  connected(): void {
    this.#listDueMs = -Infinity;
    this.#poll.wake();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#poll.stop();
  }

  async #look(): Promise<void> {
    const { clock, box } = this.#parts;
    const waitMs = this.#lookedMs + apartMs - clock.monotonicMs();
    if (waitMs > 0) await clock.sleep(waitMs, this.#stopping.signal);
    if (this.#stopping.signal.aborted) return;
    this.#lookedMs = clock.monotonicMs();
    await this.#takeNews();
    if (!box.connected) return;
    await this.#loadDirectory();
    await this.#askOfUnclear();
    if (clock.monotonicMs() >= this.#listDueMs) await this.#compare();
  }

  async #loadDirectory(): Promise<void> {
    const { store, clock, box } = this.#parts;
    const row = await store.read((tx) => sipDirectory(tx, box.box));
    if (!row || row.loadedSha256 === row.writtenSha256) return;
    await box.reloadDirectory();
    const strangers = await store.read((tx) => registeredStrangers(tx, box.box, clock.nowMs()));
    await this.#forget(strangers.map(({ username }) => username));
    await store.write((tx) => directoryLoaded(tx, box.box, row.writtenSha256));
  }

  async #takeNews(): Promise<void> {
    const news = [...this.#news.values()];
    this.#news.clear();
    const unwelcome = new Set<string>();
    try {
      await this.#inBatches(news, async (tx, event) => {
        const username = await this.#write(tx, event);
        if (username !== null) unwelcome.add(username);
      });
    } catch (error) {
      // What was not written down stands in the list.
      this.#listDueMs = -Infinity;
      throw error;
    }
    if (this.#parts.box.connected) await this.#forget(unwelcome);
  }

  /** Resolves with a username whose bindings are to be dropped. */
  async #write(tx: Tx, event: DeviceEvent): Promise<string | null> {
    const { clock, box } = this.#parts;
    if (event.kind === "unregistered") {
      const { username, callId } = event;
      if (callId !== null) await deleteRegistration(tx, { box: box.box, username, sipCallId: callId });
      return null;
    }
    const { username } = event.registration;
    const nowMs = clock.nowMs();
    if (!(await mayRegister(tx, username, nowMs))) return username;
    await saveRegistration(tx, rowOf(box.box, event.registration));
    return (await countRegistrations(tx, box.box, username, nowMs)) > bindingsMax ? username : null;
  }

  /** All that they are registered with, dropped at the switch and here. */
  async #forget(usernames: Iterable<string>): Promise<void> {
    const { store, box } = this.#parts;
    for (const username of usernames) {
      await box.forgetDevice(username);
      await store.write((tx) => deleteRegistrationsOf(tx, box.box, username));
    }
  }

  async #askOfUnclear(): Promise<void> {
    const { store, box } = this.#parts;
    for (const username of [...this.#unclear]) {
      this.#unclear.delete(username);
      const told = await box.registrations(username).catch((error: unknown) => {
        this.#unclear.add(username);
        throw error;
      });
      const rows = await store.read((tx) => registrationsOfBox(tx, box.box, username));
      await this.#dropUntold(rows, told);
    }
  }

  /** What was told by event and missed, or never stored, is found here. */
  async #compare(): Promise<void> {
    const { store, clock, log, box } = this.#parts;
    const fromMs = clock.monotonicMs();
    this.#listDueMs = fromMs + listEveryMsMax;
    let told: Registration[];
    try {
      told = await box.registrations();
    } catch (error) {
      if (isError(error, "switch.unavailable") || this.#stopping.signal.aborted) return;
      log.warn(
        { err: error, box: box.box },
        "The media server's list of registered devices could not be had: what it tells by event stands.",
      );
      return;
    }
    const nowMs = clock.monotonicMs();
    const pauseMs = Math.min(Math.max((nowMs - fromMs) * listPauses, listEveryMsMin), listEveryMsMax);
    this.#listDueMs = nowMs + pauseMs;
    const { rows, letIn } = await store.read(async (tx) => ({
      rows: await registrationsOfBox(tx, box.box),
      letIn: new Set(
        (await sipLogins(tx, clock.nowMs()))
          .filter(({ spared }) => spared !== "[]")
          .map(({ username }) => username),
      ),
    }));
    const known = told.filter(({ username }) => letIn.has(username));
    const before = new Map(rows.map((row) => [keyOfRow(row), row]));
    await this.#dropUntold(rows, known);
    await this.#inBatches(
      // What was told since is newer than the list.
      known.filter((one) => !this.#news.has(keyOf(one)) && differs(before.get(keyOf(one)), one)),
      (tx, one) => saveRegistration(tx, rowOf(box.box, one)),
    );
    // Who was let in before, and still has a binding; and who got past the switch's own limit of them.
    const bindings = new Map<string, number>();
    for (const { username } of told) bindings.set(username, (bindings.get(username) ?? 0) + 1);
    for (const [username, count] of bindings)
      if (!letIn.has(username) || count > bindingsMax) await box.forgetDevice(username);
  }

  /** Those of the rows that the media server does not list, and has not told of since. */
  async #dropUntold(rows: readonly SipRegistrationRow[], told: readonly Registration[]): Promise<void> {
    const there = new Set(told.map(keyOf));
    const gone = rows.filter((row) => !there.has(keyOfRow(row)) && !this.#news.has(keyOfRow(row)));
    await this.#inBatches(gone, deleteRegistration);
  }

  async #inBatches<Item>(items: readonly Item[], work: (tx: Tx, item: Item) => Promise<void>): Promise<void> {
    for (let from = 0; from < items.length; from += batch)
      await this.#parts.store.write(async (tx) => {
        for (const item of items.slice(from, from + batch)) await work(tx, item);
      });
  }
}

const rowOf = (box: string, told: Registration): SipRegistrationRow => ({
  ...{ box, username: told.username, sipCallId: told.callId },
  ...{ contactUri: told.contactUri, contact: told.contact, transport: told.transport },
  ...{ address: told.source.host, port: told.source.port, userAgent: told.userAgent },
  expiresAtMs: told.expiresAtMs,
});

const keyOf = ({ username, callId }: Pick<Registration, "username" | "callId">) => `${username} ${callId}`;
const keyOfRow = ({ username, sipCallId }: SipRegistrationRow) => `${username} ${sipCallId}`;

/** The media server tells whole seconds that are left: a second to and fro is no news. */
const slackMs = 2_500;

function differs(before: SipRegistrationRow | undefined, told: Registration): boolean {
  if (!before || Math.abs(before.expiresAtMs - told.expiresAtMs) > slackMs) return true;
  const now = rowOf(before.box, told);
  const fields = ["contactUri", "contact", "transport", "address", "port", "userAgent"] as const;
  return fields.some((field) => before[field] !== now[field]);
}
