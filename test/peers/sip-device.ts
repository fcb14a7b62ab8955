import { createHash } from "node:crypto";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../engine/clock.ts";
import { systemIds } from "../../engine/ids.ts";
import { createSipAgent, type SipAgentOptions } from "../../engine/simulator/sip/agent.ts";
import type { IncomingSipCall, SipAgent, SipCall } from "../../engine/simulator/sip/call.ts";
import type { SipResponse } from "../../engine/simulator/sip/message.ts";
import { directoryFile, directoryFileName } from "../../engine/switch/directory-file.ts";
import type { Devices } from "./switch-under-test.ts";
import { eventually } from "./waiting.ts";

const ids = systemIds(systemClock);

export interface Login {
  username: string;
  password: string;
  /** Of a credential that is banned: the addresses that it is let in from all the same. */
  onlyFrom?: readonly string[];
}

/** A customer's telephone: it registers, calls and is called, with its login, by UDP on loopback. */
export class SipDevice {
  readonly login: Login;
  readonly #agent: SipAgent;
  readonly #devices: Devices;
  readonly #ringing: IncomingSipCall[] = [];
  readonly #host: string;
  /** Of its REGISTERs: one device is one binding. */
  readonly callId = `${ids.bytes(8).toString("hex")}@127.0.0.1`;
  #seq = 0;

  static async open(
    devices: Devices,
    login: Login,
    options: Partial<Pick<SipAgentOptions, "log" | "laws" | "port" | "host">> = {},
  ): Promise<SipDevice> {
    const { host = "127.0.0.1" } = options;
    const agent = await createSipAgent({
      ...{ port: 0, clock: systemClock, ids, contactUser: login.username, ...options, host },
    });
    return new SipDevice(agent, devices, login, host);
  }

  private constructor(agent: SipAgent, devices: Devices, login: Login, host: string) {
    this.#host = host;
    this.#agent = agent;
    this.#devices = devices;
    this.login = login;
    agent.onInvite((call) => {
      call.ring();
      this.#ringing.push(call);
    });
  }

  get port(): number {
    return this.#agent.port;
  }

  /** Its Contact, unless it is told to say another. */
  get contact(): string {
    return `sip:${this.login.username}@${this.#host}:${this.port}`;
  }

  /** How many calls have come to it. */
  get calls(): number {
    return this.#ringing.length;
  }

  /** REGISTER, answering the challenge; resolves to the last answer, whatever that is. */
  async register({
    expiresSeconds = 60,
    contact = this.contact,
    callId = this.callId,
    username = this.login.username,
    headers = {},
    at = this.#devices,
  }: {
    /** Another box. */
    at?: Devices;
    expiresSeconds?: number;
    contact?: string;
    callId?: string;
    username?: string;
    headers?: Readonly<Record<string, unknown>>;
  } = {}): Promise<SipResponse> {
    this.#seq += 2;
    const { realm } = at;
    return this.#agent.request({
      ...{ method: "REGISTER", uri: `sip:${realm}`, to: at, party: `${username}@${realm}` },
      ...{ callId, seq: this.#seq, login: { ...this.login, username } },
      headers: { contact: [{ uri: contact, params: {} }], expires: String(expiresSeconds), ...headers },
    });
  }

  unregister(): Promise<SipResponse> {
    return this.register({ expiresSeconds: 0 });
  }

  /** Anything outside of a dialog; with the login if asked for it. */
  request(method: string, headers: Readonly<Record<string, unknown>> = {}): Promise<SipResponse> {
    const { realm } = this.#devices;
    return this.#agent.request({
      ...{ method, uri: `sip:+254711000001@${realm}`, to: this.#devices, headers, seq: 1 },
      ...{ party: `${this.login.username}@${realm}`, callId: `${ids.bytes(8).toString("hex")}@127.0.0.1` },
      login: this.login,
    });
  }

  /** An INVITE with its login. `from` is what it says of itself. */
  call(
    number: string,
    more: { from?: string; headers?: Readonly<Record<string, string>>; login?: Login } = {},
  ): SipCall {
    return this.#agent.invite({
      ...{ user: number, host: this.#devices.host, port: this.#devices.port },
      uri: `sip:${number}@${this.#devices.realm}`,
      fromUser: more.from ?? this.login.username,
      login: more.login ?? this.login,
      ...(more.headers && { headers: more.headers }),
    });
  }

  /** The call that rings, past or to come: the first that nobody has taken up by this. */
  ringing(withinMs = 5000): Promise<IncomingSipCall> {
    return eventually("a call to the device", () => this.#ringing.find(({ state }) => state === "ringing"), {
      withinMs,
      everyMs: 10,
    });
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }
}

export const ha1Of = ({ username, password }: Login, realm: string): string =>
  createHash("md5").update(`${username}:${realm}:${password}`).digest("hex");

/** Puts those, and no others, into the folder that the switch reads at its start and when it is told to reload. */
export function writeDirectory(spoolDir: string, realm: string, logins: readonly Login[]): void {
  const file = join(spoolDir, directoryFileName);
  mkdirSync(join(spoolDir, "directory"), { recursive: true });
  const entries = logins.map((login) => ({
    ...{ username: login.username, ha1: ha1Of(login, realm) },
    onlyFrom: login.onlyFrom ?? null,
  }));
  writeFileSync(`${file}.new`, directoryFile(entries));
  renameSync(`${file}.new`, file);
}
