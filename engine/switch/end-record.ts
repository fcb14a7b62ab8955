import { isId, type CallId, type LegId } from "../ids.ts";
import { isChannelUuid } from "./channel-names.ts";
import { objectFields } from "./codec.ts";
import { hungUp } from "./events.ts";
import type { HungUp } from "./switch.ts";

/** What the switch writes when a leg ends, with or without us (mod_json_cdr, one file a leg). */
export interface EndRecord extends HungUp {
  /** What the switch called it; the leg's id where we dialled it. */
  channel: string;
  /** Absent on a call that came to us and that nobody had taken in. */
  leg?: LegId;
  call?: CallId;
}

export type EndRecordResult =
  | { ok: true; record: EndRecord }
  /** `torn`: not written to its end, as when the switch is at it or its disk is full. `foreign`: no leg of ours. */
  | { ok: false; problem: "torn" | "foreign"; detail: string };

/** Reads the text of one record file. The file is created under its final name, so torn text is a normal sight. */
export function parseEndRecord(text: string): EndRecordResult {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return { ok: false, problem: "torn", detail: `${text.length} characters that are not JSON` };
  }
  const variable =
    typeof parsed === "object" && parsed !== null && "variables" in parsed
      ? objectFields(parsed.variables)
      : undefined;
  if (variable === undefined) return foreign("no variables");

  const channel = variable("uuid");
  const leg = [channel, variable("presence_data")].find((id) => isId("leg", id));
  const isCaller = variable("direction") === "inbound" && isChannelUuid(channel);
  if (channel === undefined || (leg === undefined && !isCaller))
    return foreign("no leg, and no caller's channel");
  const facts = hungUp(variable);
  if (facts === undefined) return foreign("no start, end or cause");
  const call = variable("sautikit_call");
  return {
    ok: true,
    record: {
      channel,
      ...(leg === undefined ? {} : { leg }),
      ...(isId("call", call) ? { call } : {}),
      ...facts,
    },
  };
}

const foreign = (detail: string): EndRecordResult => ({ ok: false, problem: "foreign", detail });
