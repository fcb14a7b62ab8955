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
  type CallRow,
  type LegRow,
} from "../store/calls.ts";
import type { Tx } from "../store/store.ts";
import { keepWorkspace } from "../store/workspaces.ts";
import { rearmCutOffs } from "./cut-off.ts";
import type { ChangeParts } from "./change-parts.ts";
import type { CallEventKind } from "./event-kinds.ts";
import { isAtMostOnce, type Command } from "./command.ts";

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
    return call ? new CallChange(parts, tx, call, await legsOfCall(tx, callId)) : null;
  }

  get nowMs(): number {
    return this.parts.clock.nowMs();
  }

  /** The leg that the call began with, and that its document speaks to. */
  get firstLeg(): LegRow {
    const [first] = this.legs;
    if (!first) throw new Error(`Call ${this.call.id} has no leg.`);
    return first;
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

  /** To be called before a leg is answered or settled: one at a time in a workspace, whose money they share. */
  async changeMeter(): Promise<void> {
    this.#meterChanged = true;
    await keepWorkspace(this.tx, this.call.workspaceId);
  }

  /** To be carried out at the switch, in this order, once the change is stored; what belongs together, in one call. */
  intend(...commands: Command[]): void {
    if (commands.length > 0) this.#intended.push(commands);
  }

  /** Keeps an event on the call; kinds `call.*` are told by webhook, in `data.sequence` without gaps. */
  async emit(kind: CallEventKind, payload: JsonObject, occurredAtMs = this.nowMs): Promise<void> {
    const told = kind.startsWith("call.");
    const position = this.call.lastPosition + 1;
    const sequence = told ? this.call.lastSequence + 1 : null;
    this.setCall({ lastPosition: position, ...(sequence === null ? {} : { lastSequence: sequence }) });
    const eventId = this.parts.ids.next("evt");
    const data: JsonObject = told ? { ...callData(this.call), sequence, ...payload } : payload;
    await insertCallEvent(this.tx, {
      id: eventId,
      callId: this.call.id,
      workspaceId: this.call.workspaceId,
      position,
      sequence,
      kind,
      payload: JSON.stringify(data),
      occurredAtMs,
      createdAtMs: this.nowMs,
    });
    if (!told) return;
    const { workspaceId, id: callId } = this.call;
    const event = { eventId, workspaceId, kind, callId, occurredAtMs, data };
    const targets = this.#targets();
    if (targets.length === 0) await this.parts.outbox.tell(this.tx, event);
    for (const target of targets) await this.parts.outbox.tell(this.tx, event, target);
  }

  async save(): Promise<void> {
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

  /** Both URLs hear every kind until the voice actions' questions come; the same URL hears it once. */
  #targets() {
    const { numberId, eventsUrl, voiceCallbackUrl } = this.call;
    if (numberId === null) return [];
    const urls = new Set([eventsUrl, voiceCallbackUrl].filter((url) => url !== null));
    return [...urls].map((url) => ({ url, numberId }));
  }
}

/**
 * What was intended together stays together. A row with an at-most-once command holds nothing but what is there for
 * its sake, since a crash between the row's `sent` mark and its end leaves all of it undone; and media is fetched
 * beside what follows, so that row may outlive others.
 */
function inRows(intended: readonly Command[][]): Command[][] {
  const rows: { commands: Command[]; closed: boolean }[] = [];
  for (const commands of intended) {
    const last = rows.at(-1);
    const closed = commands.some((command) => isAtMostOnce(command) || command.kind === "fetchMedia");
    if (last && !last.closed && !closed) last.commands.push(...commands);
    else rows.push({ commands: [...commands], closed });
  }
  return rows.map((row) => row.commands);
}

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
