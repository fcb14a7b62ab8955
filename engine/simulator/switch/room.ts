import type { Clock } from "../../clock.ts";
import { frameSamples } from "../media/g711.ts";
import { Pacer } from "../media/pacer.ts";
import type { FrameSource } from "../media/session.ts";
import type { Channel } from "./channel.ts";
import { openSound } from "./sound.ts";

/** Before a sound of its own the room waits so long, 20 ms frames. */
const leadInFrames = 20;
/** 100 ms: more than that waiting means that two clocks drift. */
const waitingFramesMax = 5;
/** So many are waited for, after a gap too: each end has a beat of its own. */
const waitingFramesMin = 2;

export interface Member {
  readonly id: number;
  readonly channel: Channel;
  readonly moderator: boolean;
  readonly endsRoom: boolean;
  muted: boolean;
  held: boolean;
  /** What it said, and what it is to hear. */
  readonly said: FrameQueue;
  readonly toHear: FrameQueue;
  /** Heard by it alone, one after another; `instead` of the room. */
  readonly sounds: { source: FrameSource; instead: boolean }[];
  /** It leaves. */
  leave: () => void;
}

/**
 * One room of mod_conference: every 20 ms it reads a frame of each member, and gives to each the sum without its own.
 * Until a moderator comes, and when one is alone, there is music.
 */
export class Room {
  readonly name: string;
  readonly members: Member[] = [];
  waits = true;
  #music: string;
  #playingMusic: FrameSource | null = null;
  readonly #sounds: FrameSource[] = [];
  readonly #leave: () => void;

  constructor(clock: Clock, name: string, music: string) {
    this.name = name;
    this.#music = music;
    this.#leave = new Pacer(clock).join(() => this.#slot());
  }

  close(): void {
    this.#leave();
  }

  add(member: Member): void {
    this.members.push(member);
    if (member.moderator) this.waits = false;
    if (this.members.length > 1 && !this.waits) this.#playingMusic = null;
  }

  remove(member: Member): void {
    this.members.splice(this.members.indexOf(member), 1);
  }

  /** Takes the place of what was named when the room was made. */
  setMusic(music: string): void {
    this.#music = music;
    this.#playingMusic = null;
  }

  /** Behind what is playing. False: there is no such file. */
  play(sound: string, options: { leadIn: boolean }): boolean {
    const source = openSound(sound)?.source;
    if (source === undefined) return false;
    this.#sounds.push(options.leadIn ? later(source) : source);
    return true;
  }

  #slot(): void {
    const own = add(firstFrame(this.#sounds), this.#musicFrame());
    const said = new Map(this.members.map((member) => [member, this.#saidBy(member)]));
    for (const member of this.members) {
      const sum = new Int32Array(frameSamples);
      if (own !== null) mixInto(sum, own);
      for (const [other, frame] of said) if (other !== member && frame !== null) mixInto(sum, frame);
      const [alone] = member.sounds;
      const frame = alone?.source() ?? null;
      if (alone && frame === null) member.sounds.shift();
      if (frame !== null && alone?.instead === true) sum.fill(0);
      if (frame !== null) mixInto(sum, frame);
      member.toHear.push(Int16Array.from(sum, clipped));
    }
  }

  #saidBy(member: Member): Int16Array | null {
    const frame = member.said.shift();
    return member.muted || member.held || this.waits || this.members.length < 2 ? null : frame;
  }

  #musicFrame(): Int16Array | null {
    const wanted = this.waits || this.members.length === 1;
    if (this.#playingMusic === null && wanted && this.#sounds.length === 0) {
      const source = openSound(this.#music)?.source;
      if (source !== undefined) this.#playingMusic = later(source);
    }
    const frame = this.#playingMusic?.() ?? null;
    if (frame === null) this.#playingMusic = null;
    return frame;
  }
}

/** Frames between two who do not keep time with each other. */
export class FrameQueue {
  readonly #frames: Int16Array[] = [];
  #flows = false;

  push(pcm: Int16Array): void {
    this.#frames.push(pcm);
    if (this.#frames.length > waitingFramesMax) this.#frames.shift();
    if (this.#frames.length >= waitingFramesMin) this.#flows = true;
  }

  shift(): Int16Array | null {
    const frame = this.#flows ? (this.#frames.shift() ?? null) : null;
    this.#flows = frame !== null;
    return frame;
  }
}

function later(source: FrameSource): FrameSource {
  let left = leadInFrames;
  return () => (left-- > 0 ? new Int16Array(frameSamples) : source());
}

function firstFrame(sources: FrameSource[]): Int16Array | null {
  const frame = sources[0]?.() ?? null;
  if (frame === null) sources.shift();
  return frame;
}

function add(one: Int16Array | null, other: Int16Array | null): Int16Array | null {
  if (one === null || other === null) return one ?? other;
  return one.map((sample, index) => clipped(sample + (other[index] ?? 0)));
}

function mixInto(sum: Int32Array, frame: Int16Array): void {
  for (const [index, sample] of frame.entries()) sum[index] = (sum[index] ?? 0) + sample;
}

const clipped = (sample: number): number => Math.max(-32768, Math.min(32767, sample));
