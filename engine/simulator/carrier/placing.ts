import { z } from "zod";
import type { Placing } from "./callers.ts";

/** A number, or a name such as `anonymous`; nothing that would need care in a SIP header. */
const party = z
  .string()
  .regex(/^[+0-9A-Za-z._-]{1,64}$/, "must be a number or a name, up to 64 of + 0-9 A-Z a-z . _ -");
const ms = z.int().min(0).max(3_600_000);

const schema = z.strictObject({
  from: party,
  to: party,
  privacy: z.enum(["id", "user", "header"]).nullable().default(null),
  switch: z
    .string()
    .regex(/^[0-9A-Za-z.-]+:[0-9]{1,5}$/, "must be host:port")
    .optional(),
  tone_hz: z.int().min(50).max(3500).nullable().default(440),
  digits: z
    .string()
    .regex(/^[0-9*#]{0,64}$/, "must be up to 64 of 0-9 * #")
    .default(""),
  digits_after_ms: ms.default(500),
  hang_up_after_ms: ms.nullable().default(null),
  give_up_after_ms: ms.nullable().default(null),
});

/** Reads the body of `POST /calls`. Throws an Error that says what is wrong with it. */
export function readPlacing(text: string, switchDefault: string | null): Placing {
  const read = schema.safeParse(parsed(text));
  if (!read.success) throw new Error(z.prettifyError(read.error));
  const asked = read.data;
  const at = asked.switch ?? switchDefault;
  if (at === null) throw new Error("switch: which one is to be called, host:port");
  return {
    ...{ from: asked.from, to: asked.to, privacy: asked.privacy, toneHz: asked.tone_hz },
    ...{ digits: asked.digits, digitsAfterMs: asked.digits_after_ms },
    ...{ hangUpAfterMs: asked.hang_up_after_ms, giveUpAfterMs: asked.give_up_after_ms },
    switch: addressOf(at),
  };
}

function addressOf(text: string): { host: string; port: number } {
  const [host = "", port = ""] = text.split(":");
  if (Number(port) < 1 || Number(port) > 65_535) throw new Error("switch: a port is 1 to 65535");
  return { host, port: Number(port) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("the body is not JSON");
  }
}
