import { stateNumbers, type Channel } from "./channel.ts";

type Header = [string, string];

/** What every event of a channel says of it; with `variables` also each of its variables. */
export function channelHeaders(channel: Channel, options: { variables: boolean }): Header[] {
  return [
    ...stateHeaders(channel),
    ...codecHeaders(channel),
    ...partyHeaders("Caller", channel),
    ...(channel.otherLeg === null
      ? []
      : [
          ["Other-Type", channel.otherLegRole] satisfies Header,
          ...partyHeaders("Other-Leg", channel.otherLeg),
        ]),
    ...(options.variables ? variableHeaders(channel) : []),
  ];
}

export const variableHeaders = (channel: Channel): Header[] =>
  [...channel.variables].map(([name, value]) => [`variable_${name}`, value]);

function stateHeaders(channel: Channel): Header[] {
  // A channel told to hang up shows its old state by name and the new one by number until its thread takes note.
  const number =
    channel.cause === null ? stateNumbers[channel.state] : Math.max(stateNumbers[channel.state], 10);
  const presence = channel.variables.get("presence_data");
  return [
    ["Channel-State", channel.state],
    ["Channel-Call-State", channel.callState],
    ["Channel-State-Number", String(number)],
    ["Channel-Name", channel.name],
    ["Unique-ID", channel.uuid],
    ["Call-Direction", channel.direction],
    ["Presence-Call-Direction", channel.direction],
    ["Channel-HIT-Dialplan", String(channel.direction === "inbound" || channel.state !== "CS_INIT")],
    ...(presence === undefined ? [] : [["Channel-Presence-Data", presence] satisfies Header]),
    ["Channel-Call-UUID", channel.uuid],
    ["Answer-State", channel.answerState],
    ...(channel.cause === null ? [] : [["Hangup-Cause", channel.cause] satisfies Header]),
  ];
}

function codecHeaders(channel: Channel): Header[] {
  // A caller's codecs are known from the INVITE.
  if (!channel.media.attached && channel.incoming === null) return [];
  return ["Read", "Write"].flatMap((way): Header[] => [
    [`Channel-${way}-Codec-Name`, "PCMU"],
    [`Channel-${way}-Codec-Rate`, "8000"],
    [`Channel-${way}-Codec-Bit-Rate`, "64000"],
  ]);
}

function partyHeaders(prefix: "Caller" | "Other-Leg", channel: Channel): Header[] {
  const { stamps } = channel;
  return [
    [`${prefix}-Direction`, channel.direction],
    [`${prefix}-Logical-Direction`, channel.direction],
    ...(channel.direction === "inbound"
      ? ([
          [`${prefix}-Username`, channel.callerNumber],
          [`${prefix}-Dialplan`, "XML"],
        ] satisfies Header[])
      : []),
    ...optional(`${prefix}-Caller-ID-Name`, channel.callerName),
    [`${prefix}-Caller-ID-Number`, channel.callerNumber],
    ...optional(`${prefix}-Orig-Caller-ID-Name`, channel.callerName),
    [`${prefix}-Orig-Caller-ID-Number`, channel.callerNumber],
    ...(channel.direction === "outbound"
      ? ([
          [`${prefix}-Callee-ID-Name`, "Outbound Call"],
          [`${prefix}-Callee-ID-Number`, channel.destination],
        ] satisfies Header[])
      : []),
    ...optional(`${prefix}-Network-Addr`, channel.networkAddress),
    [`${prefix}-ANI`, channel.callerNumber],
    [`${prefix}-Destination-Number`, channel.destination],
    [`${prefix}-Unique-ID`, channel.uuid],
    [`${prefix}-Source`, channel.direction === "outbound" ? "src/switch_ivr_originate.c" : "mod_sofia"],
    [`${prefix}-Context`, channel.context],
    [`${prefix}-Channel-Name`, channel.name],
    [`${prefix}-Profile-Index`, "1"],
    [`${prefix}-Profile-Created-Time`, String(stamps.createdUs)],
    [`${prefix}-Channel-Created-Time`, String(stamps.createdUs)],
    [`${prefix}-Channel-Answered-Time`, String(stamps.answeredUs)],
    [`${prefix}-Channel-Progress-Time`, String(stamps.progressUs)],
    [`${prefix}-Channel-Progress-Media-Time`, String(stamps.progressMediaUs)],
    [`${prefix}-Channel-Hangup-Time`, String(stamps.hangupUs)],
    [`${prefix}-Channel-Transfer-Time`, "0"],
    [`${prefix}-Channel-Resurrect-Time`, "0"],
    [`${prefix}-Channel-Bridged-Time`, String(stamps.bridgedUs)],
    [`${prefix}-Channel-Last-Hold`, "0"],
    [`${prefix}-Channel-Hold-Accum`, "0"],
    [`${prefix}-Screen-Bit`, "true"],
    [`${prefix}-Privacy-Hide-Name`, String(channel.hidesNumber)],
    [`${prefix}-Privacy-Hide-Number`, String(channel.hidesNumber)],
  ];
}

const optional = (name: string, value: string): Header[] => (value === "" ? [] : [[name, value]]);
