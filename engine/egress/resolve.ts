import { lookup, Resolver } from "node:dns/promises";
import type { Resolve } from "./target.ts";

/**
 * By DNS alone, never the hosts file: for public names. c-ares keeps its waits off libuv's few threads, where one
 * customer's dead name server would hold up everybody's look-ups and files.
 */
export function publicNames(): Resolve {
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  return async (name) => {
    const [v4, v6] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    if (v4.status === "rejected" && v6.status === "rejected") throw v4.reason;
    // IPv4 first: a host that has an IPv6 address but no route to it is common, the reverse is rare.
    return [v4, v6].flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
  };
}

/** As the operating system does it, hosts file and search domains too: where private names are allowed. */
export const systemNames: Resolve = async (name) =>
  (await lookup(name, { all: true, order: "ipv4first" })).map(({ address }) => address);
