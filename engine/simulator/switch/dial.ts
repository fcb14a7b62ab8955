import type { Login } from "../sip/digest.ts";
import type { Law } from "../sip/sdp.ts";
import type { Core, Target } from "./core.ts";
import { readVariables, separate } from "./separate.ts";

/** What an originate's arguments say. */
export interface Dial extends Target {
  application: { name: string; argument: string } | null;
  timeoutSeconds: number | null;
}

/** FreeSWITCH's own default, in seconds. */
export const originateTimeoutDefault = 60;

/** Null: fewer words than two (usage). `"broken"`: a bracket without its end. */
export function readDial(argument: string): Dial | "broken" | null {
  const words = separate(argument, " ");
  const [target, then, , , , , timeout] = words;
  if (target === undefined || then === undefined) return null;
  const dialled = readTarget(target);
  if (dialled === null) return "broken";
  const application = /^&([^(]+)(?:\((.*)\))?$/.exec(then);
  return {
    ...dialled,
    application: application === null ? null : { name: application[1] ?? "", argument: application[2] ?? "" },
    timeoutSeconds: timeout === undefined ? null : Number.parseInt(timeout, 10),
  };
}

/** `{…}[…]somebody,[…]another`. Null: a bracket without its end. */
export function readTarget(target: string): Target | null {
  const head = readVariables(target, "{}");
  if (head === null) return null;
  const branches = [];
  for (const text of branchTexts(head.rest)) {
    const branch = readVariables(text, "[]");
    if (branch === null) return null;
    branches.push({ variables: branch.variables, destination: branch.rest });
  }
  return { variables: head.variables, branches };
}

/** Branches are separated by commas that stand outside of square brackets. */
function branchTexts(text: string): string[] {
  const branches: string[] = [];
  let depth = 0;
  let from = 0;
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index];
    if (char === "\\") index += 1;
    else if (char === "[") depth += 1;
    else if (char === "]") depth -= 1;
    else if (char === "," && depth === 0) {
      branches.push(text.slice(from, index));
      from = index + 1;
    }
  }
  return [...branches, text.slice(from)];
}

export interface Route {
  user: string;
  host: string;
  port: number;
  name: string;
  gateway: string | null;
  /** What is called, where that is not the address: a binding on the profile for devices, a trunk over the edge. */
  uri?: string;
  login?: Login;
  laws?: readonly Law[];
}

/** Where a branch goes, or the cause for which it goes nowhere. */
export function route(core: Core, destination: string): Route | { cause: string } {
  const [endpoint, profile = "", ...rest] = destination.split("/");
  if (endpoint === "user") return { cause: "SUBSCRIBER_ABSENT" };
  if (endpoint !== "sofia") return { cause: "CHAN_NOT_IMPLEMENTED" };
  if (profile === "gateway") {
    const [gateway = "", user = ""] = rest;
    const to = core.gateways.get(gateway);
    if ("cause" in to) return to;
    const { host, port, over, login, laws } = to;
    const at = over === undefined ? { host, port } : { ...over, uri: `sip:${user}@${host}:${port}` };
    return {
      user,
      ...at,
      name: `sofia/external/${user}`,
      gateway,
      ...(login && { login }),
      ...(laws && { laws }),
    };
  }
  if (profile === "devices") return routeToDevice(core, rest.join("/"));
  const address = /^([^@]+)@([^:]+)(?::(\d+))?$/.exec(rest.join("/"));
  if (address === null) return { cause: "DESTINATION_OUT_OF_ORDER" };
  const [, user = "", host = "", port = "5060"] = address;
  return { user, host, port: Number(port), name: `sofia/${profile}/${user}@${host}`, gateway: null };
}

/** To the address in `fs_path`, which is not a part of what is called there. */
function routeToDevice(core: Core, destination: string): Route | { cause: string } {
  if (core.devices === null) return { cause: "INVALID_PROFILE" };
  const [uri = "", ...added] = destination.split(/;(?=fs_)/);
  const path = added.find((one) => one.startsWith("fs_path="))?.slice("fs_path=".length);
  const user = /^sips?:([^@]+)@/.exec(uri)?.[1];
  const to = decodeURIComponent(path ?? uri);
  const [, host, port] = /^sip:(?:[^@]*@)?([0-9.]+):(\d+)/.exec(to) ?? [];
  // It speaks UDP alone.
  if (user === undefined || host === undefined || /;transport=(?!udp)/i.test(to))
    return { cause: "DESTINATION_OUT_OF_ORDER" };
  return { user, host, port: Number(port), name: `sofia/devices/${uri}`, gateway: null, uri };
}
