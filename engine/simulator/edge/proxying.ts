import type { Clock, Timer } from "../../clock.ts";
import {
  type Address,
  parseUri,
  responseTo,
  type RouteAddr,
  type SipRequest,
  type SipResponse,
} from "../sip/message.ts";
import type { ClientTransaction, ServerTransaction, Transactions } from "../sip/transactions.ts";
import type { ProxyOrder } from "./application.ts";

export interface ProxyingParts {
  clock: Clock;
  transactions: Transactions;
  /** Our own, for Record-Route. */
  address: Address;
  /** A final response of a branch. */
  tell(response: SipResponse): void;
  done(): void;
}

interface Branch {
  uri: string;
  to: Address;
  client: ClientTransaction;
  state: "calling" | "proceeding" | "over";
  final: SipResponse | null;
  silence: Timer | undefined;
}

/** One request that goes to one destination after another, as drachtio's proxy does it (RFC 3261 §16). */
export class Proxying {
  readonly #server: ServerTransaction;
  readonly #order: ProxyOrder;
  readonly #parts: ProxyingParts;
  readonly #left: string[];
  readonly #branches: Branch[] = [];
  #searching = true;
  #cancelled = false;

  constructor(server: ServerTransaction, order: ProxyOrder, parts: ProxyingParts) {
    this.#server = server;
    this.#order = order;
    this.#parts = parts;
    this.#left = [...order.destinations];
  }

  /** Sends it to the first; after each refusal or silence to the next. */
  start(): void {
    this.#next();
  }

  /** The caller gives up: they are told so at once, whatever the far end says. */
  cancel(): void {
    this.#searching = false;
    this.#cancelled = true;
    this.#respond(responseTo(this.#server.request, 487));
    for (const branch of this.#branches) this.#cancelBranch(branch);
  }

  #next(): void {
    if (!this.#searching) return;
    const uri = this.#left.shift();
    if (uri !== undefined) return this.#try(uri);
    if (this.#branches.some(({ state }) => state !== "over")) return;
    this.#searching = false;
    const best = bestOf(this.#branches);
    this.#respond(best === null ? responseTo(this.#server.request, 408) : best);
    this.#parts.done();
  }

  #try(uri: string): void {
    const { clock, transactions } = this.#parts;
    const to = addressOf(uri);
    if (to === null) return this.#next();
    const client = transactions.send(this.#requestTo(uri), to, (response, local) =>
      this.#onResponse(branch, response, local),
    );
    const branch: Branch = { uri, to, client, state: "calling", final: null, silence: undefined };
    this.#branches.push(branch);
    const waitMs = this.#order.provisionalTimeoutMs;
    if (waitMs !== null && client.request.method === "INVITE")
      branch.silence = clock.after(waitMs, () => {
        branch.client.drop();
        branch.state = "over";
        this.#next();
      });
  }

  #requestTo(uri: string): SipRequest {
    const { request } = this.#server;
    const { host, port } = this.#parts.address;
    const own = parseUri(request.uri);
    const isOurs = own?.host === host && (own.port || 5060) === port;
    const { route = [], "record-route": recorded = [], ...headers } = request.headers;
    const record: RouteAddr = { uri: `sip:${host}:${port};lr`, params: {} };
    return {
      ...request,
      // Only what names us is replaced; what names somebody else goes there as it is.
      uri: isOurs ? uri : request.uri,
      headers: {
        ...headers,
        ...this.#order.headers,
        via: [...headers.via],
        route: route.slice(1),
        "record-route": this.#order.remainInDialog ? [record, ...recorded] : recorded,
        "max-forwards": hopsLeft(request) - 1,
      },
    };
  }

  #onResponse(branch: Branch, response: SipResponse, local: boolean): void {
    branch.silence?.cancel();
    if (local) {
      branch.state = "over";
      return this.#next();
    }
    const { status } = response;
    if (status < 200) {
      branch.state = "proceeding";
      if (this.#cancelled) return this.#cancelBranch(branch);
      if (status > 100) this.#respond(withoutTopVia(response));
      return;
    }
    const isRepeated = branch.state === "over";
    branch.state = "over";
    if (status < 300) {
      this.#respond(withoutTopVia(response));
      if (isRepeated) return;
      this.#searching = false;
      for (const other of this.#branches) if (other !== branch) this.#cancelBranch(other);
      this.#parts.tell(response);
      return this.#parts.done();
    }
    branch.final = withoutTopVia(response);
    this.#parts.tell(response);
    if (this.#cancelled) return this.#parts.done();
    this.#next();
  }

  /** RFC 3261 §9.1: not before it has answered anything. */
  #cancelBranch(branch: Branch): void {
    const { state, client, to } = branch;
    branch.silence?.cancel();
    if (state !== "proceeding") return;
    const { headers, uri } = client.request;
    const cancel: SipRequest = {
      method: "CANCEL",
      uri,
      headers: {
        via: headers.via.slice(0, 1),
        "max-forwards": 70,
        from: headers.from,
        to: headers.to,
        "call-id": headers["call-id"],
        cseq: { seq: headers.cseq.seq, method: "CANCEL" },
      },
    };
    this.#parts.transactions.send(cancel, to, () => undefined);
  }

  #respond(response: SipResponse): void {
    this.#server.respond(response);
  }
}

export const hopsLeft = ({ headers }: SipRequest): number => {
  const hops = Number(headers["max-forwards"] ?? 71);
  return Number.isInteger(hops) ? hops : 71;
};

export const withoutTopVia = (response: SipResponse): SipResponse => ({
  ...response,
  headers: { ...response.headers, via: response.headers.via.slice(1) },
});

/** IPv4 alone: names are not resolved. */
export function addressOf(uri: RouteAddr["uri"]): Address | null {
  const parsed = parseUri(uri);
  return parsed && /^[\d.]+$/.test(parsed.host) ? { host: parsed.host, port: parsed.port || 5060 } : null;
}

/** §16.7.6 as drachtio has it: 6xx before all, then 4xx, then the rest; the last of its kind. */
function bestOf(branches: readonly Branch[]): SipResponse | null {
  const finals = branches.flatMap(({ final }) => (final === null ? [] : [final])).reverse();
  const kinds = [(s: number) => s >= 600, (s: number) => s >= 400 && s < 500, () => true];
  for (const isOf of kinds) {
    const found = finals.find(({ status }) => isOf(status));
    if (found) return found;
  }
  return null;
}
