import type { Clock, Timer } from "../../clock.ts";
import type { Ids } from "../../ids.ts";
import {
  type Address,
  isRequest,
  responseAddress,
  responseTo,
  type SipRequest,
  type SipResponse,
} from "./message.ts";

/** RFC 3261 §17.1.1.1, appendix A. */
export interface SipTimers {
  t1Ms: number;
  t2Ms: number;
  t4Ms: number;
  /** Timers B, F, H and J: how long the far end may stay silent. 64 × T1 in the RFC. */
  giveUpMs: number;
}

export const rfcTimers: SipTimers = { t1Ms: 500, t2Ms: 4000, t4Ms: 5000, giveUpMs: 32_000 };

/**
 * What came of a request: its responses one by one, repeated 2xx of an INVITE among them (RFC 6026 §7.2). `local` marks
 * the end we made up: 408 where nobody answered, 503 where it could not be sent (§8.1.3.1).
 */
export type ResponseListener = (response: SipResponse, local: boolean) => void;

export interface ClientTransaction {
  readonly request: SipRequest;
  readonly to: Address;
  /** Stops waiting: no further timers and no further responses. */
  drop(): void;
}

export interface ServerTransaction {
  readonly request: SipRequest;
  /** Provisional any number of times, then one final; a 2xx to an INVITE may be repeated by its owner (§13.3.1.4). */
  respond(response: SipResponse): void;
}

export interface TransactionsOptions {
  clock: Clock;
  ids: Ids;
  timers: SipTimers;
  /** Our own Via sent-by. */
  host: string;
  port: number;
  send(message: SipRequest | SipResponse, to: Address, onError?: () => void): void;
  /** A request no transaction knows, an ACK included (whose transaction then answers nothing). */
  onRequest(request: SipRequest, server: ServerTransaction, from: Address): void;
}

/** RFC 3261 §17 and RFC 6026 over UDP: who sends again, until when. Knows no calls. */
export class Transactions {
  readonly #options: TransactionsOptions;
  readonly #clients = new Map<string, Client>();
  readonly #servers = new Map<string, Server>();

  constructor(options: TransactionsOptions) {
    this.#options = options;
  }

  get idle(): boolean {
    return [...this.#clients.values()].every((client) => client.finished);
  }

  /**
   * Sends a request in a transaction of its own, our Via upon those that it has; a CANCEL takes the Via of what it
   * cancels (§9.1).
   */
  send(request: SipRequest, to: Address, onResponse: ResponseListener): ClientTransaction {
    if (request.method !== "CANCEL") request.headers.via = [this.newVia(), ...request.headers.via];
    const key = clientKey(request);
    const client = new Client(this.#options, request, to, onResponse, () => this.#clients.delete(key));
    this.#clients.set(key, client);
    client.start();
    return client;
  }

  /** For an ACK to a 2xx, which is a message of its own and no transaction (§13.2.2.4). */
  newVia(): SipRequest["headers"]["via"][number] {
    const { host, port, ids } = this.#options;
    const branch = `z9hG4bK${ids.bytes(9).toString("hex")}`;
    return { version: "2.0", protocol: "UDP", host, port, params: { branch, rport: null } };
  }

  /** The INVITE a CANCEL means, if it is still here (§9.2). */
  inviteOf(cancel: SipRequest): ServerTransaction | undefined {
    return this.#servers.get(serverKey(cancel, "INVITE"));
  }

  /** False for a response that answers no request of ours. */
  receive(message: SipRequest | SipResponse, from: Address): boolean {
    if (isRequest(message)) {
      this.#receiveRequest(message, from);
      return true;
    }
    const client = this.#clients.get(clientKey(message));
    client?.receive(message);
    return client !== undefined;
  }

  close(): void {
    for (const client of this.#clients.values()) client.drop();
    for (const server of this.#servers.values()) server.drop();
  }

  #receiveRequest(request: SipRequest, from: Address): void {
    const isAck = request.method === "ACK";
    const key = serverKey(request, isAck ? "INVITE" : request.method);
    const known = this.#servers.get(key);
    if (known?.receive(request)) return;
    const server = new Server(this.#options, request, () => this.#servers.delete(key));
    if (!isAck) this.#servers.set(key, server);
    this.#options.onRequest(request, server, from);
  }
}

const clientKey = ({ headers }: SipRequest | SipResponse): string =>
  `${headers.cseq.method} ${headers.via[0]?.params.branch ?? ""}`;

/** §17.2.3, and the Call-ID for peers whose branches are not unique. */
const serverKey = ({ headers }: SipRequest, method: string): string => {
  const via = headers.via[0];
  return [method, via?.params.branch, via?.host, via?.port, headers["call-id"]].join(" ");
};

type ClientState = "calling" | "proceeding" | "accepted" | "completed" | "terminated";

/** §17.1.1 (INVITE) and §17.1.2 (the others). */
class Client implements ClientTransaction {
  readonly request: SipRequest;
  readonly to: Address;
  readonly #options: TransactionsOptions;
  readonly #onResponse: ResponseListener;
  readonly #onEnd: () => void;
  readonly #isInvite: boolean;
  #state: ClientState = "calling";
  #again: Timer | undefined;
  #end: Timer | undefined;

  constructor(
    options: TransactionsOptions,
    request: SipRequest,
    to: Address,
    onResponse: ResponseListener,
    onEnd: () => void,
  ) {
    this.#options = options;
    this.request = request;
    this.to = to;
    this.#onResponse = onResponse;
    this.#onEnd = onEnd;
    this.#isInvite = request.method === "INVITE";
  }

  /** Has its final response and only waits for repetitions of it. */
  get finished(): boolean {
    return this.#state === "accepted" || this.#state === "completed" || this.#state === "terminated";
  }

  start(): void {
    const { clock, timers } = this.#options;
    this.#transmit(timers.t1Ms);
    // Timers B and F.
    this.#end = clock.after(timers.giveUpMs, () => this.#fail(408));
  }

  receive(response: SipResponse): void {
    if (response.status < 200) return this.#provisional(response);
    if (this.#isInvite) return this.#finalOfInvite(response);
    if (this.finished) return;
    // Timer K.
    this.#finish("completed", this.#options.timers.t4Ms);
    this.#onResponse(response, false);
  }

  drop(): void {
    if (this.#state === "terminated") return;
    this.#state = "terminated";
    this.#again?.cancel();
    this.#end?.cancel();
    this.#onEnd();
  }

  #transmit(nextMs: number): void {
    const { clock, timers } = this.#options;
    this.#options.send(this.request, this.to, () => {
      if (!this.finished) this.#fail(503);
    });
    // Timers A and E: an INVITE doubles without bound, others up to T2, and at T2 once they are being worked on.
    this.#again = clock.after(nextMs, () => {
      const doubled = nextMs * 2;
      const slowest = this.#state === "proceeding" ? timers.t2Ms : Math.min(doubled, timers.t2Ms);
      this.#transmit(this.#isInvite ? doubled : slowest);
    });
  }

  #provisional(response: SipResponse): void {
    if (this.finished) return;
    this.#state = "proceeding";
    if (this.#isInvite) {
      // Rings for as long as its owner lets it.
      this.#again?.cancel();
      this.#end?.cancel();
    }
    this.#onResponse(response, false);
  }

  #finalOfInvite(response: SipResponse): void {
    if (response.status < 300) {
      if (this.#state === "completed") return;
      // Timer M.
      if (this.#state !== "accepted") this.#finish("accepted", this.#options.timers.giveUpMs);
      this.#onResponse(response, false);
      return;
    }
    if (this.#state === "accepted") return;
    this.#acknowledge(response);
    if (this.#state === "completed") return;
    // Timer D.
    this.#finish("completed", this.#options.timers.giveUpMs);
    this.#onResponse(response, false);
  }

  /** §17.1.1.3: the ACK to a refusal is the transaction's own. */
  #acknowledge(response: SipResponse): void {
    const { headers, uri } = this.request;
    this.#options.send(
      {
        method: "ACK",
        uri,
        headers: {
          via: headers.via.slice(0, 1),
          "max-forwards": 70,
          ...(headers.route ? { route: headers.route } : {}),
          from: headers.from,
          to: response.headers.to,
          "call-id": headers["call-id"],
          cseq: { seq: headers.cseq.seq, method: "ACK" },
        },
      },
      this.to,
    );
  }

  #finish(state: ClientState, lingerMs: number): void {
    this.#state = state;
    this.#again?.cancel();
    this.#end?.cancel();
    this.#end = this.#options.clock.after(lingerMs, () => this.drop());
  }

  #fail(status: number): void {
    this.drop();
    this.#onResponse(responseTo(this.request, status), true);
  }
}

type ServerState = "proceeding" | "accepted" | "completed" | "confirmed" | "terminated";

/** §17.2.1 (INVITE) and §17.2.2 (the others). */
class Server implements ServerTransaction {
  readonly request: SipRequest;
  readonly #options: TransactionsOptions;
  readonly #onEnd: () => void;
  #state: ServerState = "proceeding";
  #last: SipResponse | undefined;
  #again: Timer | undefined;
  #end: Timer | undefined;

  constructor(options: TransactionsOptions, request: SipRequest, onEnd: () => void) {
    this.#options = options;
    this.request = request;
    this.#onEnd = onEnd;
  }

  /** Whether the request was this transaction's own affair; false hands it on. */
  receive(request: SipRequest): boolean {
    if (request.method === "ACK") {
      // The ACK of a 2xx belongs to the call, whatever branch it carries.
      if (this.#state === "accepted") return false;
      // Timer I.
      if (this.#state === "completed") this.#finish("confirmed", this.#options.timers.t4Ms);
      return true;
    }
    // RFC 6026 §7.1: a repeated INVITE whose 2xx is out is absorbed.
    const answersAgain = this.#state === "proceeding" || this.#state === "completed";
    if (answersAgain && this.#last) this.#transmit(this.#last);
    return true;
  }

  respond(response: SipResponse): void {
    if (this.#state === "completed" || this.#state === "confirmed" || this.#state === "terminated") return;
    this.#last = response;
    this.#transmit(response);
    if (response.status < 200 || this.#state === "accepted") return;
    const { giveUpMs, t1Ms } = this.#options.timers;
    const isInvite = this.request.method === "INVITE";
    // Timers L, H and J.
    this.#finish(isInvite && response.status < 300 ? "accepted" : "completed", giveUpMs);
    if (isInvite && response.status >= 300) this.#repeat(response, t1Ms);
  }

  drop(): void {
    if (this.#state === "terminated") return;
    this.#state = "terminated";
    this.#again?.cancel();
    this.#end?.cancel();
    this.#onEnd();
  }

  /** Timer G. */
  #repeat(response: SipResponse, afterMs: number): void {
    const { clock, timers } = this.#options;
    this.#again = clock.after(afterMs, () => {
      this.#transmit(response);
      this.#repeat(response, Math.min(afterMs * 2, timers.t2Ms));
    });
  }

  #transmit(response: SipResponse): void {
    this.#options.send(response, responseAddress(response));
  }

  #finish(state: ServerState, lingerMs: number): void {
    this.#state = state;
    this.#again?.cancel();
    this.#end?.cancel();
    this.#end = this.#options.clock.after(lingerMs, () => this.drop());
  }
}
