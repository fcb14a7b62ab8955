import { startPark, unpark } from "./parking.ts";
import type { Channel } from "./channel.ts";
import type { Core } from "./core.ts";
import { hangUp } from "./hang-up.ts";
import { splitOnce } from "./hooks.ts";

/**
 * `uuid_transfer … 'm:^:app:argument^app:argument' inline`: the leg leaves what it is in and runs these, one after
 * another. Behind the last it hangs up.
 */
export function transferInline(core: Core, channel: Channel, destination: string): void {
  const [, delimiter = ",", list = destination] = /^m:(.):(.*)$/s.exec(destination) ?? [];
  const plan = {};
  channel.plan = plan;
  channel.applications.end("bridge");
  unpark(core, channel);
  const steps = list.split(delimiter).map((step) => splitOnce(step, /:/));
  const next = (): void => {
    if (channel.plan !== plan || channel.cause !== null) return;
    const step = steps.shift();
    if (step === undefined) return hangUp(core, channel, "NORMAL_CLEARING");
    const [name, argument] = step;
    if (name === "park") return startPark(core, channel);
    channel.applications.runNow(name, argument, next);
  };
  next();
}
