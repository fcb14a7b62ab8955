import type { DeviceUse } from "../actions/verb.ts";
import { devicesIn, mediaIn, numbersIn, type Document } from "../actions/document.ts";
import { invalidField, SautikitError } from "../errors.ts";
import type { CallId, LegId, WorkspaceId } from "../ids.ts";
import { callOfWorkspace, insertCall, type CallRow, type LegRow } from "../store/calls.ts";
import * as media from "../store/media.ts";
import * as recordings from "../store/recordings.ts";
import type { PromptUrls } from "../media/prompt-urls.ts";
import type { RecordingRow } from "../store/recordings.ts";
import { boxesOfDevices } from "../store/sip-credentials.ts";
import type { Tx } from "../store/store.ts";
import { newTrace } from "../trace.ts";
import type { RefusedNumber } from "../policy/refusal.ts";
import { isListed } from "../sip/destinations.ts";
import { CallChange } from "./call-change.ts";
import type { ChangeParts } from "./change-parts.ts";
import type { CallOptions, CallRequest } from "./call-request.ts";
import { rearmCutOffs } from "./cut-off.ts";
import { dialTogether, newRecording, stopRecording, newCall } from "./dialing.ts";
import { DocumentRun, endDocument } from "./document-run.ts";
import { windDown } from "./leg-progress.ts";
import { dialSecondLeg, notListed, ownDevices } from "./second-leg.ts";

export interface CallsParts extends ChangeParts {
  /** The box that dials the next call; one of `preferred`, if it can. Throws `shutting_down` where none takes any. */
  box: (preferred: readonly string[]) => string;
  promptUrls: PromptUrls;
}

/** What customers do with calls. Each method is one step of the caller's transaction; the controller does the rest. */
export class Calls {
  readonly #parts: CallsParts;
  readonly #document: DocumentRun;

  constructor(parts: CallsParts) {
    this.#parts = parts;
    this.#document = new DocumentRun(dialSecondLeg);
  }

  /**
   * Stores a call that the controller then dials; the number that is refused is `from`, `caller_id`, `to[0]`, …. Throws what the
   * policy refuses it for, also of numbers in `actions`, `validation.invalid` (of prompts in `actions`), and `shutting_down`
   * where every box is being drained; then nothing is stored.
   */
  async originate(tx: Tx, workspaceId: WorkspaceId, request: CallRequest): Promise<CallRow> {
    const { clock, ids, policy } = this.#parts;
    const nowMs = clock.nowMs();
    await this.#requireAllNumbers(tx, workspaceId, request.actions ?? []);
    await requireAllPrompts(tx, workspaceId, request.actions ?? [], this.#parts.promptUrls);
    const { numbers, admitted, refused } = await policy.admit(tx, {
      workspaceId,
      begins: true,
      callerIds: callerIdsOf(request),
      to: request.toE164.map((e164, index) => ({ field: `to[${index}]`, e164 })),
    });
    if (refused[0]) throw refused[0];
    const [[destination], [number]] = [admitted, numbers];
    if (!destination || !number) throw new Error("A call without a number to ring, or to call from.");

    const options: CallOptions = {
      callerId: request.callerId ?? request.fromE164,
      record: request.record,
      ringTimeoutSeconds: request.ringTimeoutSeconds,
      maxDurationSeconds: request.maxDurationSeconds,
      branches: admitted.length,
    };
    const call = newCall({
      id: ids.next("call"),
      workspaceId,
      numberId: number.id,
      direction: "outbound",
      fromE164: request.fromE164,
      toE164: destination.e164,
      country: destination.country,
      status: "initiated",
      voiceCallbackUrl: request.voiceCallbackUrl ?? number.voiceCallbackUrl,
      eventsUrl: request.eventsUrl ?? number.eventsUrl,
      clientRequestId: request.clientRequestId ?? null,
      metadata: request.metadata ? JSON.stringify(request.metadata) : null,
      options: JSON.stringify(options),
      document: request.actions
        ? JSON.stringify({ actions: request.actions, position: -1, step: 0, state: null })
        : null,
      createdAtMs: nowMs,
      startedAtUs: null,
      ...(request.trace ?? newTrace(ids)),
    });
    await insertCall(tx, call);
    const change = new CallChange(this.#parts, tx, call, []);
    // Devices that the call may be put through to are dialled by the box that they are at.
    const box = this.#parts.box(await boxesOfDevices(tx, { number: number.id }, nowMs));
    await dialTogether(change, box, admitted, options);
    await change.save();
    return call;
  }

  /** The workspace's money, or what happens at its end, has changed: running calls are cut off accordingly. */
  async moneyChanged(tx: Tx, workspaceId: WorkspaceId): Promise<void> {
    await rearmCutOffs(tx, this.#parts, workspaceId);
  }

  /** Ends a call, whatever it is doing; an ended one stays as it is. Throws `calls.not_found`. */
  async hangUp(tx: Tx, workspaceId: WorkspaceId, callId: CallId): Promise<void> {
    const change = await this.#change(tx, workspaceId, callId);
    if (change.call.endedAtUs !== null || change.call.hangupRequestedAtMs !== null) return;
    change.setCall({ hangupRequestedAtMs: change.nowMs });
    endDocument(change);
    await windDown(change, this.#document);
    await change.save();
  }

  /**
   * Has this document take the place of what the call is doing; of two at once the later one stays. Throws
   * `calls.not_found`, `calls.not_live`, and what `originate` throws of numbers and prompts in `actions`.
   */
  async direct(tx: Tx, workspaceId: WorkspaceId, callId: CallId, actions: Document): Promise<void> {
    const change = await this.#liveChange(tx, workspaceId, callId);
    await this.#requireAllNumbers(tx, workspaceId, actions);
    await requireAllPrompts(tx, workspaceId, actions, this.#parts.promptUrls);
    await this.#document.replace(change, actions);
    await change.save();
  }

  /** Sends DTMF to the call's party, beside what the call is doing. Throws `calls.not_found`, `calls.not_live`. */
  async sendDigits(tx: Tx, workspaceId: WorkspaceId, callId: CallId, digits: string): Promise<void> {
    const change = await this.#liveChange(tx, workspaceId, callId);
    if (change.call.answeredAtUs === null)
      throw new SautikitError("calls.not_live", "The call is not answered yet.");
    const party = farParty(change);
    if (!party) throw new SautikitError("calls.not_live", "There is nobody who could hear them.");
    await change.emit("digits.sent", { digits });
    change.intend({ kind: "sendDigits", leg: party.id, digits });
    await change.save();
  }

  /**
   * Starts, pauses, resumes or ends the recording of one leg (default: the first). The rows as they are then.
   * Throws `calls.not_found`, `calls.not_live`, `calls.recording_state`, `validation.invalid` (leg_id).
   */
  async setRecording(
    tx: Tx,
    workspaceId: WorkspaceId,
    callId: CallId,
    want: { state: "on" | "off" | "paused"; legId?: LegId },
  ): Promise<RecordingRow[]> {
    const change = await this.#liveChange(tx, workspaceId, callId);
    const leg = want.legId === undefined ? change.firstLeg : change.leg(want.legId);
    if (!leg) throw invalidField("leg_id", "unknown", "is not a leg of this call");
    if (leg.status !== "answered")
      throw new SautikitError("calls.not_live", "The leg is not answered, or has ended.");
    const rows = await recordings.byLeg(tx, leg.id);
    const running = rows.find((row) => ["starting", "recording", "paused"].includes(row.status));
    if (running) await this.#changeRecording(change, leg.id, running, want.state);
    else if (want.state === "on") {
      const recording = await newRecording(change, leg);
      change.intend({ kind: "startRecording", leg: leg.id, recording });
    } else if (want.state === "paused") {
      throw new SautikitError(
        "calls.recording_state",
        'There is no recording to pause; start one with "on".',
      );
    }
    await change.save();
    return await recordings.byLeg(tx, leg.id);
  }

  async #changeRecording(
    change: CallChange,
    leg: LegId,
    running: RecordingRow,
    want: "on" | "off" | "paused",
  ): Promise<void> {
    const { tx } = change;
    const recording = running.id;
    if (want === "off") {
      await stopRecording(change, leg, recording);
    } else if (want === "paused" && running.status !== "paused") {
      await recordings.markStatus(tx, recording, ["starting", "recording"], "paused");
      change.intend({ kind: "maskRecording", leg, recording, masked: true });
      await change.emit("recording.paused", { recording_id: recording, leg_id: leg });
    } else if (want === "on" && running.status === "paused") {
      await recordings.markStatus(tx, recording, ["paused"], "recording");
      change.intend({ kind: "maskRecording", leg, recording, masked: false });
      await change.emit("recording.resumed", { recording_id: recording, leg_id: leg });
    }
  }

  /** The same question as when a number's turn comes; by then the answer may be another. */
  async #requireAllNumbers(tx: Tx, workspaceId: WorkspaceId, actions: Document): Promise<void> {
    for (const number of numbersIn(actions))
      await this.#parts.policy.requireAllowed(tx, workspaceId, {
        ...number,
        field: `actions${number.field}`,
      });
    for (const use of devicesIn(actions)) await this.#requireBySip(tx, workspaceId, use);
  }

  async #requireBySip(tx: Tx, workspaceId: WorkspaceId, { field, target, uri }: DeviceUse): Promise<void> {
    if (uri && (await isListed(tx, workspaceId, uri))) return;
    if (target && (await ownDevices(tx, workspaceId, target, this.#parts.clock.nowMs()))) return;
    if (uri) throw notListed(uri, `actions${field}`);
    throw invalidField(
      `actions${field}`,
      "sip_not_found",
      "is no SIP credential, and no number, of this workspace",
    );
  }

  /** Of a call that goes on: neither over nor being hung up. */
  async #liveChange(tx: Tx, workspaceId: WorkspaceId, callId: CallId): Promise<CallChange> {
    const change = await this.#change(tx, workspaceId, callId);
    const { endedAtUs, hangupRequestedAtMs } = change.call;
    if (endedAtUs !== null || hangupRequestedAtMs !== null || change.firstLeg.endedAtUs !== null)
      throw new SautikitError("calls.not_live");
    return change;
  }

  async #change(tx: Tx, workspaceId: WorkspaceId, callId: CallId): Promise<CallChange> {
    const owned = await callOfWorkspace(tx, workspaceId, callId);
    const change = owned ? await CallChange.load(this.#parts, tx, callId) : null;
    if (!change) throw new SautikitError("calls.not_found");
    return change;
  }
}

/** The number to call from, and another to present. */
/** Whom the call is with: of one that a customer's device placed, not the device. */
function farParty({ firstLeg, legs }: CallChange): LegRow | undefined {
  const isDevices = firstLeg.kind === "sip" && firstLeg.direction === "inbound";
  if (!isDevices) return firstLeg;
  return legs.find((leg) => leg !== firstLeg && leg.answeredAtUs !== null && leg.endedAtUs === null);
}

const callerIdsOf = ({ fromE164, callerId }: CallRequest): RefusedNumber[] => [
  { field: "from", e164: fromE164 },
  ...(callerId === undefined || callerId === fromE164 ? [] : [{ field: "caller_id", e164: callerId }]),
];

/** Each uploaded prompt is there, and the workspace's own; when its turn comes it is looked for again. */
async function requireAllPrompts(
  tx: Tx,
  workspaceId: WorkspaceId,
  actions: Document,
  urls: PromptUrls,
): Promise<void> {
  for (const { field, url } of mediaIn(actions)) {
    const id = urls.idIn(url);
    if (id === null || (id !== "unknown" && (await media.byId(tx, workspaceId, id)))) continue;
    throw invalidField(`actions${field}`, "media_not_found", "is no prompt of this workspace");
  }
}
