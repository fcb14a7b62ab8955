import sip, { type NameAddr, type ParsedUri, type RouteAddr, type Via } from "sip";

export type { NameAddr, RouteAddr };

/** The headers a message cannot do without, as the parser gives them; the rest are latin1 text, if there. */
export interface SipHeaders {
  via: Via[];
  from: NameAddr;
  to: NameAddr;
  "call-id": string;
  cseq: { seq: number; method: string };
  contact?: NameAddr[];
  "record-route"?: RouteAddr[];
  route?: RouteAddr[];
  [name: string]: unknown;
}

export interface SipRequest {
  method: string;
  uri: string;
  headers: SipHeaders;
  content?: string;
}

export interface SipResponse {
  status: number;
  reason: string;
  headers: SipHeaders;
  content?: string;
}

export interface Address {
  host: string;
  port: number;
}

export const allowedMethods = "INVITE, ACK, CANCEL, BYE, OPTIONS";

/** Null for anything that is not a whole SIP message; never throws, whatever the bytes. */
export function parseMessage(datagram: Buffer): SipRequest | SipResponse | null {
  try {
    const parsed = sip.parse(datagram) as Partial<SipRequest & SipResponse> | undefined;
    if (!parsed?.headers || !headersAreWhole(parsed.headers)) return null;
    if (parsed.method !== undefined) return isWholeRequest(parsed) ? parsed : null;
    return isWholeResponse(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

export const writeMessage = (message: SipRequest | SipResponse): Buffer =>
  Buffer.from(sip.stringify({ ...message, headers: { ...message.headers } }), "latin1");

export const isRequest = (message: SipRequest | SipResponse): message is SipRequest => "method" in message;

const reasonPhrases: Readonly<Record<number, string>> = {
  100: "Trying",
  180: "Ringing",
  183: "Session Progress",
  200: "OK",
  202: "Accepted",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  407: "Proxy Authentication Required",
  408: "Request Timeout",
  420: "Bad Extension",
  480: "Temporarily Unavailable",
  481: "Call/Transaction Does Not Exist",
  486: "Busy Here",
  487: "Request Terminated",
  488: "Not Acceptable Here",
  491: "Request Pending",
  500: "Server Internal Error",
  503: "Service Unavailable",
  603: "Decline",
};

/** RFC 3261 §8.2.6; `toTag` goes on the To header where the request had none. */
export function responseTo(
  request: SipRequest,
  status: number,
  extra: { toTag?: string; headers?: Readonly<Record<string, unknown>>; content?: string } = {},
): SipResponse {
  const { via, from, to, cseq } = request.headers;
  const recordRoute = request.headers["record-route"];
  const tagged =
    extra.toTag === undefined || to.params.tag ? to : { ...to, params: { ...to.params, tag: extra.toTag } };
  return {
    status,
    reason: reasonPhrases[status] ?? "Unknown",
    headers: {
      via,
      // §12.1.1: a response that makes a dialog repeats the route it was asked to record.
      ...(recordRoute && status > 100 && status < 300 ? { "record-route": recordRoute } : {}),
      from,
      to: tagged,
      "call-id": request.headers["call-id"],
      cseq,
      ...extra.headers,
    },
    ...(extra.content === undefined ? {} : { content: extra.content }),
  };
}

/** Where a response goes: RFC 3581 §4 with rport, else RFC 3261 §18.2.2. */
export function responseAddress(response: SipResponse): Address {
  const via = response.headers.via[0];
  if (!via) throw new Error("a response needs a Via");
  const host = via.params.received ?? via.host;
  const rport = Number(via.params.rport);
  return { host, port: rport > 0 ? rport : (via.port ?? 5060) };
}

/** Notes on the topmost Via where the request came from (RFC 3261 §18.2.1, RFC 3581 §4). */
export function noteSource(request: SipRequest, source: Address): void {
  const via = request.headers.via[0];
  if (!via) return;
  via.params.received = source.host;
  if ("rport" in via.params) via.params.rport = String(source.port);
}

export const parseUri = (uri: string | ParsedUri): ParsedUri | undefined => sip.parseUri(uri);

/** User part of a URI, unescaped; empty where it has none. */
export function userOf(uri: string): string {
  const user = parseUri(uri)?.user ?? "";
  try {
    return decodeURIComponent(user);
  } catch {
    return user;
  }
}

/** The parser reads latin1; what stands in a header as text is UTF-8 (RFC 3261 §7.3.1). */
export const textOf = (header: unknown): string =>
  typeof header === "string" ? Buffer.from(header, "latin1").toString("utf8") : "";

export const headerText = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

function headersAreWhole(headers: Partial<SipHeaders>): boolean {
  const { via, from, to, cseq, contact } = headers;
  return (
    Array.isArray(via) &&
    via.length > 0 &&
    via.every((hop) => hop.host !== "" && (hop.port ?? 1) < 65536) &&
    typeof via[0]?.params.branch === "string" &&
    isNameAddr(from) &&
    typeof from.params.tag === "string" &&
    isNameAddr(to) &&
    typeof headers["call-id"] === "string" &&
    Number.isSafeInteger(cseq?.seq) &&
    (contact === undefined || (Array.isArray(contact) && contact.every(isNameAddr))) &&
    routeIsWhole(headers.route) &&
    routeIsWhole(headers["record-route"])
  );
}

const isNameAddr = (value: unknown): value is NameAddr =>
  typeof value === "object" && value !== null && typeof (value as NameAddr).uri === "string";

const routeIsWhole = (route: RouteAddr[] | undefined): boolean =>
  route === undefined ||
  (Array.isArray(route) && route.every((hop) => (hop.uri as ParsedUri | undefined)?.toString !== undefined));

const isWholeRequest = (message: Partial<SipRequest>): message is SipRequest =>
  typeof message.uri === "string" && message.headers?.cseq.method === message.method;

const isWholeResponse = (message: Partial<SipResponse>): message is SipResponse =>
  message.status !== undefined && message.status >= 100 && message.status < 700;
