import type { Clock, Timer } from "../../clock.ts";
import type { Ids } from "../../ids.ts";
import { credentialsOf, digestResponse, fieldOf } from "../sip/digest.ts";
import { type Address, parseUri, responseTo, type SipRequest, textOf, userOf } from "../sip/message.ts";
import type { ServerTransaction } from "../sip/transactions.ts";
import type { Directory, DirectoryUser } from "./directory.ts";
import type { EventBus } from "./event-bus.ts";

export interface Binding {
  user: string;
  /** The name by which it logged in, in the device's own spelling. */
  login: string;
  callId: string;
  /** As it stands in FreeSWITCH's table: with a display name, in brackets. */
  contact: string;
  agent: string;
  source: Address;
  expiresAtS: number;
}

export interface RegistrarOptions {
  clock: Clock;
  ids: Ids;
  events: EventBus;
  directory: Directory;
  realm: string;
  expiresMinS: number;
}

/** Of freeswitch-conf/devices.xml. */
const expiresMaxS = 600;
const lateMarginS = 5;
const expiryEveryMs = 5000;
const bindingsMax = 10;
/** FreeSWITCH's, of a device behind NAT that does not say. */
const expiresDefaultS = 30;
/** `nonce-ttl`, and the longest that a transaction takes. */
const nonceMsMax = 92_000;
const noncesMax = 10_000;

/** Who a request came from; else it has been answered. */
export type Identified = { user: DirectoryUser; login: string } | "answered";

/** mod_sofia's registrar as far as the profile `devices` uses it: MD5 digest, bindings by Call-ID. */
export class Registrar {
  readonly realm: string;
  readonly directory: Directory;
  readonly #options: RegistrarOptions;
  readonly #bindings = new Map<string, Binding>();
  /** When each was given out, and the last count that came with it. */
  readonly #nonces = new Map<string, { atMs: number; nc: number }>();
  #expiry: Timer | undefined;
  #closed = false;

  constructor(options: RegistrarOptions) {
    this.#options = options;
    this.realm = options.realm;
    this.directory = options.directory;
    this.#expireSoon();
  }

  get bindings(): readonly Binding[] {
    return [...this.#bindings.values()];
  }

  close(): void {
    this.#closed = true;
    this.#expiry?.cancel();
  }

  register(request: SipRequest, server: ServerTransaction, source: Address): void {
    const [contact] = request.headers.contact ?? [];
    // The real one takes it for anything but an address, too.
    if (contact === undefined || (contact.uri !== "*" && parseUri(contact.uri) === undefined)) {
      this.#refuse(server, 400);
      return;
    }
    const who = this.identify(request, server, 401, source);
    if (who === "answered") return;
    const { user, login } = who;
    const named = userOf(request.headers.to.uri);
    const callId = request.headers["call-id"];
    const asked = expiresOf(request);

    const seconds = asked === 0 ? 0 : Math.min(Math.max(asked, this.#options.expiresMinS), expiresMaxS);
    const binding: Binding = {
      ...{ user: user.variables.get("sip-force-extension") ?? named, login, callId, source },
      contact: `"" <${contact.uri}>`,
      agent: textOf(request.headers["user-agent"]) || "unknown",
      expiresAtS: this.#nowS() + seconds + lateMarginS,
    };
    // Whoever's it was: who knows the Call-ID of another's REGISTER takes that binding away, from the real one too.
    this.#bindings.delete(callId);
    if (seconds > 0) this.#bindings.set(callId, binding);
    this.#tell(seconds > 0 ? "sofia::register" : "sofia::unregister", binding, [
      ["from-user", binding.user],
      ["from-host", this.realm],
      ["expires", String(seconds)],
      ["username", login],
      ...user.variables,
    ]);
    server.respond(
      responseTo(request, 200, {
        toTag: this.#tag(),
        headers: {
          contact: [
            { ...contact, params: { ...contact.params, ...(seconds > 0 && { expires: String(seconds) }) } },
          ],
        },
      }),
    );
  }

  /** 401 or 407 where there is no login, or one of an old challenge; 403 for an unknown user and a wrong password alike. */
  identify(
    request: SipRequest,
    server: ServerTransaction,
    challenge: 401 | 407,
    source: Address,
  ): Identified {
    const header = challenge === 401 ? "authorization" : "proxy-authorization";
    const given = credentialsOf(request, header);
    const field = (name: string) => given && fieldOf(given, name);
    const [login = "", response = "", nonce = ""] = ["username", "response", "nonce"].map(field);
    if (given === undefined) return this.#challenge(server, challenge, false);
    const attempted = (result: string, name = login) => this.#tellAttempt(request, source, name, result);
    if (challenge === 401 && userOf(request.headers.to.uri).toLowerCase() !== login.toLowerCase()) {
      attempted("FORBIDDEN", "unknown");
      return this.#refuse(server, 403);
    }
    const nc = field("nc");
    const known = this.#nonces.get(nonce);
    const count = nc === undefined ? undefined : Number.parseInt(nc, 16);
    const isOld = known === undefined || this.#options.clock.nowMs() - known.atMs > nonceMsMax;
    if (isOld || (count !== undefined && count <= known.nc)) {
      attempted("STALE", "unknown");
      return this.#challenge(server, challenge, true);
    }
    if (count !== undefined) known.nc = count;
    const user = this.directory.user(login);
    const proof =
      user &&
      digestResponse(user.ha1, request.method, {
        ...{ nonce, uri: field("uri"), nc, cnonce: field("cnonce"), qop: field("qop") },
      });
    const fromThere = user?.onlyFrom?.includes(source.host) ?? true;
    const mayCome = user !== undefined && fromThere && proof === response.toLowerCase();
    if (!mayCome || (challenge === 401 && this.#isFull(request))) {
      attempted("FORBIDDEN");
      return this.#refuse(server, 403);
    }
    attempted("SUCCESS");
    return { user, login };
  }

  #isFull(request: SipRequest): boolean {
    const [named, callId] = [userOf(request.headers.to.uri), request.headers["call-id"]];
    const others = this.bindings.filter((one) => one.user === named && one.callId !== callId).length;
    return expiresOf(request) > 0 && others >= bindingsMax;
  }

  /** `flush_inbound_reg`: by Call-ID, or by user and domain. */
  flush(which: string): void {
    const [user, domain] = which.split("@");
    for (const binding of this.bindings) {
      if (binding.callId === which || (binding.user === user && domain === this.realm)) this.#expire(binding);
    }
  }

  #challenge(server: ServerTransaction, status: 401 | 407, stale: boolean): "answered" {
    const nonce = this.#options.ids.bytes(16).toString("hex");
    this.#nonces.set(nonce, { atMs: this.#options.clock.nowMs(), nc: 0 });
    const [oldest] = this.#nonces.keys();
    if (this.#nonces.size > noncesMax && oldest !== undefined) this.#nonces.delete(oldest);
    const challenge = {
      ...{ scheme: "Digest", realm: `"${this.realm}"`, nonce: `"${nonce}"` },
      ...(stale && { stale: "true" }),
      ...{ algorithm: "MD5", qop: '"auth"' },
    };
    const header = status === 401 ? "www-authenticate" : "proxy-authenticate";
    server.respond(
      responseTo(server.request, status, { toTag: this.#tag(), headers: { [header]: [challenge] } }),
    );
    return "answered";
  }

  #refuse(server: ServerTransaction, status: number): "answered" {
    server.respond(responseTo(server.request, status, { toTag: this.#tag() }));
    return "answered";
  }

  #tellAttempt(request: SipRequest, source: Address, username: string, result: string): void {
    const { to, from } = request.headers;
    this.#options.events.publish("CUSTOM", [
      ["Event-Subclass", "sofia::register_attempt"],
      ["profile-name", "devices"],
      ["from-user", userOf(to.uri)],
      ["from-host", this.realm],
      ["call-id", request.headers["call-id"]],
      ["to-user", userOf(from.uri)],
      ["network-ip", source.host],
      ["network-port", String(source.port)],
      ["username", username],
      ["realm", this.realm],
      ["user-agent", textOf(request.headers["user-agent"]) || "unknown"],
      ["auth-result", result],
    ]);
  }

  #expireSoon(): void {
    this.#expiry = this.#options.clock.after(expiryEveryMs, () => {
      if (this.#closed) return;
      for (const binding of this.bindings) if (binding.expiresAtS <= this.#nowS()) this.#expire(binding);
      this.#expireSoon();
    });
  }

  #expire(binding: Binding): void {
    this.#bindings.delete(binding.callId);
    this.#tell("sofia::expire", binding, [
      ["user", binding.user],
      ["username", binding.user],
      ["host", this.realm],
      ["expires", String(binding.expiresAtS)],
    ]);
  }

  #tell(subclass: string, binding: Binding, more: Iterable<readonly [string, string]>): void {
    this.#options.events.publish("CUSTOM", [
      ["Event-Subclass", subclass],
      ["profile-name", "devices"],
      ["contact", binding.contact],
      ["call-id", binding.callId],
      ["status", statusOf(binding)],
      ["network-ip", binding.source.host],
      ["network-port", String(binding.source.port)],
      ["user-agent", binding.agent],
      ["realm", this.realm],
      ...more,
    ]);
  }

  #nowS(): number {
    return Math.floor(this.#options.clock.nowMs() / 1000);
  }

  #tag(): string {
    return this.#options.ids.bytes(6).toString("hex");
  }
}

/** The header before the Contact's own. */
function expiresOf({ headers }: SipRequest): number {
  const text = textOf(headers["expires"]) || headers.contact?.[0]?.params["expires"];
  return text && /^[0-9]{1,9}$/.test(text) ? Number(text) : expiresDefaultS;
}

/** How it is registered, as the listing and the events say it. */
export function statusOf({ contact }: Pick<Binding, "contact">): string {
  const transport = /;transport=(\w+)/i.exec(contact)?.[1] ?? (contact.includes("<sips:") ? "tls" : "udp");
  return `Registered(${transport.toUpperCase()})`;
}
