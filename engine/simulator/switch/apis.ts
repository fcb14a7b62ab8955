import type { Api } from "./api.ts";
import { channelApis } from "./channel-apis.ts";
import type { ChannelListing } from "./channel-listing.ts";
import { causeNamed } from "./causes.ts";
import { conferenceApi } from "./conference.ts";
import { hangUp } from "./hang-up.ts";
import { newUuid, type Core } from "./core.ts";
import { splitOnce } from "./hooks.ts";
import { originate } from "./originate.ts";
import { scheduleApis } from "./schedule-apis.ts";
import { sofia } from "./sofia.ts";

/** Anybody who asks must see that this is no FreeSWITCH. */
const version = "Sautikit simulator 0.1 (speaks as FreeSWITCH 1.11.1)";

const showUsage =
  "-USAGE: codec|endpoint|application|api|dialplan|file|timer|calls [count]|channels [count|like <match string>]|calls|detailed_calls|bridged_calls|detailed_bridged_calls|aliases|complete|chat|management|modules|nat_map|say|interfaces|interface_types|tasks|limits|status\n";

/** Every API command of the simulated switch. */
export const apisOf = (listing: ChannelListing): Readonly<Record<string, Api>> => ({
  ...channelApis,
  ...scheduleApis,
  originate,
  conference: conferenceApi,
  version: (_core, argument) => (argument === "short" ? version : `${version}\n`),
  status: (core) => status(core),
  uptime: (core) => `${upSeconds(core)}\n`,
  create_uuid: (core) => newUuid(core.ids),
  echo: (_core, argument) => argument,
  strepoch: (core) => String(Math.floor(core.clock.nowMs() / 1000)),
  global_getvar: (core, name) => globalVariable(core, name),
  reloadxml: (core) => {
    core.devices?.registrar.directory.reload();
    core.gateways.reload();
    return "+OK [Success]\n";
  },
  reloadacl: (core) => {
    core.gateways.reloadAddresses();
    return "+OK acl reloaded\n";
  },
  sofia,
  hupall: (core, argument) => {
    const [word = "", variable, value] = argument.split(" ");
    const cause = word === "" ? "MANAGER_REQUEST" : causeNamed(word);
    const matching = variable !== undefined && value !== undefined;
    for (const channel of core.channels.values()) {
      if (!matching || channel.variables.get(variable) === value) hangUp(core, channel, cause);
    }
    const which = matching ? `matching [${variable}]=[${value}] with cause: ` : "with cause ";
    return `+OK hangup all channels ${which}${cause}\n`;
  },
  show: (_core, argument) => {
    const [what, ...words] = argument.split(" ");
    return what === "channels" ? listing.show(words) : showUsage;
  },
});

export async function runApi(core: Core, apis: Readonly<Record<string, Api>>, line: string): Promise<string> {
  const [name, rest] = splitOnce(line.trim(), / /);
  const argument = rest.trim();
  core.events.publish("API", [
    ["API-Command", name],
    ...(argument === "" ? [] : [["API-Command-Argument", argument] satisfies [string, string]]),
  ]);
  const api = Object.hasOwn(apis, name) ? apis[name] : undefined;
  return api === undefined ? `-ERR ${name} Command not found!\n` : await api(core, argument);
}

function globalVariable(core: Core, name: string): string {
  if (name === "core_uuid") return core.events.coreUuid;
  if (name === "devices_media_timeout") return String(core.devices?.mediaTimeoutS ?? "");
  return name === "sip_domain" ? (core.devices?.registrar.realm ?? "sautikit.invalid") : "";
}

const upSeconds = (core: Core): number => Math.floor((core.clock.nowMs() - core.startedAtMs) / 1000);

function status(core: Core): string {
  const seconds = upSeconds(core);
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  return (
    `UP 0 years, ${days} days, ${hours} hours, ${minutes} minutes, ${seconds % 60} seconds, 0 milliseconds, 0 microseconds\n` +
    `${version} is ready\n${core.channels.size} session(s)\n`
  );
}
