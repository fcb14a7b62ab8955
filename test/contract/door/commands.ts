/**
 * Every command that a controller has for the switch, written down a second time: what is fixed in it, and the holes, which
 * hold ids of ours, E.164 numbers, integers, causes and traces. Nothing here is taken from engine/switch/, whose work this judges.
 */
const ulid = "[0-7][0-9a-hjkmnp-tv-z]{25}";
const leg = `leg_${ulid}`;
/** A leg of ours is called by its id, a caller's as the switch does. */
const channel = `(?:${leg}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})`;
const call = `call_${ulid}`;
/** A customer may have chosen it, and of nothing else. */
const trace = "[0-9a-f]{32}";
const e164 = "\\+[1-9][0-9]{6,14}";
const seconds = "[0-9]{1,6}";
const ms = "[0-9]{1,9}";
/** Ringback and the beep. */
const tones = ["tone_stream://%(1000,4000,425);loops=-1", "tone_stream://%(300,0,1000)"];
const room = `conf_${ulid}`;
/** What is heard in a room by those who wait, and when somebody comes or goes. */
const waiting = escaped("tone_stream://v=-20;%(500,1500,350);loops=-1");
const enters = escaped("tone_stream://%(200,0,1000)");
const leaves = escaped("tone_stream://%(200,0,500)");
const member = `presence_data=${leg}`;
const group = `(?:cut|idle|ring)-${leg}(?:-[0-9]{1,6})?`;
const cause =
  "(?:NO_ANSWER|ALLOTTED_TIMEOUT|NORMAL_CLEARING|MANAGER_REQUEST|ORIGINATOR_CANCEL|NORMAL_TEMPORARY_FAILURE)";
/** What callers are refused with besides. */
const refusal = "(?:UNALLOCATED_NUMBER|SUBSCRIBER_ABSENT|CALL_REJECTED|USER_BUSY|DESTINATION_OUT_OF_ORDER)";
const kill = `\\+${seconds} ${group} uuid_kill ${channel} ${cause}`;
const core = "global_getvar core_uuid";

/** What matches nothing of it was not ours. `spool` is the folder of recordings and of media. */
export class KnownCommands {
  readonly #esl: RegExp[];
  readonly #apis: RegExp[];
  readonly #applications: RegExp[];

  constructor({ spool, password }: { spool: string; password: string }) {
    const recording = `${escaped(spool)}/recordings/rec_${ulid}\\.wav`;
    const media = `${escaped(spool)}/media/[0-9a-f]{64}\\.wav`;
    const token = "(?:\\{token=[a-z0-9_.:-]{1,80}\\})?";
    const played = `${token}(?:${media}|file_string://${media}(?:!${media})*|${tones.map(escaped).join("|")})`;
    const ends = `\\{RECORD_INITIAL_TIMEOUT_MS=${ms},RECORD_FINAL_TIMEOUT_MS=${ms},RECORD_SILENCE_THRESHOLD=100\\}`;
    const roomVariables =
      `hangup_after_conference=false conference_moh_sound=${waiting} conference_permanent_wait_mod_moh=true ` +
      `conference_enter_sound=(?:${enters})? conference_exit_sound=(?:${leaves})?`;
    const roomEntry = `${room}@room(?:\\+flags\\{(?:moderator|endconf|mute)(?:\\|(?:endconf|mute)){0,2}\\})?`;
    const roomThen = "(?:\\^sched_hangup:\\+31 ALLOTTED_TIMEOUT\\^park:)?";
    const heldBy = `(?:${waiting}|file_string://${media}(?:!${media})*!${waiting})`;
    const variables = [
      `origination_uuid=${leg}`,
      `presence_data=${leg}`,
      `sautikit_call=${call}`,
      `sautikit_trace=${trace}`,
      `origination_caller_id_number=${e164}`,
      `origination_caller_id_name=${e164}`,
      "rtp_disable_hold=true",
      "outbound_redirect_fatal=true",
      "playback_terminators=none",
      "RECORD_STEREO=true",
      "RECORD_MIN_SEC=0",
      "RECORD_PRE_BUFFER_FRAMES=1",
      "enable_file_write_buffering=false",
      `api_on_originate='sched_api ${kill}'`,
      `api_on_answer_cut='sched_api ${kill}'`,
      `api_on_answer_ring='sched_del ${group}'`,
      `api_hangup_hook='sched_del ${group}'`,
    ].join(",");
    const more = [
      `(?:,api_on_answer_disarm='sched_del ${group}')?`,
      `(?:,execute_on_answer='record_session ${recording}')?`,
      `(?:,execute_on_media=record_session::${recording})?`,
    ].join("");
    const branch = `\\[${variables}${more}\\]sofia/gateway/carrier/${e164}`;
    const originate =
      `originate \\{ignore_early_media=(?:true|false),originate_timeout=${seconds}\\}` +
      `${branch}(?:,${branch}){0,9} &(?:park\\(\\)|intercept\\(${channel}\\))`;
    const apis = [
      core,
      "version",
      "show channels as json",
      // Once, at the start.
      "sofia xmlstatus (?:gateway carrier|profile (?:edge|devices))",
      `uuid_dump ${channel} json`,
      `uuid_kill ${channel} (?:${cause}|${refusal})`,
      `uuid_break ${channel} all`,
      `uuid_record ${channel} (?:start|stop|mask|unmask) ${recording}`,
      `uuid_record ${channel} start ${recording} ${seconds} ${ends}`,
      `uuid_buglist ${channel}`,
      `uuid_setvar ${channel} park_after_bridge (?:true|false)`,
      `uuid_setvar ${channel} api_after_bridge sched_api ${kill}`,
      `uuid_setvar ${channel} api_hangup_hook sched_del ${group}`,
      `uuid_setvar ${channel} api_on_answer_cut sched_api ${kill}`,
      `uuid_setvar ${channel} api_on_answer_ring sched_del ${group}`,
      `uuid_setvar ${channel} execute_on_answer ?`,
      `uuid_setvar ${channel} presence_data ${leg}`,
      `uuid_setvar ${channel} sautikit_call ${call}`,
      `uuid_setvar ${channel} sautikit_trace ${trace}`,
      `uuid_setvar ${channel} process_cdr false`,
      `uuid_(?:answer|pre_answer|ring_ready) ${channel}`,
      `uuid_transfer ${channel} 'm:\\^:multiset:${roomVariables}\\^conference:${roomEntry}${roomThen}' inline`,
      `uuid_transfer ${channel} park: inline`,
      `conference ${room} (?:json_list compact|kick all|moh ${media}|play ${media}(?: ${member})?)`,
      `conference ${room} (?:(?:mute|unmute) ${member} quiet|(?:unhold|kick) ${member}|hold ${member} ${heldBy})`,
      `sched_api ${kill}`,
      `sched_del (?:${group}|${channel})`,
    ];
    const execute = [
      `sendmsg ${channel}`,
      "call-command: execute",
      "execute-app-name: playback",
      `execute-app-arg: ${played}`,
      "event-lock: true",
      "Event-UUID: (?:ringback|play:[a-z0-9_.:-]{1,80})",
    ].join("\n");
    const address = (end: string) => [`${end}-ip: [0-9]{1,3}(?:\\.[0-9]{1,3}){3}`, `${end}-port: [0-9]{1,5}`];
    const fork = [
      `sendmsg ${channel}`,
      "call-command: unicast",
      ...address("local"),
      ...address("remote"),
      "transport: udp",
    ].join("\n");
    const freshPark = [`sendmsg ${channel}`, "call-command: xferext", "application: park"].join("\n");
    this.#esl = [
      `auth ${escaped(password)}`,
      "event json [A-Z_ ]+ CUSTOM conference::maintenance sofia::register_attempt sofia::register sofia::unregister sofia::expire",
      ...apis.map((api) => `api ${api}`),
      `bgapi ${originate}\nJob-UUID: [0-9a-f]{32}`,
      ...[execute, fork, freshPark],
    ].map(whole);
    this.#apis = [originate, ...apis].map(whole);
    this.#applications = [
      `playback ${played}`,
      `record_session ${recording}`,
      `intercept ${channel}`,
      "park ?",
      // What the switch calls its own work in an intercept.
      `uuid_bridge ${channel}`,
      // The dialplan's own three, for what the carrier sends us.
      "multiset rtp_disable_hold=true playback_terminators=none RECORD_STEREO=true RECORD_MIN_SEC=0 " +
        "RECORD_PRE_BUFFER_FRAMES=1 enable_file_write_buffering=false",
      "sched_hangup \\+10 NORMAL_TEMPORARY_FAILURE",
      // A room's.
      `multiset ${roomVariables}`,
      `conference ${roomEntry}`,
      "sched_hangup \\+31 ALLOTTED_TIMEOUT",
    ].map(whole);
  }

  /** A command as it stood on the event socket. */
  onWire = (text: string): boolean => this.#esl.some((pattern) => pattern.test(text));

  /** An api with its argument, whoever had the switch run it. */
  api = (text: string): boolean => this.#apis.some((pattern) => pattern.test(text));

  /** An application with its argument, run on a channel. */
  application = (text: string): boolean => this.#applications.some((pattern) => pattern.test(text));

  /** Whom an `originate` on the wire dials: every branch of it. */
  dialled(text: string): string[] {
    if (!text.startsWith("bgapi originate ") || !this.onWire(text)) return [];
    return [...text.matchAll(/sofia\/gateway\/carrier\/(\+[0-9]+)/g)].flatMap(([, number]) => number ?? []);
  }
}

const whole = (pattern: string): RegExp => new RegExp(`^${pattern}$`);
function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
