import type { CallingNumber } from "../calls/call-request.ts";
import type { Clock } from "../clock.ts";
import { isError } from "../errors.ts";
import type { CallId, Ids, WorkspaceId } from "../ids.ts";
import type { MailQueue } from "../mail/mail-queue.ts";
import { callingNumber } from "../numbers/numbers.ts";
import { callPace } from "../store/call-pace.ts";
import type { Tx } from "../store/store.ts";
import { keepWorkspace, workspaceById, type WorkspaceRow } from "../store/workspaces.ts";
import type { Outbox } from "../webhooks/outbox.ts";
import { isOpen, opensAtMs } from "./calling-windows.ts";
import { requireDevicePlace, requireNoBan, requireRate, type CallingDevice } from "./device-login.ts";
import { judge, lookUp, type Destination, type Looked } from "./destinations.ts";
import { tellOfNewCountry } from "./new-country.ts";
import { noteRefusal } from "./noted-refusals.ts";
import { CallRefused, type RefusalSource, type RefusedNumber } from "./refusal.ts";
import { rulesOf } from "./rules.ts";
import { requireMoney } from "./spending.ts";
import {
  isForeign,
  refuseBusyCountry,
  requireLongerTalks,
  shortSpanMs,
  tooManyOfRange,
  watchOf,
  type CountryWatch,
} from "./velocity.ts";

export interface PolicyParts {
  clock: Clock;
  ids: Ids;
  outbox: Outbox;
  mails: MailQueue;
}

/** Legs that somebody wants dialled together, for one call. */
export interface AskedLegs {
  workspaceId: WorkspaceId;
  /** A call that begins takes a place among those under way, and counts for the calls a second. */
  begins: boolean;
  /** Numbers to call from and to present: the workspace's own, or it is refused. */
  callerIds: readonly RefusedNumber[];
  to: readonly RefusedNumber[];
  /** The customer's device that asks; undefined: a request, or a document. */
  device?: CallingDevice;
  /** What else talks and is paid for: a device's own leg, or one to a device, which go to no number. */
  beside?: readonly Pick<Destination, "rateMicroKesPerMinute">[];
}

export interface Admission {
  /** Those of `callerIds`, in their order. */
  numbers: CallingNumber[];
  /** What may be dialled, in the order of `to`. */
  admitted: Destination[];
  /** Those of `to` that may not. */
  refused: CallRefused[];
}

/**
 * The one door that every leg passes before it is dialled, whoever asks for it. What it decides is still true at the commit: the
 * workspace's row is kept from here on, and what it counts are rows that cannot be added meanwhile.
 */
export class Policy {
  readonly #parts: PolicyParts;

  constructor(parts: PolicyParts) {
    this.#parts = parts;
  }

  /**
   * Whom of `to` the workspace may call now. Throws a CallRefused where it is nobody for a reason that is not a number's own, and
   * `validation.invalid`. To be called with the call's row kept, where there is one. Nothing is stored but what owners are told
   * of a country's first call.
   */
  async admit(tx: Tx, asked: AskedLegs): Promise<Admission> {
    const { clock } = this.#parts;
    const nowMs = clock.nowMs();
    const looked: Looked[] = [];
    for (const number of asked.to) looked.push(await lookUp(tx, asked.workspaceId, number, nowMs));
    const workspace = await kept(tx, asked.workspaceId);
    if (workspace.frozenAtMs !== null) throw new CallRefused("frozen");
    if (asked.device) {
      await requireNoBan(tx, asked.device, nowMs);
      requireRate(asked.device);
    }
    const numbers: CallingNumber[] = [];
    for (const number of asked.callerIds) numbers.push(await ownNumber(tx, workspace, number));

    const rules = rulesOf(workspace);
    const { beside = [] } = asked;
    const payFor = (legs: readonly Pick<Destination, "rateMicroKesPerMinute">[]) =>
      requireMoney(tx, workspace.id, [...legs, ...beside], rules.dailySpendCapMinor, clock);
    if (asked.to.length === 0) {
      await payFor([]);
      return { numbers, admitted: [], refused: [] };
    }
    const refused: CallRefused[] = [];
    const allowed: Allowed[] = [];
    for (const one of looked) {
      const judged = judge(one, rules);
      if (judged instanceof CallRefused) refused.push(judged);
      else allowed.push({ ...judged, field: one.field });
    }
    // A call that begins is refused as a whole, of a running one's numbers some may be left.
    if (allowed.length === 0 || (asked.begins && refused.length > 0))
      return { numbers, admitted: [], refused };

    if (!isOpen(rules.callingWindows, nowMs))
      throw outsideWindow(opensAtMs(rules.callingWindows, nowMs), nowMs);
    await payFor(allowed);
    const pace = await callPace(tx, workspace.id, {
      ...{ placedAfterMs: nowMs - 1000, shortAfterMs: nowMs - shortSpanMs },
      shortMax: workspace.shortCallsMax ?? 0,
    });
    if (asked.begins) requirePlace(workspace, pace);
    if (asked.device) await requireDevicePlace(tx, asked.device, nowMs);
    await requireLongerTalks(tx, workspace, pace.short, nowMs);
    refused.push(...(await tooManyOfRange(tx, workspace, allowed, nowMs)));
    const firstCountries = await this.#watchCountries(tx, workspace, allowed, refused, nowMs);

    const admitted = allowed.filter(({ e164 }) => !refused.some(({ number }) => number === e164));
    if (admitted.length === 0 || (asked.begins && refused.length > 0))
      return { numbers, admitted: [], refused };
    for (const country of firstCountries) {
      const to = admitted.find((destination) => destination.country === country);
      if (to) await tellOfNewCountry(tx, this.#parts, workspace, { country, to: to.e164, nowMs });
    }
    return { numbers, admitted: admitted.map(destinationOf), refused };
  }

  /**
   * Whether a number in a document may be dialled, or presented, at all; asked again, with all else, when its turn comes. Throws as
   * `admit` does.
   */
  async requireAllowed(
    tx: Tx,
    workspaceId: WorkspaceId,
    number: RefusedNumber & { use: "dialled" | "presented" },
  ): Promise<void> {
    const workspace = await workspaceById(tx, workspaceId);
    if (!workspace) throw new Error(`There is no workspace ${workspaceId}.`);
    if (number.use === "presented") {
      await ownNumber(tx, workspace, number);
      return;
    }
    const looked = await lookUp(tx, workspaceId, number, this.#parts.clock.nowMs());
    const judged = judge(looked, rulesOf(workspace));
    if (judged instanceof CallRefused) throw judged;
  }

  /** Keeps that somebody was refused, and tells it; what refused them may have been undone. */
  async note(
    tx: Tx,
    refusal: CallRefused,
    of: {
      workspaceId: WorkspaceId;
      source: RefusalSource;
      from: string | null;
      to: string | null;
      callId?: CallId;
    },
  ): Promise<void> {
    await noteRefusal(tx, this.#parts, refusal, of);
  }

  /** Countries that were never called; who may not go to a new one just now is added to `refused`. */
  async #watchCountries(
    tx: Tx,
    workspace: WorkspaceRow,
    allowed: readonly Allowed[],
    refused: CallRefused[],
    nowMs: number,
  ): Promise<string[]> {
    const firsts: string[] = [];
    const watches = new Map<string, CountryWatch>();
    for (const number of allowed.filter(isForeign)) {
      const { country } = number;
      let watch = watches.get(country);
      if (!watch) {
        watch = await watchOf(tx, workspace, country, nowMs);
        watches.set(country, watch);
        if (watch.isFirst) firsts.push(country);
      }
      const { untilMs } = watch;
      if (untilMs === null) continue;
      // Of several at once the first takes the place.
      if (watch.taken) refused.push(refuseBusyCountry(number, country, untilMs, nowMs));
      else watch.taken = true;
    }
    return firsts;
  }
}

type Allowed = Destination & RefusedNumber;
const destinationOf = ({ e164, country, rateMicroKesPerMinute }: Allowed): Destination => ({
  ...{ e164, country, rateMicroKesPerMinute },
});

async function kept(tx: Tx, id: WorkspaceId): Promise<WorkspaceRow> {
  const workspace = await keepWorkspace(tx, id);
  if (!workspace) throw new Error(`There is no workspace ${id}.`);
  return workspace;
}

async function ownNumber(tx: Tx, { id }: WorkspaceRow, number: RefusedNumber): Promise<CallingNumber> {
  try {
    return await callingNumber(tx, id, number.e164, number.field);
  } catch (error) {
    if (!isError(error, "calls.caller_id_not_owned")) throw error;
    const [field] = error.fields;
    throw new CallRefused("caller_id", error.message, {
      number,
      ...(field ? { fieldCode: field.code, fieldMessage: field.message } : {}),
    });
  }
}

/** Counted from live rows, with the workspace kept, so that two at once cannot both take the last place. */
function requirePlace(
  { concurrentCalls, callsPerSecond }: WorkspaceRow,
  { live, placed }: { live: number; placed: number },
): void {
  if (live >= concurrentCalls)
    throw new CallRefused("concurrency", `This workspace may have ${concurrentCalls} calls at once.`, {
      retryAfterSeconds: 5,
    });
  if (placed >= callsPerSecond)
    throw new CallRefused("calls_per_second", `This workspace may place ${callsPerSecond} calls a second.`, {
      retryAfterSeconds: 1,
    });
}

const outsideWindow = (opensMs: number, nowMs: number) =>
  new CallRefused("outside_window", undefined, { retryAfterSeconds: Math.ceil((opensMs - nowMs) / 1000) });
