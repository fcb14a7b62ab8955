import { isIPv4 } from "node:net";
import { steadyUs, type Clock, type Timer } from "../clock.ts";
import { isError, SautikitError } from "../errors.ts";
import { isId, type ConferenceId, type Ids, type LegId, type RecordingId } from "../ids.ts";
import type { Log } from "../log.ts";
import { ChannelNames, isChannelUuid } from "./channel-names.ts";
import { channelFacts, channelListings, withToken, type Listed } from "./channels.ts";
import { jsonFields, type Command, type Fields } from "./codec.ts";
import {
  accepted,
  api,
  backgroundApi,
  execute,
  refused,
  subscribe,
  transferTo,
  transferToBridge,
  unicast,
} from "./commands.ts";
import { checkPassword, Connection, stoppedReason } from "./connection.ts";
import {
  assertCause,
  assertKillGroup,
  backstopSeconds,
  deviceSilenceDefaultS,
  dialString,
  scheduleKill,
  testDialString,
  relayBridge,
  relayVariables,
  takenInVariables,
} from "./dial-string.ts";
import { arrivalOf, decodeEvent, isAnsweredCaller, isCause, playTokenPrefix, testOutcome } from "./events.ts";
import { deviceEvent, devicesProfile, isUsername, registrationsIn } from "./devices.ts";
import {
  gatewayStates,
  isGatewayName,
  trunkProfiles,
  type GatewayState,
  type TrunkProfile,
} from "./gateway-file.ts";
import { Line } from "./line.ts";
import {
  assertRoom,
  holdMusic,
  memberNamed,
  membersIn,
  roomAccepted,
  roomEntrance,
  roomExit,
} from "./rooms.ts";
import {
  beep,
  type AfterBridge,
  type Arrival,
  type BoxEvent,
  type ChannelFacts,
  type ChannelListing,
  type EnterRoom,
  type HangupCause,
  type KillGroup,
  type MediaFork,
  type MediaFile,
  type MemberChange,
  type Originate,
  type OriginateOutcome,
  type RecordingEnds,
  type Relayed,
  type RelayedRing,
  type Registration,
  type RoomMember,
  type Sound,
  type Switch,
  type SwitchEvent,
  type TakenIn,
  type TestCall,
  type TestOutcome,
} from "./switch.ts";

export interface FreeSwitchBoxOptions {
  /** Stable name of the box. */
  box: string;
  host: string;
  port: number;
  /** Of the event socket. */
  password: string;
  /** Absolute folder on the box in which the switch writes recordings, each `<recording id>.wav`. */
  recordingsFolder: string;
  clock: Clock;
  ids: Ids;
  log: Log;
  /** Whether the box is ours to command, asked before each command. Default: always. */
  mayCommand?: () => boolean;
  /** Connections for commands beside the one for events: the switch reads and runs each one's in order. Default 3. */
  commandConnections?: number;
  /** Default 3000. */
  connectTimeoutMs?: number;
  /** Default 5000. */
  commandTimeoutMs?: number;
}

/** What came over the event connection, for the metrics. */
export interface EventCounts {
  delivered: number;
  /** Of channels that are none of ours. */
  foreign: number;
  ignored: number;
  unreadable: number;
}

/** How the event connection is, for the metrics. */
export interface Pulse {
  /** How often it was made since the start. */
  connections: number;
  /** When the last heartbeat was answered, monotonic ms, and how long that took; null: none was. */
  last: { atMs: number; tookMs: number } | null;
}

const heartbeatEveryMs = 1000;
/** A socket whose other end vanished tells nobody; this finds out. */
const heartbeatTimeoutMs = 3000;
/** What an originate may take beyond its ring time-out: the switch's own timers run late by up to the backstop. */
const originateMarginMs = (backstopSeconds + 5) * 1000;

/** Of ten thousand devices and more. */
const listTimeoutMs = 30_000;
/** The tone, what limits it, and the event of its end. */
const testMsMax = 15_000;
const testEndMsMax = 2_000;

/** A leg that is told to park is parked 30 ms later. */
const parkMsMax = 2000;

/** 425 Hz, 1 s in 5, as ITU-T E.180 asks; the cadence is a tone stream's `%(on ms, off ms, Hz)`. */
const ringback = "tone_stream://%(1000,4000,425);loops=-1";
const beepTone = "tone_stream://%(300,0,1000)";

/**
 * Mean of the samples' magnitudes over both directions, so half of what one that speaks alone has: 100 is speech of about
 * -42 dBFS. The switch's own default of 200 takes the quieter half of telephone speech for silence; line and comfort
 * noise are at 5 to 40.
 */
const silenceThreshold = 100;

interface Greeting {
  coreUuid: string;
  version: string;
}

interface Job {
  settle: (result: string | SautikitError) => void;
  timer: Timer;
}

/** The `Switch` of one FreeSWITCH: an event connection and a few for commands, kept up while started. */
export class FreeSwitchBox implements Switch {
  readonly box: string;
  readonly counts: EventCounts = { delivered: 0, foreign: 0, ignored: 0, unreadable: 0 };
  readonly pulse: Pulse = { connections: 0, last: null };
  readonly #options: FreeSwitchBoxOptions;
  readonly #eventLine: Line<Greeting>;
  readonly #commandLines: readonly Line[];
  readonly #names = new ChannelNames();
  readonly #eventListeners: ((event: SwitchEvent) => void)[] = [];
  readonly #arrivalListeners: ((arrival: Arrival) => void)[] = [];
  readonly #boxListeners: ((event: BoxEvent) => void)[] = [];
  /** Background jobs whose result has not come, by our Job-UUID. */
  readonly #jobs = new Map<string, Job>();
  /** Calls that try a trunk out, by their channel. */
  readonly #tests = new Map<string, (outcome: TestOutcome) => void>();
  /** Legs that are told to park: whether they are, or have ended. */
  readonly #parking = new Map<LegId, (parked: boolean) => void>();
  #heartbeat: Timer | undefined;
  #stopping = new AbortController();
  #connected = false;

  /** Opens nothing yet. Throws RangeError on a password or folder that cannot be used. */
  constructor(options: FreeSwitchBoxOptions) {
    checkPassword(options.password);
    if (!/^(\/[A-Za-z0-9_.-]+)+$/.test(options.recordingsFolder)) {
      throw new RangeError("The recordings folder must be an absolute path of letters, digits and `_.-`.");
    }
    this.box = options.box;
    this.#options = options;
    const { clock, ids } = options;
    this.#eventLine = new Line({
      open: (signal) => this.#open(signal, (fields) => this.#onEvent(fields)),
      prepare: (connection) => this.#subscribe(connection),
      onUp: (connection, greeting) => this.#onUp(connection, greeting),
      onDown: (reason, wasUp) => this.#onDown(reason, wasUp),
      clock,
      ids,
    });
    this.#commandLines = Array.from(
      { length: options.commandConnections ?? 3 },
      () =>
        new Line({
          open: (signal) => this.#open(signal),
          prepare: () => Promise.resolve(),
          onDown: (reason) => options.log.debug({ box: this.box, reason }, "command connection down"),
          clock,
          ids,
        }),
    );
  }

  /** Set the listeners before: what happens from the first connection on is told once. */
  start(): void {
    if (this.#stopping.signal.aborted) this.#stopping = new AbortController();
    this.#eventLine.start();
    for (const line of this.#commandLines) line.start();
  }

  /** Closes the connections; calls in the switch go on. Whatever waits is rejected. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    // What another may send by now is not to be followed by ours that is on its way.
    if (!this.#mayCommand())
      for (const line of [this.#eventLine, ...this.#commandLines])
        line.connection?.close("not ours to command");
    await Promise.all([this.#eventLine, ...this.#commandLines].map((line) => line.stop()));
  }

  onEvent(listener: (event: SwitchEvent) => void): void {
    this.#eventListeners.push(listener);
  }

  /** Told of a channel for as long as its uuid is not known, once for each of its events that say that it waits. */
  onArrival(listener: (arrival: Arrival) => void): void {
    this.#arrivalListeners.push(listener);
  }

  /** The leg is the channel of that uuid: everything that is said of either is said of the leg from now on. */
  know(leg: LegId, uuid: string): void {
    this.#names.know(leg, uuid);
  }

  /** `channel`: only if it is that one. */
  forget(leg: LegId, channel?: string): void {
    if (channel === undefined || this.#names.channelOf(leg) === channel) this.#names.forget(leg);
  }

  /** Whose channel that is. */
  legOf(uuid: string): LegId | undefined {
    return this.#names.legOf(uuid);
  }

  onBoxEvent(listener: (event: BoxEvent) => void): void {
    this.#boxListeners.push(listener);
  }

  get connected(): boolean {
    return this.#connected && this.#mayCommand();
  }

  async originate(request: Originate, sent?: () => void): Promise<OriginateOutcome> {
    // Its events follow at once.
    for (const { leg, channel } of request.branches)
      if (channel !== undefined) this.#names.know(leg, channel);
    const toDevice = request.branches.some(({ way }) => way.kind !== "trunk");
    const silenceS = toDevice ? await this.#deviceSilenceS() : undefined;
    const argument = dialString(request, (recording) => this.#file(recording), this.#names, silenceS);
    const ringSeconds = Math.max(...request.branches.map((branch) => branch.ringTimeoutSeconds));
    const reply = await this.#runJob(argument, ringSeconds * 1000 + originateMarginMs, sent);

    const [, uuid] = /^\+OK (\S+)/.exec(reply) ?? [];
    if (uuid !== undefined) {
      const winner = request.branches.find((branch) => (branch.channel ?? branch.leg) === uuid);
      if (winner !== undefined) return { ok: true, leg: winner.leg };
      // Some endpoints answer a uuid that is in use with a channel under another one. It is nobody's: end it.
      this.#options.log.error({ box: this.box, uuid }, "originate made a channel that was not asked for");
      if (/^[0-9a-z_-]{1,64}$/i.test(uuid)) await this.#send(api("uuid_kill", uuid));
      return { ok: false, cause: "DESTINATION_OUT_OF_ORDER", reply };
    }
    const [, cause] = /^-ERR (\S+)/.exec(reply) ?? [];
    if (isCause(cause)) return { ok: false, cause, reply };
    throw refused("originate", reply);
  }

  async hangUp(leg: LegId, cause: HangupCause): Promise<boolean> {
    assertCause(cause);
    return this.#run(api("uuid_kill", this.#channel(leg), cause));
  }

  async takeIn(taken: TakenIn): Promise<boolean> {
    const { leg, ringSeconds } = taken;
    const variables = takenInVariables(taken, this.#names);
    const ring: KillGroup = `ring-${leg}`;
    if (!(await this.#keepRinging(leg, ring, ringSeconds, variables))) return false;
    const rings = await this.#run(api("uuid_ring_ready", this.#channel(leg)));
    // Done again after a crash it may have been answered meanwhile, by whom it was put through to: it waits no more.
    if (rings && (await this.channelFacts(leg))?.answeredAtUs != null) await this.disarmKill(ring);
    return rings;
  }

  async refuse(leg: LegId, cause: HangupCause): Promise<boolean> {
    return (await this.setVariable(leg, "process_cdr", "false")) && this.hangUp(leg, cause);
  }

  async ringFor(channel: LegId, ring: RelayedRing): Promise<boolean> {
    const group: KillGroup = `ring-${ring.leg}`;
    const variables = relayVariables(ring);
    const bridge = relayBridge(ring, await this.#deviceSilenceS());
    const ringSeconds = ring.ringSeconds + backstopSeconds;
    if (!(await this.#keepRinging(channel, group, ringSeconds, variables))) return false;
    return this.#run(transferToBridge(this.#channel(channel), bridge));
  }

  /** What came to us waits so long, and no longer for the dialplan's time alone. False: no such channel, and nothing is left armed. */
  async #keepRinging(
    leg: LegId,
    group: KillGroup,
    seconds: number,
    variables: readonly (readonly [name: string, value: string])[],
  ): Promise<boolean> {
    await this.armKill(leg, group, seconds, "NO_ANSWER");
    // The dialplan's own sched_hangup is in the group of the channel's name.
    await this.#run(api("sched_del", this.#channel(leg)));
    for (const [name, value] of variables) {
      if (await this.setVariable(leg, name, value)) continue;
      await this.disarmKill(group);
      return false;
    }
    return true;
  }

  async answer(leg: LegId): Promise<boolean> {
    if (!(await this.#run(api("uuid_answer", this.#channel(leg))))) return false;
    // Done by the switch itself at the answer. Where this is done again, so was the arming before it.
    await this.#run(api("sched_del", `ring-${leg}`));
    return true;
  }

  async preAnswer(leg: LegId): Promise<boolean> {
    return this.#run(api("uuid_pre_answer", this.#channel(leg)));
  }

  async afterBridge(leg: LegId, then: AfterBridge): Promise<boolean> {
    const kill =
      then.kind === "park"
        ? scheduleKill(`idle-${leg}`, leg, then.idleSeconds, "ALLOTTED_TIMEOUT", this.#names)
        : "";
    // A park clears park_after_bridge, so it is set before each bridge.
    return (
      (await this.setVariable(leg, "park_after_bridge", String(then.kind === "park"))) &&
      (await this.setVariable(leg, "api_after_bridge", kill))
    );
  }

  async setVariable(leg: LegId, name: string, value: string): Promise<boolean> {
    if (!/^[A-Za-z0-9_]{1,100}$/.test(name)) throw new RangeError("not a variable's name");
    // The switch would take quotes and backslashes away, and expand `${…}`.
    if (!/^[ -~]*$/.test(value) || /['"\\$`]|^ | $/.test(value)) {
      throw new RangeError("a variable's value that would not arrive as it is");
    }
    return this.#run(api("uuid_setvar", this.#channel(leg), name, value));
  }

  async play(leg: LegId, sound: Sound, { token, loops }: { token: string; loops: number }): Promise<boolean> {
    if (sound !== beep) assertFile(sound);
    if (!Number.isInteger(loops) || loops < 1 || loops > 100) throw new RangeError("loops must be 1 to 100");
    if (!/^[\w:.-]{1,200}$/.test(token)) throw new RangeError("not a token");
    const file = sound === beep ? beepTone : sound;
    // One application for all the loops: `loops:` of sendmsg would complete once for each, and give up on short files.
    const argument = loops === 1 ? file : `file_string://${Array<string>(loops).fill(file).join("!")}`;
    // The event at its end has the token of the command; who did not hear that finds it in the channel's variables.
    return this.#run(
      execute(this.#channel(leg), "playback", withToken(argument, token), playTokenPrefix + token),
    );
  }

  async stopPlayback(leg: LegId): Promise<boolean> {
    return this.#run(api("uuid_break", this.#channel(leg), "all"));
  }

  async playRingback(leg: LegId): Promise<boolean> {
    // Not uuid_broadcast: that waits 100 ms first, and a stopPlayback in that time is lost on an endless tone.
    return this.#run(execute(this.#channel(leg), "playback", ringback, "ringback"));
  }

  async sendDigits(leg: LegId, digits: string): Promise<boolean> {
    if (!/^[0-9*#wW]{1,64}$/.test(digits)) throw new RangeError("not digits to send");
    return this.#run(api("uuid_send_dtmf", this.#channel(leg), digits));
  }

  async startRecording(leg: LegId, recording: RecordingId, ends?: RecordingEnds): Promise<boolean> {
    const words = ends === undefined ? [] : endsOf(ends);
    return this.#run(api("uuid_record", this.#channel(leg), "start", this.#file(recording), ...words));
  }

  async stopRecording(leg: LegId, recording: RecordingId): Promise<boolean> {
    return this.#changeRecording(leg, "stop", recording);
  }

  async maskRecording(leg: LegId, recording: RecordingId, masked: boolean): Promise<boolean> {
    return this.#changeRecording(leg, masked ? "mask" : "unmask", recording);
  }

  async isRecording(leg: LegId, recording: RecordingId): Promise<boolean> {
    const reply = await this.#send(api("uuid_buglist", this.#channel(leg)));
    return reply.includes(`<target>${this.#file(recording)}</target>`);
  }

  get ends(): { ours: string; its: string } | null {
    return this.#eventLine.connection?.ends ?? null;
  }

  async forkMedia(leg: LegId, fork: MediaFork): Promise<boolean> {
    for (const { host, port } of [fork.its, fork.ours]) {
      if (!isIPv4(host) || !Number.isInteger(port) || port < 1 || port > 65_535)
        throw new RangeError("not an IPv4 address and port");
    }
    return this.#run(unicast(this.#channel(leg), fork));
  }

  async endFork(leg: LegId): Promise<boolean> {
    const told = Promise.withResolvers<boolean>();
    let timer: Timer | undefined;
    // Before it is told to, lest the event come first.
    this.#parking.set(leg, told.resolve);
    try {
      if (!(await this.#run(transferTo(this.#channel(leg), "park")))) return false;
      // Not sooner: a switch that takes its time to answer would have it rejected while nobody waits for it yet.
      timer = this.#options.clock.after(parkMsMax, () =>
        told.reject(
          new SautikitError("switch.unknown_outcome", `The leg was not parked within ${parkMsMax} ms.`),
        ),
      );
      return await told.promise;
    } finally {
      timer?.cancel();
      this.#parking.delete(leg);
    }
  }

  async enterRoom(leg: LegId, room: ConferenceId, how: EnterRoom): Promise<boolean> {
    return this.#run(roomEntrance(this.#channel(leg), room, how));
  }

  async leaveRoom(leg: LegId): Promise<boolean> {
    return (await this.#run(roomExit(this.#channel(leg)))) && this.keepParked(leg);
  }

  async keepParked(leg: LegId): Promise<boolean> {
    // What a channel has the switch do to itself is in the group of its name; ours have names of their own.
    return this.#run(api("sched_del", this.#channel(leg)));
  }

  async changeMember(
    leg: LegId,
    room: ConferenceId,
    change: MemberChange,
    music?: MediaFile,
  ): Promise<boolean> {
    if (music !== undefined) assertFile(music);
    this.#channel(leg);
    const words = change === "mute" || change === "unmute" ? ["quiet"] : [];
    if (change === "hold") words.push(holdMusic(music));
    return this.#inRoom(room, change, memberNamed(leg), ...words);
  }

  async setRoomMusic(room: ConferenceId, music: MediaFile): Promise<boolean> {
    assertFile(music);
    return this.#inRoom(room, "moh", music);
  }

  async announce(room: ConferenceId, file: MediaFile, leg?: LegId): Promise<boolean> {
    assertFile(file);
    if (leg !== undefined) this.#channel(leg);
    return this.#inRoom(room, "play", file, ...(leg === undefined ? [] : [memberNamed(leg)]));
  }

  async endRoom(room: ConferenceId): Promise<boolean> {
    return this.#inRoom(room, "kick", "all");
  }

  async roomMembers(room: ConferenceId): Promise<RoomMember[] | null> {
    assertRoom(room);
    const reply = await this.#send(api("conference", room, "json_list", "compact"));
    const members = membersIn(reply, this.#names);
    if (members !== undefined) return members;
    if (roomAccepted("conference", reply)) throw refused("conference json_list", reply);
    return null;
  }

  async #inRoom(room: ConferenceId, ...words: string[]): Promise<boolean> {
    assertRoom(room);
    return roomAccepted(`conference ${words[0]}`, await this.#send(api("conference", room, ...words)));
  }

  async armKill(leg: LegId, group: KillGroup, inSeconds: number, cause: HangupCause): Promise<void> {
    const [, ...words] = scheduleKill(group, leg, inSeconds, cause, this.#names).split(" ");
    await this.#run(api("sched_api", ...words));
  }

  async disarmKill(group: KillGroup): Promise<void> {
    assertKillGroup(group);
    await this.#run(api("sched_del", group));
  }

  async listChannels(): Promise<ChannelListing[]> {
    return (await this.#list()).legs;
  }

  async relayed(): Promise<Relayed[]> {
    return (await this.#list()).relayed;
  }

  async arrivals(): Promise<Arrival[]> {
    return this.#unknown((_, fields) => arrivalOf(this.box, fields));
  }

  async strangers(): Promise<string[]> {
    return this.#unknown((uuid, fields) => (isAnsweredCaller(fields) ? uuid : undefined));
  }

  async endStranger(uuid: string): Promise<boolean> {
    if (!isChannelUuid(uuid)) throw new RangeError("not a channel's uuid");
    return this.#run(api("uuid_kill", uuid, "MANAGER_REQUEST"));
  }

  /** What `of` makes of each channel that came to the box and is no leg. */
  async #unknown<Found>(of: (uuid: string, fields: Fields) => Found | undefined): Promise<Found[]> {
    const found: Found[] = [];
    for (const uuid of (await this.#list()).unknown) {
      const fields = await this.#dump(uuid);
      const one = fields && of(uuid, fields);
      if (one != null) found.push(one);
    }
    return found;
  }

  async channelFacts(leg: LegId): Promise<ChannelFacts | null> {
    const fields = await this.#dump(this.#channel(leg));
    return fields && channelFacts(leg, fields, this.#names);
  }

  async reloadDirectory(): Promise<void> {
    const reply = await this.#send(api("reloadxml"));
    // A file that it cannot read is +OK as well, with the fault in the brackets.
    if (reply.trim() !== "+OK [Success]") throw refused("reloadxml", reply);
  }

  async registrations(username?: string): Promise<Registration[]> {
    const status = ["xmlstatus", "profile", devicesProfile];
    const reply =
      username === undefined
        ? await this.#sendAlone(api("sofia", ...status, "reg"), listTimeoutMs)
        : await this.#send(api("sofia", ...status, "user", await this.#address(username)));
    const found = registrationsIn(reply, this.#options.clock.nowMs());
    if (found === undefined) throw refused("sofia xmlstatus", reply);
    return found;
  }

  async forgetDevice(username: string): Promise<void> {
    const address = await this.#address(username);
    const reply = await this.#send(api("sofia", "profile", devicesProfile, "flush_inbound_reg", address));
    if (!reply.startsWith("Invalid Profile")) accepted("sofia profile flush_inbound_reg", reply);
  }

  /** After how long without sound the box's own calls from devices end: calls to them the same. */
  async #deviceSilenceS(): Promise<number> {
    const seconds = await this.#send(api("global_getvar", "devices_media_timeout")).catch(
      (error: unknown) => {
        // Of what it is asked for nothing has been sent.
        throw isError(error, "switch.unknown_outcome") ? this.#unavailable(error) : error;
      },
    );
    // Empty of a freeswitch-conf/ from before there was one.
    return /^[0-9]{1,5}$/.test(seconds) ? Number(seconds) : deviceSilenceDefaultS;
  }

  /** By which the switch keeps a device's bindings. */
  async #address(username: string): Promise<string> {
    if (!isUsername(username)) throw new RangeError("not a username");
    const domain = await this.#send(api("global_getvar", "sip_domain"));
    if (!/^[A-Za-z0-9.-]{1,253}$/.test(domain)) throw refused("global_getvar sip_domain", domain);
    return `${username}@${domain}`;
  }

  async loadGateways(down: readonly { name: string; profile: TrunkProfile }[]): Promise<void> {
    // A file that could not be read is to take nothing down.
    await this.reloadDirectory();
    await this.#run(api("reloadacl"));
    for (const { name, profile } of down) {
      if (!isGatewayName(name)) throw new RangeError("not a gateway's name");
      const reply = await this.#send(api("sofia", "profile", profile, "killgw", name));
      if (!/^(\+OK|-ERR no such gateway)/.test(reply)) throw refused("sofia killgw", reply);
    }
    for (const profile of trunkProfiles) {
      const reply = await this.#send(api("sofia", "profile", profile, "rescan"));
      if (!/^\+OK|^Invalid Profile/m.test(reply)) throw refused("sofia rescan", reply);
    }
  }

  async gateways(): Promise<GatewayState[]> {
    const reply = await this.#send(api("sofia", "xmlstatus", "gateway"));
    const states = gatewayStates(reply);
    if (states === undefined) throw refused("sofia xmlstatus gateway", reply);
    return states;
  }

  async placeTest(test: TestCall): Promise<TestOutcome> {
    const argument = testDialString(test);
    const { channel, ringTimeoutSeconds } = test;
    const ended = Promise.withResolvers<TestOutcome>();
    this.#tests.set(channel, ended.resolve);
    try {
      const reply = await this.#runJob(argument, ringTimeoutSeconds * 1000 + originateMarginMs);
      const [, cause] = /^-ERR (\S+)/.exec(reply) ?? [];
      const { clock } = this.#options;
      const nobody = Promise.withResolvers<null>();
      // Of a gateway that is down there is never a channel, and so no end of one.
      const timer = clock.after(cause === undefined ? testMsMax : testEndMsMax, () => nobody.resolve(null));
      const outcome = await Promise.race([ended.promise, nobody.promise]).finally(() => timer.cancel());
      if (outcome !== null) return outcome;
      if (!isCause(cause)) throw refused("originate", reply);
      const atUs = clock.nowUs();
      return {
        ...{ createdAtUs: atUs, ringingAtUs: null, answeredAtUs: null, endedAtUs: atUs, cause },
        ...{ q850: 0, sipStatus: null, quality: null, codec: null, packetsHeard: 0 },
      };
    } finally {
      this.#tests.delete(channel);
    }
  }

  async version(): Promise<string> {
    return this.#send(api("version"));
  }

  async #list(): Promise<Listed> {
    const reply = await this.#send(api("show", "channels", "as", "json"));
    const listed = channelListings(reply, this.#names);
    if (listed === undefined) throw refused("show channels", reply);
    return listed;
  }

  /** Null: no such channel. */
  async #dump(channel: string): Promise<Fields | null> {
    const reply = await this.#send(api("uuid_dump", channel, "json"));
    const fields = jsonFields(reply);
    if (fields !== undefined) return fields;
    if (accepted("uuid_dump", reply)) throw refused("uuid_dump", reply);
    return null;
  }

  /** The switch's name of the leg's channel: one word. Throws RangeError. */
  #channel(leg: LegId): string {
    if (!isId("leg", leg)) throw new RangeError("not a leg");
    return this.#names.channelOf(leg);
  }

  async #changeRecording(
    leg: LegId,
    change: "stop" | "mask" | "unmask",
    recording: RecordingId,
  ): Promise<boolean> {
    const reply = await this.#send(api("uuid_record", this.#channel(leg), change, this.#file(recording)));
    // It ended by itself, with the leg or before: nothing is left to change.
    if (/^-ERR Cannot (stop|mask|unmask) record/.test(reply)) return false;
    return accepted("uuid_record", reply);
  }

  #file(recording: RecordingId): string {
    if (!isId("rec", recording)) throw new RangeError("not a recording");
    return `${this.#options.recordingsFolder}/${recording}.wav`;
  }

  async #run(command: Command): Promise<boolean> {
    return accepted(command.line.split(" ", 2).join(" "), await this.#send(command));
  }

  /** Sends over the least busy connection; the event connection only where there is no other. */
  #send(command: Command): Promise<string> {
    if (!this.#mayCommand()) return Promise.reject(this.#unavailable());
    const connections = this.#commandLines.flatMap(({ connection }) => connection ?? []);
    const [first = this.#eventLine.connection, ...others] = connections;
    if (first === undefined) return Promise.reject(this.#unavailable());
    return others.reduce((best, next) => (next.pending < best.pending ? next : best), first).send(command);
  }

  /** Over a connection of its own: whatever its reply does to that, nothing else is cut. */
  async #sendAlone(command: Command, timeoutMs: number): Promise<string> {
    if (!this.#mayCommand()) throw this.#unavailable();
    const { signal } = this.#stopping;
    const connection = await this.#open(signal);
    const close = () => connection.close(stoppedReason);
    signal.addEventListener("abort", close, { once: true });
    try {
      return await connection.send(command, timeoutMs);
    } finally {
      signal.removeEventListener("abort", close);
      close();
    }
  }

  /** Runs `originate` in the background, and resolves with its result. Its one send is never repeated. */
  async #runJob(argument: string, timeoutMs: number, sent?: () => void): Promise<string> {
    // The result comes over the event connection.
    if (!this.connected) throw this.#unavailable();
    const id = this.#options.ids.bytes(16).toString("hex");
    const result = new Promise<string>((resolve, reject) => {
      const settle = (outcome: string | SautikitError) => {
        this.#jobs.delete(id);
        timer.cancel();
        if (typeof outcome === "string") resolve(outcome);
        else reject(outcome);
      };
      const timer = this.#options.clock.after(timeoutMs, () => {
        settle(
          new SautikitError("switch.unknown_outcome", `The media server gave no result in ${timeoutMs} ms.`),
        );
      });
      this.#jobs.set(id, { settle, timer });
    });
    this.#send(backgroundApi(id, "originate", argument)).then(
      (reply) => {
        if (!reply.startsWith("+OK")) this.#jobs.get(id)?.settle(refused("originate", reply));
        sent?.();
      },
      (error: unknown) => {
        // With no reply to the command the job may run all the same: go on waiting for its result.
        if (isError(error, "switch.unknown_outcome")) return sent?.();
        this.#jobs.get(id)?.settle(error instanceof SautikitError ? error : this.#unavailable(error));
      },
    );
    return result;
  }

  #open(signal: AbortSignal, onEvent?: (fields: Fields | undefined) => void): Promise<Connection> {
    const { host, port, password, clock, connectTimeoutMs = 3000, commandTimeoutMs = 5000 } = this.#options;
    return Connection.open({
      host,
      port,
      password,
      clock,
      connectTimeoutMs,
      commandTimeoutMs,
      signal,
      ...(onEvent === undefined ? {} : { onEvent }),
    });
  }

  /** Subscribes before anything else, lest an event be missed that a command causes. */
  async #subscribe(connection: Connection): Promise<Greeting> {
    const subscribed = await connection.send(subscribe);
    if (!subscribed.startsWith("+OK")) throw refused("event", subscribed);
    const [coreUuid, version] = await Promise.all([
      connection.send(api("global_getvar", "core_uuid")),
      connection.send(api("version")),
    ]);
    return { coreUuid, version };
  }

  #onUp(connection: Connection, greeting: Greeting): void {
    this.#options.log.info({ box: this.box, ...greeting }, "media server connected");
    this.#connected = true;
    this.pulse.connections++;
    this.#tell({ kind: "connected", box: this.box, ...greeting });
    void this.#beat(connection);
  }

  async #beat(connection: Connection): Promise<void> {
    const { clock } = this.#options;
    const askedMs = clock.monotonicMs();
    // Its answer may be long on its way, and outlive who gave it.
    const askedAtUs = steadyUs(clock);
    let coreUuid: string;
    try {
      coreUuid = await connection.send(api("global_getvar", "core_uuid"), heartbeatTimeoutMs);
    } catch {
      // The other connections lead to the same silence: a command sent there would only find out by its time-out.
      for (const line of this.#commandLines) line.connection?.close("no heartbeat");
      return connection.close(`no heartbeat for ${heartbeatTimeoutMs} ms`);
    }
    const atMs = clock.monotonicMs();
    this.pulse.last = { atMs, tookMs: atMs - askedMs };
    this.#tell({ kind: "alive", box: this.box, coreUuid, atUs: askedAtUs });
    this.#heartbeat = clock.after(heartbeatEveryMs, () => void this.#beat(connection));
  }

  #onDown(reason: string, wasUp: boolean): void {
    this.#heartbeat?.cancel();
    // Whoever stops us knows that.
    const level = reason === stoppedReason || this.#stopping.signal.aborted ? "debug" : "warn";
    const message = wasUp ? "media server disconnected" : "cannot reach media server";
    this.#options.log[level]({ box: this.box, reason }, message);
    // The switch does not repeat what it said while nobody listened.
    const lost = new SautikitError("switch.unknown_outcome", `The media server was disconnected: ${reason}.`);
    for (const job of [...this.#jobs.values()]) job.settle(lost);
    if (!this.#connected) return;
    this.#connected = false;
    this.#tell({ kind: "disconnected", box: this.box, reason });
  }

  #onEvent(fields: Fields | undefined): void {
    if (fields === undefined) {
      this.counts.unreadable++;
      return;
    }
    if (fields("Event-Name") === "BACKGROUND_JOB") {
      this.#jobs.get(fields("Job-UUID") ?? "")?.settle((fields("_body") ?? "").trimEnd());
      return;
    }
    const test = this.#tests.get(fields("Unique-ID") ?? "");
    if (test !== undefined) {
      const outcome = fields("Event-Name") === "CHANNEL_HANGUP_COMPLETE" ? testOutcome(fields) : undefined;
      if (outcome !== undefined) test(outcome);
      return;
    }
    const device = deviceEvent(this.box, fields, this.#options.clock.nowMs());
    if (device !== undefined) {
      this.counts.delivered++;
      return this.#tell(device);
    }
    const decoded = decodeEvent(this.box, fields, this.#names);
    if (decoded.kind === "arrival") {
      const { arrival } = decoded;
      this.counts.delivered++;
      for (const listener of this.#arrivalListeners) this.#guard(() => listener(arrival));
      return;
    }
    if (decoded.kind !== "event") {
      this.counts[decoded.kind]++;
      return;
    }
    this.counts.delivered++;
    const { event } = decoded;
    if (event.kind === "parked" || event.kind === "hungUp")
      this.#parking.get(event.leg)?.(event.kind === "parked");
    for (const listener of this.#eventListeners) this.#guard(() => listener(event));
  }

  #tell(event: BoxEvent): void {
    for (const listener of this.#boxListeners) this.#guard(() => listener(event));
  }

  /** A listener's bug costs that listener that event, and not the connection that all the calls hang on. */
  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#options.log.error({ box: this.box, err: error }, "a listener failed");
    }
  }

  /** FreeSWITCH takes commands of anybody: that it is nobody else's turn is for us to know. */
  #mayCommand(): boolean {
    return this.#options.mayCommand?.() ?? true;
  }

  #unavailable(cause?: unknown): SautikitError {
    return new SautikitError("switch.unavailable", `The media server ${this.box} is not connected.`, {
      retryAfterSeconds: 5,
      cause,
    });
  }
}

function assertFile(file: string): void {
  if (!/^(\/[A-Za-z0-9_.-]+)+$/.test(file)) throw new RangeError("not a file of ours");
}

/** The limit is counted from a second that has begun, so that one more is asked for. */
function endsOf({ silenceMs, maxSeconds }: RecordingEnds): string[] {
  for (const value of [silenceMs, maxSeconds]) {
    if (!Number.isInteger(value) || value < 1)
      throw new RangeError("a recording's ends must be whole and positive");
  }
  const variables = [
    `RECORD_INITIAL_TIMEOUT_MS=${silenceMs}`,
    `RECORD_FINAL_TIMEOUT_MS=${silenceMs}`,
    `RECORD_SILENCE_THRESHOLD=${silenceThreshold}`,
  ];
  return [String(maxSeconds + 1), `{${variables.join(",")}}`];
}
