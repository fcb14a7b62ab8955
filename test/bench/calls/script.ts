import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { commandIn, eventIn, type Passing } from "../../peers/esl-proxy.ts";

/** When in a call's life a command is sent. */
export const moments = ["placed", "answered", "bridged"] as const;
export type Moment = (typeof moments)[number];

/** The commands of one call as a client sent them, with places where its ids go. */
export type CallScript = Record<Moment, string[]>;

const idPattern = /(?:call|leg|rec)_[0-9a-z]{26}/g;
const jobPattern = /^Job-UUID: .*$/m;

/** What passed the proxy of one call that was alone. Its first leg is `<leg 0>`, its job ids are `<job>`. */
export function scriptOf(passed: readonly Passing[]): CallScript {
  const script: CallScript = { placed: [], answered: [], bridged: [] };
  const places = new Map<string, string>();
  let moment: Moment = "placed";
  for (const one of passed) {
    const event = eventIn(one);
    const name = event?.["Event-Name"];
    if (name === "CHANNEL_ANSWER" && places.get(event?.["Unique-ID"] ?? "") === "<leg 0>")
      moment = "answered";
    if (name === "CHANNEL_BRIDGE") moment = "bridged";
    const command = commandIn(one);
    if (command !== null && !command.startsWith("api global_getvar")) {
      const text = command.replace(idPattern, (id) => {
        const kind = id.slice(0, id.indexOf("_"));
        const known = [...places.values()].filter((place) => place.startsWith(`<${kind} `)).length;
        const place = places.get(id) ?? `<${kind} ${known}>`;
        places.set(id, place);
        return place;
      });
      script[moment].push(text.replace(jobPattern, "Job-UUID: <job>"));
    }
  }
  return script;
}

/** The shortest of what was seen, the hardest to keep up with, and the share of the calls that had it. */
export function shortest(scripts: readonly CallScript[]): { script: CallScript; share: number } {
  const [best] = scripts.toSorted((a, b) => lengthOf(a) - lengthOf(b));
  assert.ok(best, "no call was seen");
  const same = scripts.filter((script) => JSON.stringify(script) === JSON.stringify(best));
  return { script: best, share: same.length / scripts.length };
}

export const lengthOf = (script: CallScript): number => moments.flatMap((moment) => script[moment]).length;

/** The least that joins two legs: no timers, no ringback, no variables but the ids. */
export function plainPair(script: CallScript): CallScript {
  const bare = (text: string | undefined) => {
    assert.ok(text);
    return text
      .replace(/\{.*?\}/, "{ignore_early_media=true}")
      .replace(/\[.*?\]/, (list) => `[${/origination_uuid=[^,]*/.exec(list)?.[0] ?? ""}]`);
  };
  const kill = script.bridged[0];
  assert.ok(kill);
  return { placed: [bare(script.placed[0])], answered: [bare(script.answered.at(-1))], bridged: [kill] };
}

let made = 0;
/** Ids as long as the product's, so that a command is as long. */
const newId = (kind: string) => `${kind}_0${(++made).toString(32).padStart(5, "0")}${"0".repeat(20)}`;

/** One call's commands, with ids of its own. */
export function commandsOf(script: CallScript): { commands: CallScript; legs: [string, string] } {
  const ids = new Map<string, string>();
  const idAt = (place: string) => {
    const id = ids.get(place) ?? newId(place.slice(1, place.indexOf(" ")));
    ids.set(place, id);
    return id;
  };
  const fill = (text: string) =>
    text.replace(/<(?:call|leg|rec) \d>/g, idAt).replace("<job>", () => randomBytes(16).toString("hex"));
  const commands: CallScript = { placed: [], answered: [], bridged: [] };
  for (const moment of moments) commands[moment] = script[moment].map(fill);
  return { commands, legs: [idAt("<leg 0>"), idAt("<leg 1>")] };
}
