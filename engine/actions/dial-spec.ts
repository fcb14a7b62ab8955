import { z } from "zod";
import type { DeviceTarget } from "../calls/command.ts";
import { parseSipUri, sipUriPattern, type SipUri } from "../sip/sip-uri.ts";
import { httpUrl } from "./http-url.ts";

export interface DialSpec {
  number?: string | undefined;
  numbers?: string[] | undefined;
  sip?: string | undefined;
  callerId?: string | undefined;
  timeout?: number | undefined;
  record?: boolean | "from-answer" | "from-ringing" | undefined;
  maxDuration?: number | undefined;
  hangupOnStar?: boolean | undefined;
  ringback?: string | undefined;
}

export const timeoutDefault = 30;

const e164 = z.string().regex(/^\+[1-9][0-9]{7,14}$/, "must be E.164: + and 8 to 15 digits");
const targetPattern = "sips?:(?:([a-z0-9]{1,64})|(\\+[1-9][0-9]{7,14}))(?:@[A-Za-z0-9.:[\\]-]{1,255})?";
const target = new RegExp(`^${targetPattern}$`);
const whom = "Exactly one of `number`, `numbers` and `sip` is given.";

/** What stands behind `dial` in a document. */
export const dialSchema: z.ZodType<DialSpec> = z
  .strictObject({
    number: e164
      .optional()
      .meta({ description: `Who is dialled, E.164. Its leg is billed as one of its own. ${whom}` }),
    numbers: z
      .array(e164)
      .min(1)
      .max(10)
      .optional()
      .meta({
        description:
          "Up to 10 numbers, each once, rung at once: the first to answer has the call, and the others are free. An " +
          "announcement before the answer is not heard then, since the first to play one would win.",
      }),
    sip: z
      .string()
      .regex(
        new RegExp(`^(?:${targetPattern}|${sipUriPattern})$`),
        "must be sip:<username> of a SIP credential, or sip:+<digits> of a number, of the workspace, or a SIP URI of its list",
      )
      .optional()
      .meta({
        description:
          "Registered devices, all rung at once: `sip:<username>` of one of the workspace's SIP credentials, or `sip:+254…`, one " +
          "of its numbers, with all of that number's. One of another workspace is refused. Where none is registered nobody is rung " +
          "(`dial.refused`, `sip.not_registered`). Or somebody at another's server: `sip:user@host[:port][;transport=udp|tcp|tls]`, " +
          "where `/v1/sip-destinations` has it; behind a credential or number any other domain is ignored.",
        examples: ["sip:k7w2mq9xh4td", "sip:reception@pbx.example.co.ke"],
      }),
    callerId: e164
      .optional()
      .meta({ description: "The number that is shown, one of the workspace. Default: the call's own." }),
    timeout: z
      .int()
      .min(5)
      .max(120)
      .optional()
      .meta({ description: `Seconds that it may ring. Default: ${timeoutDefault}.` }),
    record: z
      .union([z.boolean(), z.enum(["from-answer", "from-ringing"])])
      .optional()
      .meta({
        description:
          'Records the dialled leg; true is "from-answer". Of several only the one that answers is recorded, so that ' +
          '"from-ringing" goes with one number alone. Default: false.',
      }),
    maxDuration: z
      .int()
      .min(10)
      .max(14_400)
      .optional()
      .meta({
        description:
          "Seconds from the answer, held by the switch; a started second counts, and the end comes up to 1.3 s later, never " +
          "before. Default: the call's max_duration_seconds.",
      }),
    hangupOnStar: z
      .boolean()
      .optional()
      .meta({
        description:
          "The caller's `*` ends the dial, whether it rings or they talk, and the document goes on. The callee's does " +
          "nothing. Other digits are left for the next action. Default: false.",
      }),
    ringback: httpUrl.optional().meta({
      description:
        "A WAV or MP3 that the caller hears, over and over, in place of the ringing tone; the tone until it is fetched, and " +
        "where it cannot be had (`dial.ringback_failed`).",
    }),
  })
  .superRefine((spec, context) => {
    const refuse = (path: (string | number)[], message: string, code: string) =>
      context.addIssue({ code: "custom", path, message, params: { code } });
    const given = (["number", "numbers", "sip"] as const).filter((key) => spec[key] !== undefined);
    const [first, second] = given;
    if (first === undefined) refuse([], "must have one of number, numbers and sip", "required");
    else if (second !== undefined) refuse([second], `cannot stand beside ${first}`, "exclusive");
    for (const [index, number] of (spec.numbers ?? []).entries()) {
      if (spec.numbers?.indexOf(number) !== index)
        refuse(["numbers", index], "stands in the list twice", "duplicate");
    }
    if (spec.sip !== undefined && devicesOf(spec) === null && uriOf(spec) === null)
      refuse(["sip"], "has a host or a port that there is not", "host");
    if (spec.record === "from-ringing" && (spec.numbers?.length ?? 0) > 1) {
      refuse(["record"], "of several only the one that answers is recorded: from-answer", "value");
    }
  });

/** The devices that `sip` names. */
export function devicesOf({ sip }: DialSpec): DeviceTarget | null {
  const [, login, number] = (sip === undefined ? null : target.exec(sip)) ?? [];
  if (login !== undefined) return { login };
  return number === undefined ? null : { number };
}

/** The URI that `sip` is, should the workspace's list have it. */
export const uriOf = ({ sip }: DialSpec): SipUri | null => (sip === undefined ? null : parseSipUri(sip));

/** What they are called in legs and events. */
export const nameOf = (devices: DeviceTarget): string =>
  "login" in devices ? `sip:${devices.login}` : devices.number;

/** Everybody whom it rings. */
export const numbersOf = ({ number, numbers = [] }: DialSpec): string[] =>
  number === undefined ? numbers : [number];
