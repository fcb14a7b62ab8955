import { z } from "zod";
import type { JsonObject } from "../json.ts";
import { conference } from "./conference.ts";
import { dial } from "./dial.ts";
import { getDigits } from "./get-digits.ts";
import { hangup } from "./hangup.ts";
import { play } from "./play.ts";
import { record } from "./record.ts";
import { redirect } from "./redirect.ts";
import { reject } from "./reject.ts";
import { say } from "./say.ts";
import { sendDigits } from "./send-digits.ts";
import { stream } from "./stream.ts";
import type { DeviceUse, NumberUse, UrlUse, Verb } from "./verb.ts";
import { wait } from "./wait.ts";

/** Every verb there is. Adding one is its file and this line. */
export const verbs = {
  ...{ say, play, getDigits, dial, conference, record, redirect },
  ...{ reject, hangup, wait, sendDigits, stream },
};
export type VerbName = keyof typeof verbs;

/** One item: an object with exactly one verb. Checked by hand, since a union of schemas cannot say which verb was meant. */
const itemSchema = z.unknown().superRefine((item, context) => {
  const names = typeof item === "object" && item !== null && !Array.isArray(item) ? Object.keys(item) : [];
  const [name] = names;
  if (name === undefined || names.length > 1) {
    context.addIssue({ code: "custom", message: "must be an object with exactly one verb" });
    return;
  }
  if (!isVerb(name)) {
    const known = Object.keys(verbs).join(", ");
    context.addIssue({
      code: "unrecognized_keys",
      keys: [name],
      message: `is an unknown verb; known are ${known}`,
    });
    return;
  }
  const checked = verbs[name].schema.safeParse((item as Record<string, unknown>)[name]);
  for (const issue of checked.error?.issues ?? []) {
    context.addIssue({ ...issue, path: [name, ...issue.path] });
  }
});

/** A voice document, validated whole before any of it runs: 1 to 50 items of one verb each. */
export const documentSchema = z.array(itemSchema).min(1).max(50) as unknown as z.ZodType<Document>;

/** The same for the OpenAPI document, which can name the alternatives. */
export const documentItemSchemas = Object.values(verbs).map((verb) =>
  z.strictObject({ [verb.name]: verb.schema }).meta({ description: verb.meaning }),
);

const isVerb = (name: string): name is VerbName => Object.hasOwn(verbs, name);

export type Document = { [verb in VerbName]?: unknown }[];

/** Every number in a validated document, by its path: `[1].dial.number`. */
export const numbersIn = (document: Document): NumberUse[] =>
  usesIn(document, (verb, spec) => verb.numbers?.(spec));

/** Every device, or number's devices, in a validated document, by its path: `[1].dial.sip`. */
export const devicesIn = (document: Document): DeviceUse[] =>
  usesIn(document, (verb, spec) => verb.devices?.(spec));

/** Every WebSocket that a validated document opens, by its path: `[1].stream.url`. */
export const socketsIn = (document: Document): UrlUse[] =>
  usesIn(document, (verb, spec) => verb.sockets?.(spec));

/** Every URL in a validated document that is told of things, by its path. */
export const callbacksIn = (document: Document): UrlUse[] =>
  usesIn(document, (verb, spec) => verb.callbacks?.(spec));

/** Every URL of audio in a validated document, by its path: `[1].getDigits.nested[0].play.url`. */
export const mediaIn = (document: Document): UrlUse[] => usesIn(document, (verb, spec) => verb.media?.(spec));

function usesIn<Use extends { field: string }>(
  document: Document,
  usesOf: (verb: Verb<unknown, JsonObject>, spec: unknown) => Use[] | undefined,
): Use[] {
  return document.flatMap((item, index) => {
    const { verb, spec } = itemOf(item);
    const uses = usesOf(verb, spec) ?? [];
    return uses.map((use) => ({ ...use, field: `[${index}].${verb.name}.${use.field}` }));
  });
}

interface Item {
  verb: Verb<unknown, JsonObject>;
  spec: unknown;
}

/** The verb and the specification of one item of a validated document. */
export function itemOf(item: Document[number]): Item {
  const known = knownItem(item);
  if (known === null) throw new Error("A stored document has an item without a known verb.");
  return known;
}

/** The same of a stored one, which a newer version may have validated: null, its verb is unknown here. */
export function knownItem(item: Document[number]): Item | null {
  for (const name of Object.keys(verbs) as VerbName[]) {
    if (name in item) return { verb: verbs[name], spec: item[name] };
  }
  return null;
}
