import type { IncomingSipCall } from "../sip/call.ts";
import { ApplicationRunner } from "./application-runner.ts";
import { startPark } from "./parking.ts";
import { create, follow } from "./channel-life.ts";
import { Channel } from "./channel.ts";
import { newUuid, type Core } from "./core.ts";
import type { DirectoryUser } from "./directory.ts";
import { tickUs } from "./event-bus.ts";
import { MediaPort } from "./media-port.ts";

/** What the dialplan of freeswitch-conf/ sets on every call that comes in; for devices what those need besides. */
const dialplanVariables = [
  ["rtp_disable_hold", "true"],
  ["playback_terminators", "none"],
  ["RECORD_STEREO", "true"],
  ["RECORD_MIN_SEC", "0"],
  ["RECORD_PRE_BUFFER_FRAMES", "1"],
  ["enable_file_write_buffering", "false"],
] as const;
const devicesVariables = (core: Core) =>
  [
    ["sip_sticky_contact", "true"],
    ["media_timeout", `${core.devices?.mediaTimeoutS ?? 0}000`],
  ] as const;
/** Every INVITE is parked unanswered, and ends by itself unless somebody adopts it (`sched_del <uuid>`) in time. */
const adoptionSeconds = 10;

/** `device`: whose login it came with; null: it came to the profile that faces the carrier. */
export function acceptInbound(core: Core, call: IncomingSipCall, device: DirectoryUser | null): void {
  const uuid = newUuid(core.ids);
  const name = `sofia/${device === null ? "edge" : "devices"}/${call.fromUser}@${call.fromHost}`;
  const caller = userOf(call.headers["p-asserted-identity"] ?? "") || call.fromUser;
  const privacy = call.headers["privacy"];
  const channel = new Channel({
    uuid,
    direction: "inbound",
    name,
    destination: call.toUser,
    callerName: caller,
    callerNumber: caller,
    hidesNumber: /\bid\b/.test(privacy ?? ""),
    networkAddress: call.source.host,
    context: device === null ? "public" : "devices",
    createdUs: tickUs(core.clock),
    media: new MediaPort(),
    applications: (owner) => new ApplicationRunner(core, owner),
  });
  for (const [variable, value] of [
    ["direction", "inbound"],
    ["uuid", uuid],
    ["call_uuid", uuid],
    ["channel_name", name],
    ["sip_from_user", call.fromUser],
    ["sip_from_host", call.fromHost],
    ["sip_to_user", call.toUser],
    ["sip_req_user", call.toUser],
    ["endpoint_disposition", "RECEIVED"],
  ] as const) {
    channel.variables.set(variable, value);
  }
  if (privacy !== undefined) channel.variables.set("sip_Privacy", privacy);
  for (const [variable, value] of device?.variables ?? []) channel.variables.set(variable, value);
  for (const [header, value] of Object.entries(call.headers)) {
    if (/^x-/i.test(header)) channel.variables.set(`sip_h_${capitalised(header)}`, value);
  }
  channel.incoming = call;
  create(core, channel);
  follow(core, channel, call);
  channel.callState = "RINGING";
  channel.state = "CS_EXECUTE";
  channel.applications.runNow(
    "multiset",
    [...dialplanVariables, ...(device === null ? [] : devicesVariables(core))]
      .map(([key, value]) => `${key}=${value}`)
      .join(" "),
  );
  channel.applications.runNow("sched_hangup", `+${adoptionSeconds} NORMAL_TEMPORARY_FAILURE`);
  startPark(core, channel);
}

/** Of `<sip:user@host>`. */
const userOf = (address: string): string => /sips?:([^@;>]*)@/.exec(address)?.[1] ?? "";

/** `x-sautikit-ticket` as it is usually written, and as FreeSWITCH then names the variable: `X-Sautikit-Ticket`. */
const capitalised = (header: string): string => header.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase());
