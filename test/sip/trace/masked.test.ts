import assert from "node:assert/strict";
import fc from "fast-check";
import { maskSip } from "../../../engine/sip/trace/masked.ts";
import { readSip, summaryOf } from "../../../engine/sip/trace/sip-text.ts";
import { StreamMessages } from "../../../engine/sip/trace/stream-messages.ts";

const message = (headers: string[], body: string[] = [], type = "application/sdp") => {
  const head = [
    ...["INVITE sip:+254711000001@sip.example.test SIP/2.0", "Via: SIP/2.0/WSS x;branch=z9hG4bK1"],
    ...["f: <sip:wanjiru@sip.example.test>;tag=1", "t: <sip:+254711000001@sip.example.test>"],
    ...["i: abc@x", "CSeq: 7 INVITE", `Content-Type: ${type}`, ...headers],
  ].join("\r\n");
  return `${head}\r\n\r\n${body.join("\r\n")}`;
};

/** Whose 8 KiB end between the two. */
function cutAfter(header: string, rest: string): string {
  const filled = (length: number) => message([`Subject: ${"x".repeat(length)}`, header + rest]);
  const end = filled(0).indexOf(rest);
  return filled(8_192 - end);
}

describe("a SIP message that is kept", () => {
  const secret = "s3cr3t";
  const hidden: Record<string, string> = {
    "a login": message([`Authorization: Digest username="w", response="${secret}"`]),
    "a login in small letters, with odd blanks": message([`aUTHORIZATION \t:${secret}`]),
    "a login at the edge": message([`Proxy-Authorization: Digest response="${secret}"`]),
    "a login over several lines": message([
      `Authorization: Digest a="b",`,
      ` response="${secret}"`,
      `\t${secret}`,
    ]),
    "a login that ends its lines by LF": message([`Subject: x\nAuthorization: ${secret}`]),
    "a login that ends its lines by CR": message([`Subject: x\rAuthorization: ${secret}`]),
    "a login in the body": message([], [`Authorization: ${secret}`]),
    "a challenge": message([`WWW-Authenticate: Digest nonce="${secret}"`]),
    "a proof of who calls": message([`Identity: ${secret};info=<https://x>`]),
    "that proof in short": message([`y: ${secret}`]),
    "our own ticket": message([`X-Sautikit-Ticket: ${secret}`]),
    "a password in a URI": message([`Contact: <sip:wanjiru:${secret}@10.0.0.1>`]),
    "a password after parameters of the user": message([`Contact: <sip:wanjiru;x=1;y:${secret}@10.0.0.1>`]),
    "a password of nobody": message([`Contact: <sip::${secret}@10.0.0.1>`]),
    "a password of a long name": message([`Contact: <sip:${"w".repeat(200)}:${secret}@10.0.0.1>`]),
    "a password over which the message is cut": cutAfter(`Contact: <sip:wanjiru:${secret}`, "@10.0.0.1>"),
    "a key of SRTP": message([], ["v=0", `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${secret}|2^20`]),
    "a password of ICE": message([], ["v=0", `a=ice-pwd:${secret}`]),
    "a key of SDP": message([], ["v=0", `k=base64:${secret}`]),
    "an SDP line in the head": message([`a=ice-pwd:${secret}`]),
    digits: message([], [`Signal=${secret}`], "application/dtmf-relay"),
    "a body of parts": message([], ["--x", `a=sendrecv ${secret}`], "multipart/mixed;boundary=x"),
    "a body that is packed": message(["Content-Encoding: gzip"], [secret]),
  };
  for (const [what, text] of Object.entries(hidden)) {
    it(`has nothing of ${what}`, () => {
      assert.ok(text.includes(secret));
      const masked = maskSip(text);
      assert.ok(!masked.includes(secret), masked);
      assert.match(masked, /^INVITE sip:\+254711000001@/);
    });
  }

  const identities = ["P-Asserted-Identity", "p-preferred-identity", "Remote-Party-ID"].map(
    (name) => `${name}: "Wanjiru"\r\n <sip:+254722000001@carrier>`,
  );
  for (const privacy of [
    ...["Privacy: id", "privacy : user;critical", "Privacy: none\r\nPrivacy: header", "Privacy:\r\n id"],
    "Remote-Party-ID: <sip:x@y>;party=calling;privacy=full",
  ])
    it(`does not say who hides who they are (${JSON.stringify(privacy)})`, () => {
      for (const headers of [
        [...identities, privacy],
        [privacy, ...identities],
      ])
        assert.doesNotMatch(maskSip(message(headers)), /Wanjiru|254722/);
    });

  it("says who it is where they do not hide it", () => {
    for (const shown of ["Privacy: none", "X-Privacy: id", "Remote-Party-ID: <sip:x@y>;privacy=off"])
      assert.equal(maskSip(message([...identities, shown])).match(/254722000001/g)?.length, 3, shown);
  });

  it("keeps what tells what went wrong", () => {
    const text = message(
      ["Reason: Q.850;cause=16", "X-Mine: 1"],
      ["v=0", "c=IN IP4 10.0.0.1", "m=audio 4000 RTP/AVP 0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc"],
    );
    assert.equal(maskSip(text), text.replace("inline:abc", "***"));
  });

  it("has no control characters, and an end", () => {
    const masked = maskSip(message([`Subject: \0\u001b[2J${"x".repeat(100_000)}`]));
    assert.doesNotMatch(masked, /[\u0000-\u0008\u001b]/);
    assert.ok(masked.length < 8_300);
  });

  it("is masked in no time, whatever is in it", () => {
    const started = performance.now();
    for (const piece of ["sip:", "a=crypto:", " \t", "Authorization", ":", "sip:a:", "sip:;", "\r"])
      maskSip(message([piece.repeat(16_000 / piece.length)]));
    assert.ok(performance.now() - started < 1_000);
  });

  it("is known by its Call-ID, and a response by its request's method", () => {
    assert.deepEqual(readSip(message([])), {
      ...{ method: "INVITE", callId: "abc@x", begins: true, transport: "wss" },
    });
    const ok = message([]).replace(/^.*\r\n/, "SIP/2.0 200 OK\r\n");
    assert.deepEqual([readSip(ok)?.method, readSip(ok)?.begins], ["INVITE", false]);
    assert.deepEqual([message([]), ok].map(summaryOf), [
      "INVITE sip:+254711000001@sip.example.test",
      "200 OK",
    ]);
    for (const not of ["", "GET / HTTP/1.1\r\n\r\n", message([]).replace("CSeq: 7 INVITE", "CSeq: 7 BYE")])
      assert.equal(readSip(not), null);
  });

  it("is none where its head is not text", () => {
    const invite = message(["Subject: x"]);
    for (const [from, to] of [
      ["i: abc@x", "i: abc\0@x"],
      ["i: abc@x", "i: abc\ufffd@x"],
      ["+254711000001", "+2547\0"],
      ["+254711000001", "+2547\ufffd"],
      ["Subject: x", "Subject: \u001b[2J"],
      ["Subject: x", "Subject: \0"],
    ] as const)
      assert.equal(readSip(invite.replace(from, to)), null, JSON.stringify(to));
    const refused = invite.replace(/^.*\r\n/, "SIP/2.0 486 Busy\0\r\n");
    assert.equal(readSip(refused), null);
    // A name in an old alphabet is no reason to lose a call's trace; nor a tab that folds a line.
    assert.ok(readSip(invite.replace("Subject: x", "Subject: \ufffd\r\n\tx")));
  });

  it("of any text is read and masked, and nothing is thrown", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (noise) => {
        for (const text of [noise, message([noise], [noise])]) {
          readSip(text);
          maskSip(text);
        }
      }),
    );
  });
});

describe("SIP in a stream", () => {
  const one = message(["Content-Length: 5"], ["v=0\r\n"]);
  const two = message(["l: 0"]);

  it("is put together from pieces of any size, and taken apart where several came at once", () => {
    for (const size of [1, 7, 100, 10_000]) {
      const streams = new StreamMessages();
      const all = `\r\n\r\n${one}${two}\r\n${one}`;
      const whole: string[] = [];
      for (let at = 0; at < all.length; at += size)
        whole.push(...streams.take("flow", all.slice(at, at + size)));
      assert.deepEqual(whole, [one, two, one], `in pieces of ${size}`);
    }
  });

  it("goes on with the next message where the end of one was lost, and two streams are two", () => {
    const streams = new StreamMessages();
    assert.deepEqual(streams.take("a", one.slice(0, 40)), []);
    // The piece in the other one begins no message, and is read as none.
    assert.deepEqual(streams.take("b", one.slice(40)).map(readSip), [null]);
    assert.deepEqual(streams.take("a", two), [two]);
  });

  it("holds no more than so much of what never ends", () => {
    const streams = new StreamMessages();
    for (let flow = 0; flow < 2_000; flow++) streams.take(String(flow), "INVITE sip:x SIP/2.0\r\n");
    for (let n = 0; n < 100; n++) assert.deepEqual(streams.take("z", "x".repeat(1_000)), []);
    assert.deepEqual(streams.take("z", one), [one]);
  });
});
