import { steadyUs, type Clock } from "../clock.ts";
import { isError, SautikitError } from "../errors.ts";
import type { LegId } from "../ids.ts";
import type { Log } from "../log.ts";
import { callOfLeg, legById, type LegPlace } from "../store/calls.ts";
import { hasStarted, markStatus } from "../store/recordings.ts";
import type { Store } from "../store/store.ts";
import type { Streams } from "../streams/streams.ts";
import { entering } from "../store/conferences.ts";
import type { HangupCause, MediaFile, Switch } from "../switch/switch.ts";
import { isOfRoom, type ApartCommand, type AtMostOnceCommand, type Command } from "./command.ts";
import { hangUpWaits } from "./hang-up-waits.ts";
import type { LegNews } from "./leg-progress.ts";

export interface SenderParts {
  store: Store;
  clock: Clock;
  log: Log;
  boxOf: (name: string) => Switch | undefined;
  streams: Pick<Streams, "end">;
  news: (news: LegNews) => Promise<unknown>;
  /** A command's outcome is unknown: the box is to be looked at as soon as that can tell. */
  inDoubt: (box: string) => void;
}

/** A call's legs, as they were when its intents were read. */
export type Legs = ReadonlyMap<LegId, LegPlace>;

type Repeatable = Exclude<Command, AtMostOnceCommand | ApartCommand>;

/** A kill can overtake the originate of its own leg on another connection. */
const hangUpTries = 8;
const hangUpAgainMsMin = 100;
const hangUpAgainMsMax = 1_000;
/** Between a recording's end and its event, which comes over another connection. */
const endOnItsWayMs = 500;

/** Nobody has refused anything: it is tried again. */
const notNow = ["switch.unavailable", "switch.unknown_outcome", "database.unavailable"] as const;

/** A newer version wrote it, beside which this one runs, or after which: it is left out, and what stands behind it is not. */
function unknownCommand(command: never): never {
  throw new Error(`This version knows no command "${(command as { kind: string }).kind}".`);
}

/** Sends the commands that may be sent again. */
export class CommandSender {
  readonly #parts: SenderParts;
  readonly #stopping: AbortSignal;

  constructor(parts: SenderParts, stopping: AbortSignal) {
    this.#parts = parts;
    this.#stopping = stopping;
  }

  /** What the switch refuses is over, and holds up nothing that stands behind it. `gone`: whoever was to be taken in. */
  async attempt(command: Repeatable, legs: Legs): Promise<"done" | "gone" | "refused" | "later"> {
    try {
      const found = await this.send(command, legs);
      return command.kind === "takeIn" && found === false ? "gone" : "done";
    } catch (error) {
      if (this.#stopping.aborted) return "later";
      if (notNow.some((code) => isError(error, code))) return "later";
      const { kind } = command;
      const leg = "leg" in command ? { leg: command.leg } : {};
      this.#parts.log.error({ err: error, command: kind, ...leg }, "a command was refused");
      if (command.kind === "startRecording") {
        // No file will come: the spool finds that out, and tells it.
        await this.#parts.store.write((tx) => markStatus(tx, command.recording, ["starting"], "uploading"));
      }
      return "refused";
    }
  }

  boxOf(leg: LegId | undefined, legs: Legs): Switch | undefined {
    const place = leg === undefined ? undefined : legs.get(leg);
    return place && this.#parts.boxOf(place.box);
  }

  /** Throws what the switch says: `switch.refused`, `switch.unavailable`, `switch.unknown_outcome`. */
  async send(command: Repeatable, legs: Legs): Promise<unknown> {
    // Of ours alone, whatever became of the leg.
    if (command.kind === "endStream") return this.#parts.streams.end(command.token);
    if (isOfRoom(command)) return this.#inRoom(command);
    const leg = legs.get(command.leg);
    // Nothing is left to be done to a leg that has ended.
    if (!leg || leg.endedAtUs !== null) return;
    const box = this.#parts.boxOf(leg.box);
    if (!box?.connected) throw new SautikitError("switch.unavailable");
    this.#parts.log.debug({ leg: command.leg, box: box.box, command: command.kind }, "a command is sent");
    switch (command.kind) {
      case "hangUp":
        return this.#hangUp(box, command.leg, command.cause);
      case "takeIn":
        return box.takeIn(command);
      case "answer":
        return this.#answer(box, command.leg);
      case "preAnswer":
        return box.preAnswer(command.leg);
      case "afterBridge":
        return box.afterBridge(command.leg, command.then);
      case "stopPlayback":
        return box.stopPlayback(command.leg);
      case "playRingback":
        return box.playRingback(command.leg);
      case "setVariable":
        return box.setVariable(command.leg, command.name, command.value);
      case "startRecording":
        // Done before a crash, perhaps, and stopped since: the switch would begin the file again.
        if (await this.#parts.store.read((tx) => hasStarted(tx, command.recording))) return;
        return box.startRecording(command.leg, command.recording);
      case "stopRecording":
        return box.stopRecording(command.leg, command.recording);
      case "checkRecording":
        return this.#checkRecording(box, command);
      case "maskRecording":
        return box.maskRecording(command.leg, command.recording, command.masked);
      case "enterRoom":
        return this.#enterRoom(box, command);
      case "leaveRoom":
        return box.leaveRoom(command.leg);
      case "keepParked":
        return box.keepParked(command.leg);
      case "setRoomMusic":
        return box.setRoomMusic(command.room, command.file as MediaFile);
      case "armKill":
        return box.armKill(command.leg, command.group, command.inSeconds, command.cause);
      case "cutAt": {
        // By the clock that the deadline was reckoned by.
        const nowUs = steadyUs(this.#parts.clock);
        const inSeconds = Math.max(0, Math.ceil((command.atUs - nowUs) / 1_000_000));
        return box.armKill(command.leg, command.group, inSeconds, "ALLOTTED_TIMEOUT");
      }
      case "disarmKill":
        return box.disarmKill(command.group);
    }
    return unknownCommand(command);
  }

  #inRoom(command: Extract<Repeatable, { kind: "changeMember" | "endRoom" }>): Promise<unknown> {
    const box = this.boxNamed(command.box);
    if (!box?.connected) throw new SautikitError("switch.unavailable");
    if (command.kind === "endRoom") return box.endRoom(command.room);
    const { leg, room, change, music } = command;
    return box.changeMember(leg, room, change, music === null ? undefined : (music as MediaFile));
  }

  boxNamed(name: string): Switch | undefined {
    return this.#parts.boxOf(name);
  }

  /** Done before a crash, perhaps: one who is inside would leave and come back, and the others hear it. */
  async #enterRoom(
    box: Switch,
    { leg, room, token, how }: Extract<Command, { kind: "enterRoom" }>,
  ): Promise<unknown> {
    const member = await this.#parts.store.read((tx) => entering(tx, token));
    if (member === undefined) return;
    // It was told to leave, or the room is over, before it could be sent there.
    if (member.leaving !== null) {
      const at = { box: box.box, leg, atUs: this.#parts.clock.nowUs() };
      return this.#parts.news({ kind: "roomMissed", ...at, room, token });
    }
    if ((await box.roomMembers(room))?.some((member) => member.leg === leg)) return;
    return box.enterRoom(leg, room, how);
  }

  /** The event of its end may be on its way: whoever waits for it hears from here only where it does not come. */
  async #checkRecording(
    box: Switch,
    { leg, recording }: Extract<Command, { kind: "checkRecording" }>,
  ): Promise<void> {
    if (await box.isRecording(leg, recording)) return;
    await this.#parts.clock.sleep(endOnItsWayMs, this.#stopping);
    await this.#parts.news({
      kind: "recordingGone",
      box: box.box,
      leg,
      recording,
      atUs: this.#parts.clock.nowUs(),
    });
  }

  /** What waits for the answer must not depend on its event alone, which the switch may drop: told twice, it counts once. */
  async #answer(box: Switch, leg: LegId): Promise<void> {
    const ending = await this.#parts.store.read(async (tx) => {
      const callId = await callOfLeg(tx, leg);
      return callId !== undefined && hangUpWaits(tx, callId, leg);
    });
    if (ending || !(await box.answer(leg))) return;
    const answeredAtUs = (await box.channelFacts(leg))?.answeredAtUs ?? null;
    if (answeredAtUs !== null)
      await this.#parts.news({ kind: "answered", box: box.box, leg, atUs: answeredAtUs });
  }

  /**
   * A kill that finds no channel may have overtaken the originate, and one that is refused leaves somebody talking: it
   * tries until the leg has ended.
   */
  async #hangUp(box: Switch, leg: LegId, cause: HangupCause): Promise<void> {
    let delayMs = hangUpAgainMsMin;
    for (let tries = 1; tries <= hangUpTries; tries++) {
      const killed = await box.hangUp(leg, cause).catch((error: unknown) => {
        if (isError(error, "switch.refused") && tries < hangUpTries) return false;
        throw error;
      });
      if (killed) return;
      await this.#parts.clock.sleep(delayMs, this.#stopping);
      delayMs = Math.min(delayMs * 2, hangUpAgainMsMax);
      const row = await this.#parts.store.read((tx) => legById(tx, leg));
      if (!row || row.endedAtUs !== null) return;
    }
  }
}
