import type { Channel } from "./channel.ts";
import type { Core } from "./core.ts";

/**
 * `execute_on_answer`, `execute_on_answer_2`, `api_on_media`, …: every variable whose name begins so, in the order in
 * which they were set. Applications run before this returns, or (`name::argument`) once the channel comes to it; APIs
 * are started in order and answer to nobody.
 */
export function runExecuteHooks(channel: Channel, moment: "ring" | "media" | "answer"): void {
  for (const value of valuesOf(channel, `execute_on_${moment}`)) {
    const [name, argument] = splitOnce(value, /[ :]/);
    if (argument.startsWith(":") && value[name.length] === ":")
      channel.applications.queue(name, argument.slice(1));
    else channel.applications.runNow(name, argument);
  }
}

export function runApiHooks(core: Core, channel: Channel, prefix: string): void {
  for (const value of valuesOf(channel, prefix)) void core.api(value);
}

const valuesOf = (channel: Channel, prefix: string): string[] =>
  [...channel.variables].filter(([name]) => name.startsWith(prefix)).map(([, value]) => value);

/** The text before the first match of `separator`, and what follows it. */
export function splitOnce(text: string, separator: RegExp): [string, string] {
  const at = text.search(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
