import type { Clock } from "../clock.ts";
import { isError } from "../errors.ts";
import type { Log } from "../log.ts";
import { Poll } from "../poll.ts";
import {
  deleteRegistration,
  directoryLoaded,
  registrationsOfBox,
  saveRegistration,
  sipDirectory,
  sipLogins,
  type SipRegistrationRow,
} from "../store/sip-credentials.ts";
import type { Store } from "../store/store.ts";
import type { Registration, Switch } from "../switch/switch.ts";

export interface DevicesParts {
  store: Store;
  clock: Clock;
  log: Log;
  box: Pick<Switch, "box" | "connected" | "reloadDirectory" | "registrations" | "forgetDevice">;
}

/** While nothing is told. */
const everyMs = 30_000;
/** Devices come and go all the time, and each look lists them all. */
const apartMs = 1_000;
/** The switch takes ten of a login, and counts a login that is written in another way anew. */
const bindingsMax = 20;
/** Rows in one transaction. */
const batch = 200;

/**
 * What a media server knows of customers' devices: has it read the list of logins when that was written anew, writes down
 * who is registered, and drops who is let in no more.
 */
export class Devices {
  readonly #parts: DevicesParts;
  readonly #poll: Poll;
  #lookedMs = -Infinity;
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

  /** A device came or went, the list was written, or the media server is back. */
  wake(): void {
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
    if (this.#stopping.signal.aborted || !box.connected) return;
    this.#lookedMs = clock.monotonicMs();
    await this.#loadDirectory();
    await this.#takeRegistrations();
  }

  async #loadDirectory(): Promise<void> {
    const { store, box } = this.#parts;
    const row = await store.read((tx) => sipDirectory(tx, box.box));
    if (!row || row.loadedSha256 === row.writtenSha256) return;
    await box.reloadDirectory();
    await store.write((tx) => directoryLoaded(tx, box.box, row.writtenSha256));
  }

  async #takeRegistrations(): Promise<void> {
    const { store, clock, box } = this.#parts;
    const told = await box.registrations();
    const { rows, letIn } = await store.read(async (tx) => ({
      rows: await registrationsOfBox(tx, box.box),
      letIn: new Set((await sipLogins(tx, clock.nowMs())).map(({ username }) => username)),
    }));
    const known = told.filter(({ username }) => letIn.has(username)).map((one) => rowOf(box.box, one));
    const before = new Map(rows.map((row) => [keyOf(row), row]));
    const now = new Set(known.map(keyOf));
    const gone = rows.filter((row) => !now.has(keyOf(row)));
    const changed = known.filter((row) => differs(before.get(keyOf(row)), row));
    await this.#inBatches(gone, deleteRegistration);
    await this.#inBatches(changed, saveRegistration);
    // Who was let in before, and still has a binding; and who got past the switch's own limit of them.
    const bindings = new Map<string, number>();
    for (const { username } of told) bindings.set(username, (bindings.get(username) ?? 0) + 1);
    for (const [username, count] of bindings)
      if (!letIn.has(username) || count > bindingsMax) await box.forgetDevice(username);
  }

  async #inBatches(
    rows: readonly SipRegistrationRow[],
    work: (tx: Parameters<typeof saveRegistration>[0], row: SipRegistrationRow) => Promise<void>,
  ): Promise<void> {
    for (let from = 0; from < rows.length; from += batch)
      await this.#parts.store.write(async (tx) => {
        for (const row of rows.slice(from, from + batch)) await work(tx, row);
      });
  }
}

const rowOf = (box: string, told: Registration): SipRegistrationRow => ({
  ...{ box, username: told.username, sipCallId: told.callId },
  ...{ contactUri: told.contactUri, contact: told.contact, transport: told.transport },
  ...{ address: told.source.host, port: told.source.port, userAgent: told.userAgent },
  expiresAtMs: told.expiresAtMs,
});

const keyOf = ({ username, sipCallId }: SipRegistrationRow) => `${username} ${sipCallId}`;

/** The media server tells whole seconds that are left: a second to and fro is no news. */
const slackMs = 2_500;

function differs(before: SipRegistrationRow | undefined, now: SipRegistrationRow): boolean {
  if (!before || Math.abs(before.expiresAtMs - now.expiresAtMs) > slackMs) return true;
  const fields = ["contactUri", "contact", "transport", "address", "port", "userAgent"] as const;
  return fields.some((field) => before[field] !== now[field]);
}
