import { lookup } from "node:dns/promises";
import { readFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import { join } from "node:path";
import type { Clock, Timer } from "../../clock.ts";
import type { Ids } from "../../ids.ts";
import type { SipAgent } from "../sip/call.ts";
import type { Login } from "../sip/digest.ts";
import type { Address } from "../sip/message.ts";
import type { Law } from "../sip/sdp.ts";

/** Where a gateway's requests are sent, and what they name. */
export interface Gateway extends Address {
  /** Sent there instead, whatever they name. */
  over?: Address;
  login?: Login;
  /** `absolute_codec_string`; what the simulator does not speak is left out. */
  laws?: readonly Law[];
}

interface FileGateway extends Gateway {
  name: string;
  registerSeconds: number | null;
  pingSeconds: number;
}

interface Live {
  gateway: FileGateway;
  up: boolean;
  state: "NOREG" | "TRYING" | "REGED" | "FAIL_WAIT";
  /** As mod_sofia counts what was answered, between `ping-min` 1 and `ping-max` 2. */
  pings: number;
  /** An OPTIONS is on its way. */
  pinging: boolean;
  timer: Timer | null;
}

const endMark = "<!--end-->";
const pingsMax = 2;
const registerAgainMs = 10_000;
const unknownMs = 600_000;

/**
 * The gateways of the profile `edge` in freeswitch-conf/: one that it starts with, and those of the spool's file, which
 * come and go by `rescan` and `killgw`. A trunk over TCP or TLS is none: the simulator speaks UDP.
 */
export class Gateways {
  readonly #fixed: Readonly<Record<string, Gateway>>;
  readonly #folder: string | null;
  readonly #parts: { clock: Clock; ids: Ids; sip: SipAgent };
  readonly #live = new Map<string, Live>();
  /** Names that have no address, and until when that is not asked again. */
  readonly #unknown = new Map<string, number>();
  /** Of the files as `reloadxml` last read them. */
  #read: readonly FileGateway[] = [];
  #readAddresses: readonly string[] = [];
  /** As `reloadacl` last took them. */
  #addresses: readonly string[] = [];

  /** `spoolDir` null: there is no file. */
  constructor(
    fixed: Readonly<Record<string, Gateway>>,
    spoolDir: string | null,
    parts: { clock: Clock; ids: Ids; sip: SipAgent },
  ) {
    this.#fixed = fixed;
    this.#folder = spoolDir === null ? null : join(spoolDir, "trunks");
    this.#parts = parts;
    this.reload();
    this.reloadAddresses();
    this.rescan();
  }

  get(name: string): Gateway | { cause: string } {
    const live = this.#live.get(name);
    if (live) return live.up ? live.gateway : { cause: "GATEWAY_DOWN" };
    return (Object.hasOwn(this.#fixed, name) ? this.#fixed[name] : undefined) ?? { cause: "INVALID_GATEWAY" };
  }

  /** Who may send an INVITE: where no file says so, anybody. */
  allows(host: string): boolean {
    if (this.#addresses.length === 0) return true;
    const fixed = Object.values(this.#fixed).some((gateway) => gateway.host === host);
    return fixed || this.#addresses.some((cidr) => isWithin(host, cidr));
  }

  reload(): void {
    this.#read = [...this.#text("gateways.xml").matchAll(/<gateway name="([^"]+)">.*<\/gateway>/g)].map(
      ([text, name = ""]) => readGateway(text, name),
    );
    this.#readAddresses = [...this.#text("addresses.xml").matchAll(/cidr="([^"]+)"/g)].map(
      ([, cidr = ""]) => cidr,
    );
  }

  reloadAddresses(): void {
    this.#addresses = this.#readAddresses;
  }

  rescan(): void {
    for (const gateway of this.#read) {
      // The real one ignores a duplicate too: it stays as it is until it is taken down.
      if (this.#live.has(gateway.name) || Object.hasOwn(this.#fixed, gateway.name)) continue;
      const registers = gateway.registerSeconds !== null;
      const live: Live = {
        ...{ gateway, up: !registers, state: registers ? "TRYING" : "NOREG" },
        ...{ pings: 0, pinging: false, timer: null },
      };
      this.#live.set(gateway.name, live);
      if (registers) void this.#register(live, 1);
      else this.#pingLater(live);
    }
  }

  kill(name: string): boolean {
    const live = this.#live.get(name);
    live?.timer?.cancel();
    return this.#live.delete(name);
  }

  close(): void {
    for (const name of [...this.#live.keys()]) this.kill(name);
  }

  /** `sofia xmlstatus gateway`, as far as it is read. */
  status(): string {
    const fixed = Object.keys(this.#fixed).map((name) => element(name, "NOREG", true));
    const live = [...this.#live].map(([name, { state, up, pinging }]) => element(name, state, up, pinging));
    return `<?xml version="1.0" encoding="ISO-8859-1"?>\n<gateways>\n${[...live, ...fixed].join("")}</gateways>\n`;
  }

  #pingLater(live: Live): void {
    const { pingSeconds } = live.gateway;
    if (pingSeconds > 0)
      live.timer = this.#parts.clock.after(pingSeconds * 1000, () => void this.#ping(live));
  }

  async #ping(live: Live): Promise<void> {
    live.pinging = true;
    if (await this.#isForgotten(live.gateway.over ?? live.gateway)) return;
    const { status } = await this.#request(live.gateway, "OPTIONS", 1, {});
    if (this.#live.get(live.gateway.name) !== live) return;
    live.pinging = false;
    const answered = status !== 408 && status !== 503;
    live.pings = answered ? Math.min(live.pings + 1, pingsMax) : Math.max(live.pings - 1, 0);
    live.up = live.pings > 0;
    this.#pingLater(live);
  }

  /**
   * As sofia-sip does it: where DNS knows no IPv4 address, whoever asked first is never told, and who asks within ten
   * minutes at once.
   */
  async #isForgotten({ host }: Address): Promise<boolean> {
    const nowMs = this.#parts.clock.monotonicMs();
    if (isIPv4(host) || nowMs < (this.#unknown.get(host) ?? 0)) return false;
    const found = await lookup(host, { family: 4 }).catch(() => null);
    if (found === null) this.#unknown.set(host, nowMs + unknownMs);
    return found === null;
  }

  async #register(live: Live, seq: number): Promise<void> {
    const { gateway } = live;
    const { host, port } = this.#parts.sip;
    const contact = [{ uri: `sip:gw+${gateway.name}@${host}:${port}`, params: {} }];
    const expires = String(gateway.registerSeconds);
    const { status } = await this.#request(gateway, "REGISTER", seq, { contact, expires });
    if (this.#live.get(gateway.name) !== live) return;
    live.up = status < 300;
    live.state = live.up ? "REGED" : "FAIL_WAIT";
    const afterMs = live.up ? ((gateway.registerSeconds ?? 0) * 1000) / 2 : registerAgainMs;
    live.timer = this.#parts.clock.after(afterMs, () => void this.#register(live, seq + 2));
  }

  #request(gateway: FileGateway, method: string, seq: number, headers: Record<string, unknown>) {
    const at = `${gateway.host}:${gateway.port}`;
    return this.#parts.sip.request({
      ...{ method, seq, headers, uri: `sip:${at}`, to: gateway.over ?? gateway },
      party: `${gateway.login?.username ?? "not-used"}@${at}`,
      callId: this.#parts.ids.bytes(12).toString("hex"),
      ...(gateway.login && { login: gateway.login }),
    });
  }

  /** Empty where the file is not there, or was not written to its end. */
  #text(name: string): string {
    if (this.#folder === null) return "";
    try {
      const text = readFileSync(join(this.#folder, name), "utf8");
      return text.trimEnd().endsWith(endMark) ? text : "";
    } catch {
      return "";
    }
  }
}

function readGateway(text: string, name: string): FileGateway {
  const param = (of: string) => new RegExp(`<param name="${of}" value="([^"]*)"/>`).exec(text)?.[1];
  const address = (at: string): Address => {
    const [host = "", port = "5060"] = at.replace(/;.*$/, "").split(":");
    return { host, port: Number(port) };
  };
  const over = param("outbound-proxy");
  const [username = "", password = ""] = [param("username"), param("password")];
  return {
    ...{ name, ...address(param("proxy") ?? "") },
    ...(over !== undefined && { over: address(over) }),
    ...(username !== "not-used" && { login: { username, password } }),
    laws: (/name="absolute_codec_string" value="([^"]*)"/.exec(text)?.[1] ?? "")
      .split(",")
      .filter((codec) => codec === "PCMU" || codec === "PCMA"),
    registerSeconds: param("register") === "true" ? Number(param("expire-seconds")) : null,
    pingSeconds: Number(param("ping") ?? 0),
  };
}

const element = (name: string, state: string, up: boolean, pinging = false): string =>
  `  <gateway>\n    <name>${name}</name>\n    <profile>edge</profile>\n    <pinging>${pinging ? 1 : 0}</pinging>\n    <state>${state}</state>\n` +
  `    <status>${up ? "UP" : "DOWN"}</status>\n  </gateway>\n`;

function isWithin(host: string, cidr: string): boolean {
  const [network = "", bits = "32"] = cidr.split("/");
  const shift = 32 - Number(bits);
  return numberOf(host) >> BigInt(shift) === numberOf(network) >> BigInt(shift);
}

const numberOf = (host: string): bigint =>
  host.split(".").reduce((sum, part) => sum * 256n + BigInt(Number(part) || 0), 0n);
