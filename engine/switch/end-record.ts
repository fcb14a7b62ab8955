import { isId, type CallId, type LegId } from "../ids.ts";
import { objectFields } from "./codec.ts";
import { hungUp } from "./events.ts";
import type { HungUp } from "./switch.ts";

/** What the switch writes when a leg ends, with or without us (mod_json_cdr, one file a leg). */
export interface EndRecord extends HungUp {
  leg: LegId;
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

  const leg = [variable("uuid"), variable("presence_data")].find((id) => isId("leg", id));
  if (leg === undefined) return foreign("neither uuid nor presence_data is a leg");
  const facts = hungUp(variable);
  if (facts === undefined) return foreign("no start, end or cause");
  const call = variable("sautikit_call");
  return { ok: true, record: { leg, ...(isId("call", call) ? { call } : {}), ...facts } };
}

const foreign = (detail: string): EndRecordResult => ({ ok: false, problem: "foreign", detail });
