import { scheduleHangUp } from "./applications.ts";
import type { Api } from "./api.ts";
import { causeNamed } from "./causes.ts";
import { liveChannel } from "./core.ts";

const schedApiUsage = "-ERR Invalid syntax. USAGE: [+@]<time> <group_name> <command_string>[&]\n";

/** The three commands of the scheduler. A group is only a name; a channel's own tasks stand under its uuid. */
export const scheduleApis: Readonly<Record<string, Api>> = {
  sched_api: (core, argument) => {
    const match = /^(\S+)\s+(\S+)\s+(\S.*)$/s.exec(argument);
    if (match === null) return schedApiUsage;
    const [, when = "", group = "", command = ""] = match;
    const id = core.scheduler.add(when, group, "sched_api_function", () => void core.api(command));
    return `+OK Added: ${id}\n`;
  },
  sched_hangup: (core, argument) => {
    const [when, uuid, cause] = argument.split(" ");
    if (when === undefined || when === "") return "-USAGE: [+]<time> <uuid> [<cause>]\n";
    const channel = liveChannel(core, uuid);
    if (channel === null) return "-ERR No such channel!\n";
    scheduleHangUp(core, channel, when, causeNamed(cause));
    return "+OK\n";
  },
  sched_del: (core, group) => `+OK Deleted: ${core.scheduler.deleteGroup(group)}\n`,
};
