import { frameMs, frameSamples } from "../media/g711.ts";
import { publishChannel } from "./channel-events.ts";
import type { Channel, RunningRecording } from "./channel.ts";
import type { Core } from "./core.ts";
import { createRecordingFile, type RecordingFile } from "./recording-file.ts";

/** Where no slots come for so long, the file is filled up to the next one. */
const lagFramesMax = 10;
const silentFrame = new Int16Array(frameSamples);
/** Where a recording has time-outs and no threshold of its own. */
const thresholdDefault = 200;

/** `uuid_record start <path> [<limit>] [<recording_vars>]`: its own variables come before the channel's. */
export interface RecordingLimits {
  /** Whole seconds; 0: none. */
  limitS: number;
  own: ReadonlyMap<string, string>;
}
const noLimits: RecordingLimits = { limitS: 0, own: new Map() };

/** One `uuid_record` or `record_session`: the file has the length of the wall clock, silent where nothing came. */
export class Recording implements RunningRecording {
  readonly path: string;
  readonly #core: Core;
  readonly #channel: Channel;
  readonly #file: RecordingFile;
  readonly #layout: (said: Int16Array, heard: Int16Array) => Int16Array[];
  readonly #preBufferFrames: number;
  /** Null where the leg is not read yet: then it begins with the first frame. */
  #startedMs: number | null = null;
  readonly #untap: () => void;
  #masked = false;
  /** Counted from a second that has begun. */
  readonly #untilS: number;
  readonly #silence: { threshold: number; initialMs: number; finalMs: number };
  /** Null while somebody speaks. */
  #silentSinceMs: number | null;
  #speechHeard = false;
  #completion: "success-silence" | "no-input-timeout" | null = null;
  /** Frames of the wall clock so far; those still in the pre-buffer are not in the file. */
  #frames = 0;
  #held: Int16Array[][] = [];

  /** Null: the leg has no media yet, or the path cannot be written. */
  static start(
    core: Core,
    channel: Channel,
    path: string,
    limits: RecordingLimits = noLimits,
  ): RunningRecording | null {
    if (!channel.media.attached) return null;
    if (channel.recordings.has(path)) return channel.recordings.get(path) ?? null;
    const stereo = channel.isTrue("RECORD_STEREO") || channel.isTrue("RECORD_STEREO_SWAP");
    const isBuffered = channel.variables.get("enable_file_write_buffering") !== "false";
    const file = createRecordingFile(path, stereo ? 2 : 1, isBuffered);
    if (file === null) return null;
    const recording = new Recording(core, channel, path, file, stereo, limits);
    channel.recordings.set(path, recording);
    publishChannel(core, "RECORD_START", channel, [["Record-File-Path", path]]);
    return recording;
  }

  private constructor(
    core: Core,
    channel: Channel,
    path: string,
    file: RecordingFile,
    stereo: boolean,
    { limitS, own }: RecordingLimits,
  ) {
    this.path = path;
    this.#core = core;
    this.#channel = channel;
    this.#file = file;
    const swap = channel.isTrue("RECORD_STEREO_SWAP");
    this.#layout = stereo
      ? (said, heard) => (swap ? [heard, said] : [said, heard])
      : (said, heard) => [mix(said, heard)];
    // The real switch keeps 25 frames back unless told otherwise, and never writes the last it kept.
    const wanted = Number.parseInt(channel.variables.get("RECORD_PRE_BUFFER_FRAMES") ?? "25", 10);
    this.#preBufferFrames = wanted > 1 ? wanted : 0;
    const timeout = (name: string) => Number.parseInt(own.get(name) ?? channel.variables.get(name) ?? "", 10);
    const initialMs = timeout("RECORD_INITIAL_TIMEOUT_MS");
    const finalMs = timeout("RECORD_FINAL_TIMEOUT_MS");
    const threshold = timeout("RECORD_SILENCE_THRESHOLD");
    const listens = initialMs >= 0 || finalMs >= 0;
    this.#silence = {
      threshold: threshold >= 0 ? threshold : listens ? thresholdDefault : 0,
      initialMs: initialMs || 0,
      finalMs: finalMs || 0,
    };
    this.#untilS = limitS === 0 ? Infinity : Math.floor(core.clock.nowMs() / 1000) + limitS;
    this.#silentSinceMs = core.clock.monotonicMs();
    if (isRead(channel)) this.#startedMs = core.clock.monotonicMs();
    this.#untap = channel.media.tap((said, heard, { dueMs }) => {
      if (!isRead(channel) || dueMs > channel.readUntilMs) return;
      this.#startedMs ??= core.clock.monotonicMs();
      // A slot that a stall made late, from before the file began.
      if (dueMs < this.#startedMs - frameMs) return;
      this.#fillUp(dueMs, lagFramesMax);
      this.#frame(said ?? silentFrame, heard ?? silentFrame);
      this.#listen(said ?? silentFrame, heard ?? silentFrame, dueMs);
      if (Math.floor(core.clock.nowMs() / 1000) >= this.#untilS || this.#completion !== null) this.stop();
    });
  }

  mask(masked: boolean): void {
    this.#masked = masked;
  }

  stop(): void {
    if (!this.#channel.recordings.delete(this.path)) return;
    this.#untap();
    // What lags now will not come any more.
    this.#fillUp(Math.min(this.#core.clock.monotonicMs(), this.#channel.readUntilMs), 0);
    const first = this.#held[0];
    if (this.#frames > 0 && this.#frames <= this.#preBufferFrames && first !== undefined)
      this.#file.write(first);
    const samples = this.#file.close();
    const ms = Math.floor(samples / 8);
    const hungUp = this.#speechHeard ? "success-silence" : "no-input-timeout";
    const completion = this.#completion ?? (this.#channel.cause === null ? "success-maxtime" : hungUp);
    for (const [name, value] of [
      ["record_file_size", 44 + samples * this.#file.channels * 2],
      ["record_samples", samples],
      ["record_seconds", Math.floor(ms / 1000)],
      ["record_ms", ms],
      ["record_completion_cause", completion],
    ] as const) {
      this.#channel.variables.set(name, String(value));
    }
    publishChannel(this.#core, "RECORD_STOP", this.#channel, [
      ["Record-File-Path", this.path],
      ["Record-Completion-Cause", completion],
    ]);
  }

  /** Whether it has been silent for too long: from the start at first, then after speech. Masked or not. */
  #listen(said: Int16Array, heard: Int16Array, nowMs: number): void {
    const { threshold, initialMs, finalMs } = this.#silence;
    if (threshold === 0) {
      this.#speechHeard = true;
      return;
    }
    if (Math.floor(meanMagnitude(this.#layout(said, heard))) >= threshold) {
      this.#silentSinceMs = null;
      this.#speechHeard = true;
      return;
    }
    this.#silentSinceMs ??= nowMs;
    const limitMs = this.#speechHeard ? finalMs : initialMs;
    if (limitMs === 0 || nowMs - this.#silentSinceMs < limitMs) return;
    this.#completion = this.#speechHeard ? "success-silence" : "no-input-timeout";
  }

  /** Up to that moment, where more than so many frames are missing. */
  #fillUp(untilMs: number, behindMax: number): void {
    if (this.#startedMs === null) return;
    const due = Math.floor((untilMs - this.#startedMs) / frameMs);
    if (due - this.#frames <= behindMax) return;
    while (this.#frames < due) this.#frame(silentFrame, silentFrame);
  }

  #frame(said: Int16Array, heard: Int16Array): void {
    this.#frames += 1;
    this.#held.push(this.#masked ? this.#layout(silentFrame, silentFrame) : this.#layout(said, heard));
    while (this.#held.length > this.#preBufferFrames) {
      const frame = this.#held.shift();
      if (frame !== undefined) this.#file.write(frame);
    }
  }
}

/** Over all of a stereo frame's samples, so that one who speaks alone counts half. */
function meanMagnitude(frames: readonly Int16Array[]): number {
  let sum = 0;
  for (const frame of frames) for (const sample of frame) sum += Math.abs(sample);
  return sum / (frames.length * frameSamples);
}

/** A leg whose early media is ignored is not read by the switch: nothing is recorded until it is answered. */
const isRead = (channel: Channel): boolean =>
  channel.state !== "CS_CONSUME_MEDIA" || channel.answerState === "answered";

const mix = (said: Int16Array, heard: Int16Array): Int16Array =>
  said.map((sample, index) => Math.max(-32768, Math.min(32767, sample + (heard[index] ?? 0))));
