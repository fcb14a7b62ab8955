import fc from "fast-check";
import { FarEnd, sdp } from "../far-end.ts";
import { canary, hostileText } from "./hostile.ts";

const { host } = FarEnd;

/** What the carrier does with one call. */
export interface CarrierPlan {
  provisional: Message | null;
  final: Message | null;
  /** Within the call, once it is answered. */
  requests: { method: string; headers: string[]; body: string }[];
}

interface Message {
  status: string;
  headers: string[];
  body: string;
}

/** UTF-8, or bytes that are not, a character each. Mostly on one line: else it is several headers, or another message. */
const junk = (good: string): fc.Arbitrary<string> =>
  fc.tuple(hostileText(good), fc.integer({ min: 0, max: 9 })).map(([text, chance]) => {
    const bytes = Buffer.from(text, "utf8").toString("latin1");
    return chance === 0 ? bytes : chance === 1 ? `${bytes}\xff\xfe\xe9` : bytes.replace(/[\r\n\0]+/g, " ");
  });
/** Good more often than not: who is wrong everywhere gets no further than the parser. */
const mostly = <T>(good: T, bad: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(good) }, { weight: 1, arbitrary: bad });
const quoted = (good: string) => junk(good).map((text) => `"${text.replace(/["\\]/g, "\\$&")}"`);
const uri = fc
  .tuple(quoted("Otieno"), mostly("otieno", junk("otieno")), mostly("a", junk("a")))
  .map(([name, user, parameter]) => `${name} <sip:${user}@${host};x=${parameter}>`);
const reasonPhrase = junk("OK");

const header: fc.Arbitrary<string> = fc.oneof(
  uri.map((value) => `P-Asserted-Identity: ${value}`),
  uri.map((value) => `Remote-Party-ID: ${value};party=called;privacy=off`),
  uri.map((value) => `Diversion: ${value};reason=unconditional`),
  uri.map((value) => `Alert-Info: ${value}`),
  uri.map((value) => `Call-Info: ${value};answer-after=0`),
  uri.map((value) => `Referred-By: ${value}`),
  uri.map((value) => `Replaces: ${value}`),
  junk("Otieno").map((value) => `X-FS-Display-Name: ${value}`),
  junk("254722000001").map((value) => `X-FS-Display-Number: ${value}`),
  junk("update_display").map((value) => `X-FS-Support: update_display,${value}`),
  junk("leg_01j00000000000000000000001").map((value) => `X-Sautikit-Ticket: ${value}`),
  junk("1").map((value) => `X-${canary}: ${value}`),
  junk("execute_on_answer=park").map((value) => `X-origination_uuid: ${value}`),
  junk("text").map((value) => `Reason: Q.850;cause=16;text="${value}"`),
  junk("17").map((value) => `Reason: Q.850;cause=${value}`),
  junk("Asterisk").map((value) => `User-Agent: ${value}`),
  junk("Asterisk").map((value) => `Server: ${value}`),
  junk("399").map((value) => `Warning: 399 ${host} "${value}"`),
  junk("100rel").map((value) => `Require: ${value}`),
  junk("60").map((value) => `Session-Expires: ${value}`),
  junk("Digest").map((value) => `Proxy-Authenticate: Digest realm="${value}", nonce="${value}"`),
  junk("x").map((value) => `Contact: <sip:${value}@${host}>`),
  junk("x").map((value) => `Record-Route: <sip:${value}@${host};lr>`),
  junk("Otieno").map((value) => `To: "${value}" <sip:otieno@${host}>;tag=far`),
  junk("1").map((value) => `CSeq: ${value} INVITE`),
  junk("0").map((value) => `Content-Length: ${value}`),
  fc.constantFrom(
    "Content-Length: -1",
    "Content-Length: 999999999",
    "Content-Type: text/plain",
    "Expires: -1",
  ),
  junk("origination_uuid=1").map((value) => `X-FS-Refer-Params: ${value}`),
  junk(host).map((value) => `X-AUTH-IP: ${value}`),
  junk("2").map((value) => `P-Key-Flags: keys="${value}"`),
  junk("Karibu").map((value) => `Subject: ${value}`),
  junk("Header: value"),
);
const headers = fc.array(header, { maxLength: 3 });

const sdpLine: fc.Arbitrary<string> = fc.oneof(
  junk("-").map((value) => `s=${value}`),
  junk("audio").map((value) => `m=${value} 40000 RTP/AVP 0`),
  junk("40000").map((value) => `m=audio ${value} RTP/AVP 0`),
  junk(host).map((value) => `c=IN IP4 ${value}`),
  junk("rtpmap:0 PCMU/8000").map((value) => `a=${value}`),
  junk("rtpmap:96").map((value) => `a=rtpmap:96 ${value}/8000`),
  junk("crypto:1").map((value) => `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${value}`),
  junk("candidate").map((value) => `a=candidate:1 1 UDP 1 ${value} 1 typ host`),
  fc.constantFrom(
    "m=audio 0 RTP/AVP 0",
    "m=audio 99999 RTP/AVP 0 8 101",
    "a=sendonly",
    "c=IN IP6 ::1",
    "m=image 1 udptl t38",
  ),
);
const body: fc.Arbitrary<string> = fc.oneof(
  fc.constant(sdp),
  fc.array(sdpLine, { minLength: 1, maxLength: 4 }).map((lines) => `${sdp}${lines.join("\r\n")}\r\n`),
  fc.tuple(sdpLine, fc.integer({ min: 0, max: 5 })).map(([line, at]) => {
    const lines = sdp.split("\r\n");
    lines[at] = line;
    return lines.join("\r\n");
  }),
  junk("v=0"),
);

const provisional = fc.record({
  status: fc.tuple(fc.constantFrom(180, 183, 199), reasonPhrase).map(([code, phrase]) => `${code} ${phrase}`),
  headers,
  body: fc.oneof(fc.constant(""), body),
});
const contact = `Contact: <sip:otieno@${host}`;
const final = (port: number) =>
  fc.oneof(
    fc.record({
      status: reasonPhrase.map((phrase) => `200 ${phrase}`),
      headers: headers.map((list) =>
        list.some((line) => line.startsWith("Contact:")) ? list : [...list, `${contact}:${port}>`],
      ),
      body,
    }),
    fc.record({
      status: fc
        .tuple(
          fc.constantFrom(
            300,
            302,
            380,
            400,
            401,
            404,
            407,
            408,
            415,
            422,
            480,
            486,
            487,
            491,
            500,
            503,
            603,
            699,
          ),
          reasonPhrase,
        )
        .map(([code, phrase]) => `${code} ${phrase}`),
      headers,
      body: fc.constant(""),
    }),
    fc.record({ status: junk("200"), headers, body: fc.oneof(fc.constant(""), body) }),
  );
const withBody = (type: string, content: fc.Arbitrary<string>) =>
  fc
    .tuple(headers, content)
    .map(([list, text]) => ({ headers: [...list, `Content-Type: ${type}`], body: text }));
const request = fc.oneof(
  withBody(
    "application/dtmf-relay",
    junk("5").map((digit) => `Signal=${digit}\r\nDuration=160\r\n`),
  ).map((more) => ({ method: "INFO", ...more })),
  withBody("application/dtmf", junk("5")).map((more) => ({ method: "INFO", ...more })),
  withBody(
    "message/update_display",
    junk("Otieno").map((name) => `display: ${name}|${name}`),
  ).map((more) => ({ method: "INFO", ...more })),
  withBody("message/sipfrag", junk("SIP/2.0 200 OK")).map((more) => ({ method: "NOTIFY", ...more })),
  withBody("text/plain", junk("Karibu")).map((more) => ({ method: "MESSAGE", ...more })),
  withBody("application/sdp", body).map((more) => ({ method: "INVITE", ...more })),
  withBody("application/sdp", body).map((more) => ({ method: "UPDATE", ...more })),
  withBody("freeswitch/data", junk("a: b")).map((more) => ({ method: "INFO", ...more })),
  fc
    .tuple(headers, uri)
    .map(([list, target]) => ({ method: "REFER", headers: [...list, `Refer-To: ${target}`], body: "" })),
  fc.tuple(headers, junk("BYE")).map(([list, method]) => ({ method, headers: list, body: "" })),
);

export const carrierPlans = (port: number): fc.Arbitrary<CarrierPlan> =>
  fc.record({
    provisional: fc.option(provisional),
    final: fc.option(final(port), { freq: 8 }),
    requests: fc.array(request, { maxLength: 3 }),
  });

/** Of a leg of ours, of FreeSWITCH's own chat protocols (CVE-2026-116779: `api+` runs what follows), of an application. */
const namesWithPower = [
  ...[
    "leg_01j00000000000000000000001",
    "api",
    "api+status",
    `api+eval%20${canary}`,
    `api+system%20${canary}`,
  ],
  ...[
    "api%2Bstatus",
    `GLOBAL_SMS+${canary}`,
    `conf+${canary}`,
    `sip+${canary}`,
    `event+${canary}`,
    "&park()",
    "park+6000",
  ],
];
const eventPackages = [
  "presence",
  "message-summary",
  "dialog",
  "refer",
  "talk",
  "hold",
  "conference",
  "line-seize",
  "call-info",
];

/** What nobody asked for: whole datagrams from the carrier's address to the switch's SIP port. */
export const unsolicited = (from: { port: number }, to: { port: number }): fc.Arbitrary<string> =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .record({
          method: fc.constantFrom(
            ...["INVITE", "INVITE", "MESSAGE", "MESSAGE", "SUBSCRIBE", "REGISTER", "OPTIONS", "NOTIFY"],
            ...["REFER", "INFO", "PUBLISH", "BYE", "UPDATE"],
          ),
          // A number that somebody has, one that nobody has, and what is none.
          user: mostly(
            "+254200000001",
            fc.oneof(fc.constant("+254711000001"), junk("+254200000001"), fc.constantFrom(...namesWithPower)),
          ),
          caller: uri,
          callee: uri,
          callId: fc.oneof(fc.uuid(), junk("call"), fc.constant("leg_01j00000000000000000000001")),
          branch: fc.uuid(),
          headers,
          body: mostly(sdp, fc.oneof(fc.constant(""), body)),
          expires: mostly("60", junk("60")),
          event: fc.oneof(fc.constantFrom(...eventPackages), junk("presence")),
        })
        .map((parts) => requestText(parts, from, to)),
    },
    { weight: 1, arbitrary: junk("OPTIONS sip:a SIP/2.0\r\n") },
    {
      weight: 1,
      arbitrary: fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
    },
  );

function requestText(
  parts: {
    method: string;
    user: string;
    caller: string;
    callee: string;
    callId: string;
    branch: string;
    headers: string[];
    body: string;
    expires: string;
    event: string;
  },
  from: { port: number },
  to: { port: number },
): string {
  const { method, body: content } = parts;
  const lines = [
    `${method} sip:${parts.user.replace(/[\r\n ]/g, "_")}@${host}:${to.port} SIP/2.0`,
    `Via: SIP/2.0/UDP ${host}:${from.port};branch=z9hG4bK${parts.branch}`,
    "Max-Forwards: 70",
    `From: ${parts.caller};tag=${parts.branch}`,
    `To: ${parts.callee}`,
    `Call-ID: ${parts.callId}`,
    `CSeq: 1 ${method}`,
    `${contact}:${from.port}>`,
    `Event: ${parts.event}`,
    `Expires: ${parts.expires}`,
    `Refer-To: ${parts.callee}`,
    ...parts.headers,
    ...(content === "" ? [] : ["Content-Type: application/sdp"]),
    `Content-Length: ${content.length}`,
  ];
  return `${lines.join("\r\n")}\r\n\r\n${content}`;
}
