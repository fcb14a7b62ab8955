import { request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIPv6, type LookupFunction } from "node:net";
import { TLSSocket } from "node:tls";
import type { Clock } from "../clock.ts";
import { SautikitError } from "../errors.ts";
import type { WebSocket } from "ws";
import { EgressError, faultOf } from "./egress-error.ts";
import { publicNames, systemNames } from "./resolve.ts";
import { hostOf, parseTarget, resolveIPv4, resolveTarget, type Resolve, type Target } from "./target.ts";
import { openSocket, type WebSocketRequest } from "./web-socket.ts";

/** The one way out to URLs that customers gave us. */
export interface Egress {
  /** Sends one request and reads the answer, whatever its status; no redirect is followed. Throws EgressError. */
  request(request: EgressRequest): Promise<EgressResponse>;
  /**
   * For save time: throws SautikitError `webhooks.url_not_allowed` at `field` for a URL that would be blocked now. It
   * asks DNS, so it runs before the transaction. Each request checks again.
   */
  checkUrl(url: string, field: string): Promise<void>;
  /** The same of a ws or wss URL. */
  checkSocketUrl(url: string, field: string): Promise<void>;
  /** The same of a SIP server's host name or IPv4 address: `sip.host_not_allowed`. */
  checkSipHost(host: string, field: string): Promise<void>;
  /**
   * The address that a SIP request to that host goes to, looked up and checked as a URL's is: whoever sends it there, and not to
   * the name, cannot be sent elsewhere. Throws SautikitError `sip.host_not_allowed`.
   */
  sipAddressOf(host: string, signal?: AbortSignal): Promise<string>;
  /** A WebSocket (RFC 6455), paused: nothing is lost before `resume`. No redirect is followed. Throws EgressError. */
  openWebSocket(request: WebSocketRequest): Promise<WebSocket>;
}

export type EgressMethod = "GET" | "POST";

export interface EgressRequest {
  method: EgressMethod;
  url: string;
  /** Of ours, put into the URL's own: the bound on a customer's URL does not count it. */
  query?: Readonly<Record<string, string>>;
  headers?: Readonly<Record<string, string>>;
  body?: string | Uint8Array;
  /** For everything: name look-up, connection, handshake, and the last byte of an answer that drips. */
  timeoutMs: number;
  /** The answer's body is read so far and no further. */
  maxBytes: number;
  signal?: AbortSignal;
}

export interface EgressResponse {
  status: number;
  /** Lower-case names, as Node has them. */
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** There was more than `maxBytes`. */
  truncated: boolean;
  latencyMs: number;
}

export interface EgressOptions {
  clock: Clock;
  /** True lets private, loopback and link-local addresses through: the embedded default, or the operator's choice. */
  allowPrivate: boolean;
  resolve?: Resolve;
}

/** A call waits for it. */
const sipAddressMs = 5_000;

const webSocketSchemes = ["ws", "wss"] as const;

export function createEgress({ clock, allowPrivate, ...options }: EgressOptions): Egress {
  const resolve = options.resolve ?? (allowPrivate ? systemNames : publicNames());
  const check = async (parse: () => URL, field: string) => {
    try {
      const target = parse();
      if (!allowPrivate) await resolveTarget(target, resolve, allowPrivate);
    } catch (error) {
      if (!(error instanceof EgressError)) throw error;
      const fields = [{ field, code: "url", message: error.message }];
      throw new SautikitError("webhooks.url_not_allowed", `${field}: ${error.message}`, {
        fields,
        cause: error,
      });
    }
  };
  const sipAddressOf = async (host: string, signal?: AbortSignal) => {
    const limit = timeLimit(clock, sipAddressMs, signal);
    try {
      const [address] = await limit.orElse(resolveIPv4(host, resolve, allowPrivate));
      if (address !== undefined) return address;
      throw new EgressError("dns", "The host has no IPv4 address.");
    } catch (error) {
      if (!(error instanceof EgressError)) throw error;
      throw new SautikitError("sip.host_not_allowed", error.message, { cause: error });
    } finally {
      limit.end();
    }
  };
  return {
    sipAddressOf,
    async checkSipHost(host, field) {
      if (allowPrivate) return;
      try {
        await sipAddressOf(host);
      } catch (error) {
        if (!(error instanceof SautikitError)) throw error;
        const fields = [{ field, code: "host", message: error.message }];
        throw new SautikitError(error.code, `${field}: ${error.message}`, { fields, cause: error });
      }
    },
    checkUrl: (url, field) => check(() => parseTarget(url), field),
    checkSocketUrl: (url, field) => check(() => parseTarget(url, webSocketSchemes), field),
    async openWebSocket(request) {
      const limit = timeLimit(clock, request.timeoutMs, request.signal);
      try {
        const url = parseTarget(request.url, webSocketSchemes);
        const target = await limit.orElse(resolveTarget(url, resolve, allowPrivate));
        return await openSocket(target.url, { ...connectOnlyTo(target), ...request, signal: limit.signal });
      } catch (error) {
        throw error instanceof EgressError ? error : wrapped(error as Error, false);
      } finally {
        limit.end();
      }
    },
    async request(request) {
      const startedMs = clock.monotonicMs();
      const limit = timeLimit(clock, request.timeoutMs, request.signal);
      try {
        const url = parseTarget(request.url);
        for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value);
        const target = await limit.orElse(resolveTarget(url, resolve, allowPrivate));
        const answer = await exchange(target, request, limit);
        return { ...answer, latencyMs: Math.round(clock.monotonicMs() - startedMs) };
      } finally {
        limit.end();
      }
    },
  };
}

interface TimeLimit {
  /** Fires with the EgressError that ends the request. */
  signal: AbortSignal;
  orElse<T>(work: Promise<T>): Promise<T>;
  end(): void;
}

function timeLimit(clock: Clock, timeoutMs: number, outer?: AbortSignal): TimeLimit {
  const controller = new AbortController();
  const abort = () => controller.abort(new EgressError("aborted", "The request was given up."));
  const timer = clock.after(timeoutMs, () =>
    controller.abort(new EgressError("timeout", `There was no complete answer within ${timeoutMs} ms.`)),
  );
  if (outer?.aborted) abort();
  outer?.addEventListener("abort", abort, { once: true });
  const { signal } = controller;
  return {
    signal,
    orElse: (work) =>
      new Promise((resolve, reject) => {
        const fail = () => reject(signal.reason as EgressError);
        if (signal.aborted) fail();
        signal.addEventListener("abort", fail, { once: true });
        work.then(resolve, reject);
      }),
    end() {
      timer.cancel();
      outer?.removeEventListener("abort", abort);
    },
  };
}

type Answer = Omit<EgressResponse, "latencyMs">;

function exchange(target: Target, request: EgressRequest, limit: TimeLimit): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let handshake = target.url.protocol === "https:";
    const send = handshake ? httpsRequest : httpRequest;
    const outgoing = send(target.url, {
      ...connectOnlyTo(target),
      method: request.method,
      headers: request.headers ?? {},
    });
    let settled = false;
    const settle = (done: () => void) => {
      settled = true;
      done();
      // No socket outlives its request; later errors on it have nobody to tell.
      outgoing.destroy();
    };
    const fail = (error: Error) => {
      const known = error instanceof EgressError ? error : wrapped(error, handshake);
      settle(() => reject(known));
    };
    const giveUp = () => fail(limit.signal.reason as EgressError);
    limit.signal.addEventListener("abort", giveUp, { once: true });
    if (limit.signal.aborted) giveUp();

    outgoing.on("socket", (socket) => {
      if (socket instanceof TLSSocket) socket.once("secureConnect", () => (handshake = false));
    });
    outgoing.on("error", fail);
    // A 101 that nobody asked for ends the socket without an error.
    outgoing.on("close", () => {
      if (!settled) fail(new EgressError("reset", "The connection was closed without an answer."));
    });
    outgoing.on("response", (incoming) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const finish = (truncated: boolean) => {
        const body = Buffer.concat(chunks).subarray(0, request.maxBytes);
        const { statusCode: status = 0, headers } = incoming;
        settle(() => resolve({ status, headers, body, truncated }));
      };
      incoming.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes > request.maxBytes) finish(true);
      });
      incoming.on("end", () => finish(false));
      incoming.on("error", fail);
    });
    outgoing.end(request.body);
  });
}

/** The socket goes to the checked addresses: Node asks this in place of DNS, so a second look-up cannot rebind. */
function connectOnlyTo(target: Target): RequestOptions {
  const checked = target.addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  const lookup: LookupFunction = (_name, options, callback) => {
    if (options.all) callback(null, checked);
    else callback(null, target.addresses[0] ?? "", checked[0]?.family);
  };
  return {
    host: hostOf(target.url),
    lookup,
    // A socket for each request: nothing kept alive means nothing shared, leaked or reused across customers.
    agent: false,
    // Node gives each address 250 ms before it tries the next; Nairobi to a far coast takes longer than that.
    ...{ autoSelectFamilyAttemptTimeout: 2000 },
  };
}

function wrapped(error: NodeJS.ErrnoException, handshake: boolean): EgressError {
  const first = error instanceof AggregateError ? (error.errors[0] as NodeJS.ErrnoException) : error;
  return new EgressError(faultOf(first, { handshake }), first.message, { cause: error });
}
