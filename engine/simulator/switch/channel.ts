import type { Timer } from "../../clock.ts";
import type { IncomingSipCall, SipCall } from "../sip/call.ts";
import type { ApplicationQueue } from "./application.ts";
import type { MediaPort } from "./media-port.ts";

/** FreeSWITCH's states of a channel that we go through, with its numbers for them. */
export const stateNumbers = {
  CS_INIT: 2,
  CS_SOFT_EXECUTE: 3,
  CS_EXECUTE: 4,
  CS_EXCHANGE_MEDIA: 5,
  CS_PARK: 6,
  CS_CONSUME_MEDIA: 7,
  CS_HANGUP: 10,
  CS_REPORTING: 11,
  CS_DESTROY: 12,
} as const;
export type ChannelState = keyof typeof stateNumbers;

export const callStateNumbers = { DOWN: 0, RINGING: 2, EARLY: 3, ACTIVE: 4, HANGUP: 7 } as const;
export type CallState = keyof typeof callStateNumbers;

/** What whoever waits for a channel is told of: an originate, and nobody else. */
export type ChannelNews = "ringing" | "media" | "answered" | "hungUp";

/** Two legs that hear each other. The owner's thread runs it: CHANNEL_BRIDGE and CHANNEL_UNBRIDGE are the owner's. */
export interface Bridge {
  readonly owner: Channel;
  readonly other: Channel;
}

export interface RunningRecording {
  mask(masked: boolean): void;
  /** The file is complete before RECORD_STOP says so. */
  stop(): void;
}

/**
 * One leg at the switch. It only holds facts; channel-life.ts, bridge.ts and hang-up.ts move it through its states:
 *
 *   INIT ─▶ CONSUME_MEDIA ─▶ EXECUTE (park, playback…) ─▶ HANGUP ─▶ REPORTING ─▶ DESTROY
 *                               │  ▲
 *                               ▼  │ transfer to park
 *              SOFT_EXECUTE (bridge's owner) / EXCHANGE_MEDIA (the other) ─▶ PARK (park_after_bridge)
 */
export class Channel {
  readonly uuid: string;
  readonly direction: "inbound" | "outbound";
  /** `sofia/<profile>/<who>` */
  readonly name: string;
  readonly destination: string;
  readonly callerName: string;
  readonly callerNumber: string;
  /** The caller's network says that they hide it. */
  readonly hidesNumber: boolean;
  readonly networkAddress: string;
  readonly context: string;
  readonly variables = new Map<string, string>();
  /** µs since the epoch; 0 where it has not happened, as FreeSWITCH writes it. */
  readonly stamps: {
    createdUs: number;
    progressUs: number;
    progressMediaUs: number;
    answeredUs: number;
    bridgedUs: number;
    hangupUs: number;
  };
  state: ChannelState = "CS_INIT";
  callState: CallState = "DOWN";
  answerState: "ringing" | "early" | "answered" | "hangup" = "ringing";
  /** Null while it is up. */
  cause: string | null = null;
  /** When it was told to hang up, monotonic; from then on it is not read. Infinity while it is up. */
  readUntilMs = Infinity;
  /** The application that keeps it up, park or none, and that application's uuid. */
  parked: { applicationUuid: string | null } | null = null;
  bridge: Bridge | null = null;
  /** What a transfer has it run, one after another; another transfer, or a bridge, ends it. */
  plan: object | null = null;
  /** The party of the current or last bridge: events go on to name it. */
  otherLeg: Channel | null = null;
  otherLegRole: "originator" | "originatee" = "originatee";
  call: SipCall | null = null;
  /** The same call where it is one that we may answer. */
  incoming: IncomingSipCall | null = null;
  watch: ((news: ChannelNews) => void) | null = null;
  readonly recordings = new Map<string, RunningRecording>();
  /** Of a leg that ends when its party sends nothing any more. */
  mediaTimeout: Timer | null = null;
  /** Only while it is parked. */
  unicast: { close(): void } | null = null;
  readonly media: MediaPort;
  readonly applications: ApplicationQueue;

  constructor(facts: {
    uuid: string;
    direction: "inbound" | "outbound";
    name: string;
    destination: string;
    callerName: string;
    callerNumber: string;
    hidesNumber?: boolean;
    networkAddress: string;
    context: string;
    createdUs: number;
    media: MediaPort;
    applications: (channel: Channel) => ApplicationQueue;
  }) {
    this.uuid = facts.uuid;
    this.direction = facts.direction;
    this.name = facts.name;
    this.destination = facts.destination;
    this.callerName = facts.callerName;
    this.callerNumber = facts.callerNumber;
    this.hidesNumber = facts.hidesNumber ?? false;
    this.networkAddress = facts.networkAddress;
    this.context = facts.context;
    this.media = facts.media;
    this.applications = facts.applications(this);
    this.stamps = {
      createdUs: facts.createdUs,
      progressUs: 0,
      progressMediaUs: 0,
      answeredUs: 0,
      bridgedUs: 0,
      hangupUs: 0,
    };
  }

  get hasMedia(): boolean {
    return this.answerState === "early" || this.answerState === "answered";
  }

  /** FreeSWITCH's idea of true in a variable. */
  isTrue(variable: string): boolean {
    return /^(true|yes|on|enabled|active|allow|t|[1-9]\d*)$/i.test(this.variables.get(variable) ?? "");
  }

  /** An empty value removes the variable. */
  setVariable(name: string, value: string): void {
    if (value === "") this.variables.delete(name);
    else this.variables.set(name, value);
  }
}
