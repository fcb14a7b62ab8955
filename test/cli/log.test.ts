import assert from "node:assert/strict";
import fc from "fast-check";
import { configuredSecrets } from "../../cli/config.ts";
import { createLog } from "../../cli/log.ts";
import { maskNumber } from "../../cli/log-mask.ts";

/** What is written of that, as text and as JSON. */
function logged(facts: object, message = "x", secrets: readonly string[] = []) {
  let line = "";
  createLog("debug", { secrets, out: { write: (text) => void (line += text) } }).debug(facts, message);
  return { line, facts: JSON.parse(line) as Record<string, unknown> };
}

const key = `tskey_live_${"aB3-".repeat(10)}xyz`;
const token = "Zm9v-YmFyYmF6cXV4_cXV1eHF1dXV4cXV1dXV4cXV1dQ";
const ha1 = "0123456789abcdef0123456789abcdef";
const hidden: Record<string, [secret: string, said: string]> = {
  "an API key": [key, `the key ${key} is old`],
  "an Authorization header": [token, `Authorization: Bearer ${token}`],
  "a login by Basic": ["c2FmYXJpY29tOng=", "Authorization: Basic c2FmYXJpY29tOng="],
  "a SIP login": [ha1, `Digest username="otieno", response="${ha1}", nonce="q"`],
  "a webhook's secret": ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
  "a session's or a link's token": [token, `https://sautikit.example/sign-in/${token}`],
  "a token in a query": ["short-token", "GET /x?a=b&token=short-token&c=d"],
  "a presigned URL's signature": ["0a1b2c", "https://s3/x?X-Amz-Expires=3600&X-Amz-Signature=0a1b2c"],
  "a database's password": ["pw", "cannot reach postgres://sautikit:pw@db.example:5432/sautikit"],
  "the event socket's login": ["kifaru-8", "auth kifaru-8"],
  "a login of the switch's directory": ["abc", '<param name="a1-hash" value="abc"/>'],
  "an HA1": [ha1, `of ${ha1}, which is known`],
  "a SIP password": ["aBcDeFgHjKmNpQrStUvWxYz2", "aBcDeFgHjKmNpQrStUvWxYz2"],
  "the payer in Safaricom's id": ["712345678", "ws_CO_30112026101112345712345678"],
  "a JSON field within a text": ["kifaru", '{"password":"kifaru","a":1}'],
  "what a parser could not read": ["said aloud", `Unexpected token 'W', "said aloud" is not valid JSON`],
};
const numbers: Record<string, [said: string, masked: string]> = {
  "of a mobile": ["called +254712345678 at once", "called +2547*****678 at once"],
  "with spaces": ["+254 712 345 678", "+2547*****678"],
  "in a SIP URI": ["sip:254712345678@203.0.113.9", "sip:2547*****678@203.0.113.9"],
  "as it is dialled": ["0712345678 is busy", "07*****678 is busy"],
  "in a path": ["/v1/rates/%2B254712345678", "/v1/rates/%2B2547*****678"],
  "behind a line break": ["at\n254712345678", "at\n2547*****678"],
  "of seven digits": ["+2547123", "+****123"],
};

describe("a log line", () => {
  for (const [what, [secret, said]] of Object.entries(hidden)) {
    it(`has nothing of ${what}`, () => {
      for (const { line } of [
        logged({}, said),
        logged({ deep: { er: [{ than: said }] } }),
        logged({ err: new Error("x", { cause: new Error(said) }) }),
        logged({ err: Object.assign(new Error(said), { detail: said }) }),
      ])
        assert.ok(!line.includes(secret), line);
    });
  }

  for (const [how, [said, masked]] of Object.entries(numbers)) {
    it(`has a phone number ${how} with its middle taken out`, () => {
      assert.equal(logged({ said }).facts["said"], masked);
      assert.equal(logged({}, said).facts["msg"], masked);
    });
  }

  it("has no value of a field that is named like a secret, or a body, however deep", () => {
    for (const name of [
      "password",
      "eslPassword",
      "secretAccessKey",
      "consumer_secret",
      "ha1",
      "cookie",
      "body",
    ]) {
      const { line } = logged({
        a: { b: { c: { d: { [name]: "kifaru", e: [{ [name]: { f: "kifaru" } }] } } } },
      });
      assert.ok(!line.includes("kifaru"), line);
    }
  });

  it("has no secret of the configuration, nor the password within a URL, as it is or percent-encoded", () => {
    const secrets = configuredSecrets({
      DATABASE_URL: "postgres://sautikit:chui%2Fsimba@db/sautikit",
      DARAJA_SECURITY_CREDENTIAL: "nyati+tembo=/==",
      FREESWITCH_URLS:
        "freeswitch://:fisi-wa-kwanza@10.0.0.2:8021?sip=10.0.0.2:5060,freeswitch://:fisi-wa-pili@10.0.0.3",
      S3_BUCKET: "no-secret-bucket",
    });
    for (const said of [
      "fisi-wa-kwanza",
      "fisi-wa-pili",
      "chui/simba",
      "chui%2Fsimba",
      "nyati+tembo=/==",
      encodeURIComponent("nyati+tembo=/=="),
    ]) {
      const { facts } = logged({ said: `of ${said}` }, "x", secrets);
      assert.equal(facts["said"], "of ***");
    }
    assert.equal(logged({ said: "no-secret-bucket" }, "x", secrets).facts["said"], "no-secret-bucket");
  });

  it("keeps what things are found by: ids, traces, times, addresses, amounts, hashes", () => {
    const facts = {
      callId: "call_01kb9n2v3w4x5y6z7a8b9c0d1e",
      credential: "sip_01kb9n2v3w4x5y6z7a8b9c0d1e",
      channel: "3f0cfd2e-11f1-4be2-9b0f-1f6f6dd4a1c2",
      traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
      sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
      atMs: 1_796_032_537_123,
      at: "2026-11-30T05:55:37.123Z",
      source: "203.0.113.204:5060",
      receipt: "SKU4XQ2T0A",
      file: "recordings/leg_01kb9n2v3w4x5y6z7a8b9c0d1e.wav",
      count: 254_712_345_678,
    };
    const { line } = logged(facts);
    assert.deepEqual({ ...(JSON.parse(line) as object), ...facts }, JSON.parse(line));
  });

  it("is one line of JSON, whatever is in it, and no number is whole in it", () => {
    const number = fc.stringMatching(/^\+[1-9]\d{6,14}$/);
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), number, fc.string(), (before, e164, after) => {
        const { line } = logged({ [before]: `${before}${e164} ${after}` }, `${after} ${e164}`);
        assert.equal(line.indexOf("\n"), line.length - 1);
        JSON.parse(line);
        assert.ok(!line.includes(e164), line);
      }),
    );
  });

  it("is written in no time, whatever is in it", () => {
    const said = [', "', "://", "a?x", "+1 ", "ws_CO_", "Digest ", "auth ", "password:"].map((text) =>
      text.repeat(200_000),
    );
    const startedMs = performance.now();
    for (const text of said) logged({ text }, text);
    assert.ok(performance.now() - startedMs < 2_000);
  });
});

describe("a masked phone number", () => {
  it("shows its length, its network, three digits, and hides four at least", () => {
    const shown = ["+254712345678", "254712345678", "0712345678", "712345678", "+25471234", "+2547123"];
    assert.deepEqual(shown.map(maskNumber), [
      ...["+2547*****678", "2547*****678", "07*****678", "7*****678", "+*****234", "+****123"],
    ]);
  });
});
