import type { StatusTarget } from "../actions/verb.ts";
import type { EgressMethod } from "../egress/egress.ts";
import type { CallId, LegId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import {
  callToChange,
  insertCallEvent,
  insertIntent,
  legsOfCall,
  parseObject,
  updateCall,
  updateLeg,
  type CallEventRow,
  type CallRow,
  type LegRow,
} from "../store/calls.ts";
import type { Tx } from "../store/store.ts";
import { keepWorkspace } from "../store/workspaces.ts";
import type { CallTarget, OutboxEvent } from "../webhooks/outbox.ts";
import type { CallOptions } from "./call-request.ts";
import { rearmCutOffs } from "./cut-off.ts";
import type { ChangeParts, LegOutcome } from "./change-parts.ts";
import type { AskingKind, CallEventKind } from "./event-kinds.ts";
import { isApart, isAtMostOnce, type Command } from "./command.ts";

/**
 * One transaction's work on one call: rows as they are now, patches gathered, events told, commands to follow. Saving
 * writes each touched row once; nothing of it reaches the switch before the commit.
 */
export class CallChange {
  readonly tx: Tx;
  readonly call: CallRow;
  readonly legs: LegRow[];
  readonly parts: ChangeParts;
  readonly #callPatch: Partial<CallRow> = {};
  readonly #legPatches = new Map<LegId, Partial<LegRow>>();
  #intended: Command[][] = [];
  /** A leg was answered or has ended, so the workspace's money runs out at another time. */
  #meterChanged = false;

  constructor(parts: ChangeParts, tx: Tx, call: CallRow, legs: LegRow[]) {
    this.parts = parts;
    this.tx = tx;
    this.call = call;
    this.legs = legs;
  }

  static async load(parts: ChangeParts, tx: Tx, callId: CallId): Promise<CallChange | null> {
    const call = await callToChange(tx, callId);
    if (!call) return null;
    const legs = await legsOfCall(tx, callId);
    parts.traces.note(call, legs);
    return new CallChange(parts, tx, call, legs);
  }

  get nowMs(): number {
    return this.parts.clock.nowMs();
  }

  /** Of steps and their times. */
  get steadyMs(): number {
    return this.parts.clock.steadyMs();
  }

  /** The leg that the call began with, and that its document speaks to; of several that rang, the one that answered. */
  get firstLeg(): LegRow {
    const [first] = this.legs;
    if (!first) throw new Error(`Call ${this.call.id} has no leg.`);
    return first;
  }

  /** Those with which the call began: one, or as many as were rung at once for it. */
  get ownLegs(): LegRow[] {
    const { branches = 1 } = JSON.parse(this.call.options) as Partial<CallOptions>;
    return this.legs.filter((leg) => leg.position < branches);
  }

  leg(id: LegId): LegRow | undefined {
    return this.legs.find((leg) => leg.id === id);
  }

  setCall(patch: Partial<CallRow>): void {
    Object.assign(this.call, patch);
    Object.assign(this.#callPatch, patch);
  }

  setLeg(leg: LegRow, patch: Partial<LegRow>): void {
    Object.assign(leg, patch);
    this.#legPatches.set(leg.id, { ...this.#legPatches.get(leg.id), ...patch });
  }

  /** Tells the metrics what came of a leg, once it is stored. */
  legOver({ direction, trunk }: LegRow, outcome: Omit<LegOutcome, "direction" | "trunk">): void {
    const told = { direction, trunk, ...outcome };
    this.tx.afterCommit(() => this.parts.legOver?.(told));
  }

  /** To be called before a leg is answered or settled: one at a time in a workspace, whose money they share. */
  async changeMeter(): Promise<void> {
    this.#meterChanged = true;
    await keepWorkspace(this.tx, this.call.workspaceId);
  }

  /** To be carried out at the switch, in this order, once the change is stored; what belongs together, in one call. */
  intend(...commands: Command[]): void {
    if (commands.length > 0) this.#intended.push(commands);
  }

  /**
   * Keeps an event on the call; kinds `call.*` are told by webhook, in `data.sequence` without gaps. `also` is whom else the
   * document wants told.
   */
  async emit(
    kind: CallEventKind,
    payload: JsonObject,
    occurredAtMs = this.nowMs,
    also?: StatusTarget,
  ): Promise<void> {
    const event = await this.#keep(kind, payload, occurredAtMs);
    if (kind.startsWith("call.")) await this.#tell(event, this.#eventTarget(event));
    const { numberId } = this.call;
    if (also === undefined || numberId === null || also.kinds?.includes(kind) === false) return;
    await this.parts.outbox.tellOne(this.tx, event, { url: also.url, numberId });
  }

  /**
   * The same, and asks that URL what comes next: one delivery, where the event would be told there anyway. What comes of
   * it is a fact with this token.
   */
  async ask(
    kind: AskingKind,
    payload: JsonObject,
    asked: { url: string; method: EgressMethod; token: string },
    occurredAtMs = this.nowMs,
  ): Promise<void> {
    const event = await this.#keep(kind, payload, occurredAtMs);
    const target = this.#eventTarget(event);
    await this.#tell(event, target?.url === asked.url ? null : target);
    this.intend({ kind: "ask", event: event.eventId, ...asked });
  }

  /** A question that nobody took is told as an event is, if that is where it would have been told. */
  async tellUnanswered(row: CallEventRow, url: string): Promise<void> {
    const event = outboxEvent(this.call, row);
    const target = this.#eventTarget(event);
    if (target?.url === url) await this.#tell(event, target);
  }

  async #keep(kind: CallEventKind, payload: JsonObject, occurredAtMs: number): Promise<OutboxEvent> {
    const told = kind.startsWith("call.");
    const position = this.call.lastPosition + 1;
    const sequence = told ? this.call.lastSequence + 1 : null;
    this.setCall({ lastPosition: position, ...(sequence === null ? {} : { lastSequence: sequence }) });
    const data: JsonObject = {
      ...(told || isToldElsewhere(kind) ? callData(this.call) : {}),
      ...(told ? { sequence } : {}),
      ...payload,
    };
    const row: CallEventRow = {
      id: this.parts.ids.next("evt"),
      callId: this.call.id,
      position,
      sequence,
      kind,
      payload: JSON.stringify(data),
      occurredAtMs,
      createdAtMs: this.nowMs,
    };
    await insertCallEvent(this.tx, { ...row, workspaceId: this.call.workspaceId });
    return { ...outboxEvent(this.call, row), data };
  }

  async #tell(event: OutboxEvent, target: CallTarget | null): Promise<void> {
    await this.parts.outbox.tell(this.tx, event, target ?? undefined);
  }

  async save(): Promise<void> {
    this.parts.traces.note(this.call, this.legs);
    if (Object.keys(this.#callPatch).length > 0 || this.#legPatches.size > 0) {
      this.setCall({ updatedAtMs: this.nowMs });
      await updateCall(this.tx, this.call.id, this.#callPatch);
    }
    for (const [id, patch] of this.#legPatches) await updateLeg(this.tx, id, patch);
    for (const commands of inRows(this.#intended)) {
      await insertIntent(this.tx, {
        id: this.parts.ids.next("int"),
        callId: this.call.id,
        commands: JSON.stringify(commands),
        atMostOnce: commands.some(isAtMostOnce) ? 1 : 0,
        sentAtMs: null,
        createdAtMs: this.nowMs,
      });
    }
    if (this.#intended.length > 0 || "wakeAtMs" in this.#callPatch) {
      const { id } = this.call;
      this.tx.afterCommit(() => this.parts.changed(id));
    }
    this.#intended = [];
    if (this.#meterChanged) await rearmCutOffs(this.tx, this.parts, this.call.workspaceId);
    this.#meterChanged = false;
  }

  /** Where the call's events are told: `events_url` if there is one, else the voice URL. */
  #eventTarget(event: OutboxEvent): CallTarget | null {
    const { numberId, eventsUrl, voiceCallbackUrl } = this.call;
    const url = eventsUrl ?? voiceCallbackUrl;
    if (numberId === null || url === null) return null;
    return { url, numberId, ...(url === voiceCallbackUrl ? { keys: voiceKeys(this.call, event) } : {}) };
  }
}

/** At the top of what a voice URL gets, for handlers written from the published guides. */
export const voiceKeys = (call: CallRow, { data }: OutboxEvent): JsonObject => ({
  ...{ CallId: call.id, From: call.fromE164, To: call.toE164 },
  ...(typeof data["digits"] === "string" ? { Digits: data["digits"] } : {}),
});

/**
 * What was intended together stays together. A row with an at-most-once command holds nothing but what is there for
 * its sake, since a crash between the row's `sent` mark and its end leaves all of it undone; and what is done apart may
 * outlive the rows behind it.
 */
function inRows(intended: readonly Command[][]): Command[][] {
  const rows: { commands: Command[]; closed: boolean }[] = [];
  for (const commands of intended) {
    const last = rows.at(-1);
    const closed = commands.some((command) => isAtMostOnce(command) || isApart(command));
    if (last && !last.closed && !closed) last.commands.push(...commands);
    else rows.push({ commands: [...commands], closed });
  }
  return rows.map((row) => row.commands);
}

/** To whom an action names; in no row with what is told of the call. */
const isToldElsewhere = (kind: CallEventKind): boolean => kind.startsWith("conference.");

/** What every `call.*` kind carries in `data`. */
function callData(call: CallRow): JsonObject {
  return {
    call_id: call.id,
    direction: call.direction,
    from: call.fromE164,
    to: call.toE164,
    number_id: call.numberId,
    status: call.status,
    ...(call.clientRequestId === null ? {} : { client_request_id: call.clientRequestId }),
    ...(call.metadata === null ? {} : { metadata: parseObject(call.metadata) }),
  };
}

/** A stored event as it is told, or asked. */
export const outboxEvent = (call: CallRow, row: CallEventRow): OutboxEvent => ({
  eventId: row.id,
  workspaceId: call.workspaceId,
  kind: row.kind,
  callId: call.id,
  occurredAtMs: row.occurredAtMs,
  data: parseObject(row.payload),
});
