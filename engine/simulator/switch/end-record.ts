import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stateNumbers, type Channel } from "./channel.ts";
import { q850Of } from "./causes.ts";
import type { Core } from "./core.ts";
import { localStamp } from "./event-bus.ts";

/** The variables that a channel gets at its end: causes, stamps in three spellings, durations in three units. */
export function reportVariables(channel: Channel): void {
  const { stamps, variables } = channel;
  const cause = channel.cause ?? "NORMAL_CLEARING";
  variables.set("hangup_cause", cause);
  variables.set("hangup_cause_q850", String(q850Of(cause)));
  if (!variables.has("digits_dialed")) variables.set("digits_dialed", "none");
  const moments: [string, number][] = [
    ["start", stamps.createdUs],
    ["profile_start", stamps.createdUs],
    ["answer", stamps.answeredUs],
    ["bridge", stamps.bridgedUs],
    ["progress", stamps.progressUs],
    ["progress_media", stamps.progressMediaUs],
    ["end", stamps.hangupUs],
  ];
  for (const [name, us] of moments) {
    if (us > 0) variables.set(`${name}_stamp`, localStamp(us));
    variables.set(`${name}_epoch`, String(Math.floor(us / 1_000_000)));
    variables.set(`${name}_uepoch`, String(us));
  }
  const spans: [string, number][] = [
    ["duration", stamps.hangupUs - stamps.createdUs],
    ["bill", stamps.answeredUs > 0 ? stamps.hangupUs - stamps.answeredUs : 0],
    ["progress", stamps.progressUs > 0 ? stamps.progressUs - stamps.createdUs : 0],
    ["answer", stamps.answeredUs > 0 ? stamps.answeredUs - stamps.createdUs : 0],
    ["wait", stamps.bridgedUs > 0 ? stamps.bridgedUs - stamps.createdUs : 0],
    ["progress_media", stamps.progressMediaUs > 0 ? stamps.progressMediaUs - stamps.createdUs : 0],
  ];
  for (const [name, us] of spans) {
    // FreeSWITCH's own billsec and duration are differences of truncated seconds, up to one off. So are these.
    const seconds =
      name === "duration" || name === "bill" ? truncatedSeconds(channel, name) : Math.floor(us / 1_000_000);
    variables.set(name === "duration" ? "duration" : `${name}sec`, String(seconds));
    variables.set(name === "duration" ? "mduration" : `${name}msec`, String(Math.floor(us / 1000)));
    variables.set(name === "duration" ? "uduration" : `${name}usec`, String(us));
  }
  qualityVariables(channel);
}

function truncatedSeconds(channel: Channel, span: "duration" | "bill"): number {
  const { createdUs, answeredUs, hangupUs } = channel.stamps;
  if (span === "bill" && answeredUs === 0) return 0;
  const fromUs = span === "bill" ? answeredUs : createdUs;
  return Math.floor(hangupUs / 1_000_000) - Math.floor(fromUs / 1_000_000);
}

function qualityVariables(channel: Channel): void {
  const { stats } = channel.media;
  if (stats === null) return;
  const { packetsReceived, packetsLost } = stats;
  // The real switch's arithmetic, but for its penalty for losses in a row.
  const lossRate = packetsReceived === 0 ? 0 : packetsLost / packetsReceived;
  const r = Math.max(0, Math.floor(100 * (1 - lossRate)));
  const mos = 1 + 0.035 * r + 0.000007 * r * (r - 60) * (100 - r);
  const variance = (stats.jitterMs ** 2).toFixed(2);
  const facts: [string, string][] = [
    ["rtp_audio_in_media_packet_count", String(packetsReceived)],
    ["rtp_audio_in_packet_count", String(packetsReceived)],
    ["rtp_audio_in_skip_packet_count", String(packetsLost)],
    ["rtp_audio_in_flaw_total", String(packetsLost)],
    ["rtp_audio_in_jitter_min_variance", variance],
    ["rtp_audio_in_jitter_max_variance", variance],
    ["rtp_audio_in_jitter_loss_rate", lossRate.toFixed(2)],
    ["rtp_audio_in_quality_percentage", r.toFixed(2)],
    ["rtp_audio_in_mos", mos.toFixed(2)],
    ["rtp_audio_out_media_packet_count", String(stats.packetsSent)],
    ["rtp_audio_out_packet_count", String(stats.packetsSent)],
  ];
  for (const [name, value] of facts) channel.variables.set(name, value);
}

/** One file a leg, as mod_json_cdr writes it: made under its final name, the text, then a newline, then closed. */
export function writeEndRecord(core: Core, channel: Channel): void {
  if (channel.variables.get("process_cdr") === "false") return;
  const path = join(core.cdrDir, `${channel.uuid}.cdr.json`);
  try {
    mkdirSync(core.cdrDir, { recursive: true });
    writeFileSync(path, JSON.stringify(endRecord(core, channel)));
    appendFileSync(path, "\n");
  } catch (error) {
    // The real switch also loses the record of a full disk with no more than a log line.
    console.error(`end-of-leg record ${path} lost:`, error);
  }
}

function endRecord(core: Core, channel: Channel) {
  const { stamps } = channel;
  return {
    "core-uuid": core.events.coreUuid,
    switchname: "simulator",
    channel_data: {
      state: channel.state,
      direction: channel.direction,
      state_number: String(stateNumbers[channel.state]),
    },
    variables: Object.fromEntries(channel.variables),
    callflow: [
      {
        dialplan: channel.direction === "inbound" ? "XML" : "",
        profile_index: "1",
        caller_profile: {
          caller_id_name: channel.callerName,
          caller_id_number: channel.callerNumber,
          network_addr: channel.networkAddress,
          destination_number: channel.destination,
          uuid: channel.uuid,
          context: channel.context,
          chan_name: channel.name,
        },
        times: {
          created_time: String(stamps.createdUs),
          profile_created_time: String(stamps.createdUs),
          progress_time: String(stamps.progressUs),
          progress_media_time: String(stamps.progressMediaUs),
          answered_time: String(stamps.answeredUs),
          bridged_time: String(stamps.bridgedUs),
          last_hold_time: "0",
          hold_accum_time: "0",
          hangup_time: String(stamps.hangupUs),
          resurrect_time: "0",
          transfer_time: "0",
        },
      },
    ],
  };
}
