import { createHash } from "node:crypto";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { systemClock, type Clock, type Timer } from "../../clock.ts";
import { systemIds, type Ids } from "../../ids.ts";
import {
  type Address,
  headerText,
  isRequest,
  noteSource,
  parseMessage,
  responseAddress,
  responseTo,
  type SipRequest,
  type SipResponse,
  writeMessage,
} from "../sip/message.ts";
import { rfcTimers, type ServerTransaction, Transactions } from "../sip/transactions.ts";
import { Application, type ProxyOrder, type ResponseOrder } from "./application.ts";
import { addressOf, hopsLeft, Proxying, withoutTopVia } from "./proxying.ts";

export interface SimulatedEdgeOptions {
  sipHost: string;
  /** 0: a free one. */
  sipPort: number;
  adminHost: string;
  /** 0: a free one. */
  adminPort: number;
  secret: string;
}

export interface SimulatedEdge {
  sipPort: number;
  adminPort: number;
  close(): Promise<void>;
}

/** What an application has not decided within this is forgotten. */
const undecidedMsMax = 64_000;

/** Headers of a response that are not an application's to say. */
const filledIn: ReadonlySet<string> = new Set([
  ...["via", "from", "to", "call-id", "cseq", "content-length"],
]);

interface Pending {
  server: ServerTransaction;
  application: Application;
  forget: Timer;
}

/**
 * drachtio-server as the edge uses it: new requests are an application's to answer or to proxy; those within a dialog are
 * passed on along their Route by nobody's leave, an application or none.
 */
export async function startSimulatedEdge(options: SimulatedEdgeOptions): Promise<SimulatedEdge> {
  const udp = createSocket("udp4");
  udp.bind(options.sipPort, options.sipHost);
  await once(udp, "listening");
  const edge = new Edge(udp, options.secret);
  const server = createServer({ noDelay: true }, (socket) => edge.join(socket));
  server.listen(options.adminPort, options.adminHost);
  await once(server, "listening");
  const address = server.address();
  return {
    sipPort: udp.address().port,
    adminPort: typeof address === "object" && address !== null ? address.port : options.adminPort,
    async close() {
      edge.close();
      server.close();
      udp.close();
      await once(udp, "close");
    },
  };
}

class Edge {
  readonly #udp: UdpSocket;
  readonly #secret: string;
  readonly #address: Address;
  readonly #clock: Clock = systemClock;
  readonly #ids: Ids = systemIds(systemClock);
  readonly #transactions: Transactions;
  readonly #applications = new Set<Application>();
  /** By drachtio's name of the transaction. */
  readonly #pending = new Map<string, Pending>();
  readonly #proxied = new Map<ServerTransaction, Proxying>();
  #closed = false;

  constructor(udp: UdpSocket, secret: string) {
    const { address: host, port } = udp.address();
    this.#udp = udp;
    this.#secret = secret;
    this.#address = { host, port };
    this.#transactions = new Transactions({
      ...{ clock: this.#clock, ids: this.#ids, timers: rfcTimers, host, port },
      send: (message, to, onError) => this.#send(message, to, onError),
      onRequest: (request, server, from) => this.#onRequest(request, server, from),
    });
    udp.on("message", (bytes, from) => this.#onDatagram(bytes, { host: from.address, port: from.port }));
    // Of a port that nobody listens on.
    udp.on("error", () => undefined);
  }

  join(socket: ConstructorParameters<typeof Application>[0]): void {
    const application = new Application(socket, {
      secret: this.#secret,
      hostport: `udp/${this.#address.host}:${this.#address.port}`,
      ids: this.#ids,
      proxy: (from, order) => this.#proxy(from, order),
      respond: (from, order) => this.#respond(from, order),
      gone: (gone) => this.#applications.delete(gone),
    });
    this.#applications.add(application);
  }

  close(): void {
    this.#closed = true;
    this.#transactions.close();
    for (const { forget } of this.#pending.values()) forget.cancel();
    for (const application of this.#applications) application.close();
  }

  #onDatagram(bytes: Buffer, from: Address): void {
    const message = parseMessage(bytes);
    if (!message) return;
    if (!isRequest(message)) return this.#onResponse(message, from);
    noteSource(message, from);
    const [first] = message.headers.route ?? [];
    // The real one compares the host alone, too.
    const isForUs = first !== undefined && addressOf(first.uri)?.host === this.#address.host;
    if (isForUs && message.headers.to.params.tag) return this.#passOn(message);
    this.#transactions.receive(message, from);
  }

  /** RFC 3261 §16.11: without state, so that it works whoever is dead. */
  #passOn(request: SipRequest): void {
    const { via, route = [], "call-id": callId } = request.headers;
    const [, ...further] = route;
    const to = addressOf(further[0]?.uri ?? request.uri);
    const hops = hopsLeft(request);
    if (to === null || hops < 1) return;
    // The same for a request, its repetitions, its CANCEL and the ACK of a refusal.
    const seed = `${via[0]?.params.branch ?? ""} ${callId}`;
    const own = this.#transactions.newVia();
    own.params.branch = `z9hG4bK${createHash("sha1").update(seed).digest("hex")}`;
    const headers = { ...request.headers, via: [own, ...via], route: further, "max-forwards": hops - 1 };
    this.#send({ ...request, headers }, to);
  }

  #onResponse(response: SipResponse, from: Address): void {
    const [top, next] = response.headers.via;
    if (top?.host !== this.#address.host || (top.port ?? 5060) !== this.#address.port) return;
    if (this.#transactions.receive(response, from) || next === undefined) return;
    const upstream = withoutTopVia(response);
    this.#send(upstream, responseAddress(upstream));
  }

  #onRequest(request: SipRequest, server: ServerTransaction, from: Address): void {
    const { method } = request;
    const refuse = (status: number) => server.respond(responseTo(request, status, { toTag: this.#newTag() }));
    if (method === "ACK") return;
    if (method === "CANCEL") return this.#cancel(request, server, from);
    const isStray = method === "INVITE" && request.headers.to.params.tag !== undefined;
    if (isStray || method === "BYE" || method === "UPDATE") return refuse(481);
    const application = [...this.#applications].find((one) => one.wants(method));
    if (application === undefined) return refuse(503);
    if (method === "INVITE") server.respond(responseTo(request, 100));
    const transaction = this.#ids.bytes(16).toString("hex");
    const forget = this.#clock.after(undecidedMsMax, () => this.#pending.delete(transaction));
    this.#pending.set(transaction, { server, application, forget });
    application.send(this.#told(request, from, transaction));
  }

  #cancel(request: SipRequest, server: ServerTransaction, from: Address): void {
    const invite = this.#transactions.inviteOf(request);
    server.respond(responseTo(request, invite ? 200 : 481));
    if (!invite) return;
    this.#proxied.get(invite)?.cancel();
    for (const [transaction, pending] of this.#pending) {
      if (pending.server !== invite) continue;
      this.#take(transaction);
      pending.application.send(this.#told(request, from, transaction));
      invite.respond(responseTo(invite.request, 487, { toTag: this.#newTag() }));
    }
  }

  #proxy(application: Application, order: ProxyOrder): void {
    const pending = this.#take(order.transaction);
    if (pending === undefined)
      return application.answer(order.id, `NOK|Unknown transaction id: ${order.transaction}`);
    const { server } = pending;
    if (order.simultaneous || order.followRedirects || hopsLeft(server.request) < 1) {
      server.respond(responseTo(server.request, 483));
      return application.answer(order.id, "NOK|too many hops, or not simulated");
    }
    const proxying = new Proxying(server, order, {
      ...{ clock: this.#clock, transactions: this.#transactions, address: this.#address },
      tell: (response) =>
        application.answer(order.id, `OK|${this.#facts(response, "")}|||continue\r\n${textOf(response)}`),
      done: () => application.answer(order.id, "OK|done"),
    });
    this.#proxied.set(server, proxying);
    // Long after the transaction itself has ended; a call that is answered needs none.
    this.#clock.after(undecidedMsMax * 4, () => this.#proxied.delete(server));
    proxying.start();
  }

  #respond(application: Application, { id, transaction, ...order }: ResponseOrder): void {
    const pending = order.status < 200 ? this.#pending.get(transaction) : this.#take(transaction);
    if (pending === undefined) return application.answer(id, "NOK|transaction not found");
    const { request } = pending.server;
    const added = Object.entries(order.headers).filter(([name]) => !filledIn.has(name));
    const response = responseTo(request, order.status, {
      toTag: this.#newTag(),
      headers: Object.fromEntries(added.map(([name, value]) => [name, headerText(value)])),
      ...(order.body === "" ? {} : { content: headerText(order.body) }),
    });
    response.reason = order.reason;
    pending.server.respond(response);
    application.answer(id, `OK|${this.#facts(response, transaction)}|\r\n${textOf(response)}`);
  }

  #take(transaction: string): Pending | undefined {
    const pending = this.#pending.get(transaction);
    pending?.forget.cancel();
    this.#pending.delete(transaction);
    return pending;
  }

  /** A request of the network's, as an application is told of it. */
  #told(request: SipRequest, from: Address, transaction: string): string {
    const bytes = writeMessage(request);
    const { host, port } = this.#address;
    const source = `udp|${from.host}|${from.port}|${this.#time()}`;
    return `sip|network|${bytes.length}|${source}|${transaction}||${host}|${port}|\r\n${bytes.toString()}`;
  }

  #facts(response: SipResponse, transaction: string): string {
    const { host, port } = this.#address;
    const tail = transaction === "" ? "" : `|${transaction}|`;
    return `network|${writeMessage(response).length}|udp|${host}|${port}|${this.#time()}${tail}`;
  }

  #time(): string {
    return `${new Date(this.#clock.nowMs()).toISOString().slice(11, 23)}000`;
  }

  #newTag(): string {
    return this.#ids.bytes(6).toString("hex");
  }

  #send(message: SipRequest | SipResponse, to: Address, onError?: () => void): void {
    if (this.#closed) return;
    if (to.port < 1 || to.port > 65_535) return queueMicrotask(() => onError?.());
    this.#udp.send(writeMessage(message), to.port, to.host, (error) => {
      if (error) onError?.();
    });
  }
}

const textOf = (message: SipResponse): string => writeMessage(message).toString();
