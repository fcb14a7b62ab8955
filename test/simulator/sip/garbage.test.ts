import assert from "node:assert/strict";
import fc from "fast-check";
import { parseMessage } from "../../../engine/simulator/sip/message.ts";
import { readSdp } from "../../../engine/simulator/sip/sdp.ts";
import { agent, answeredCall, closeAgents, mediaOf } from "./agents.ts";
import { offer, RawPeer } from "./raw-peer.ts";

const invite = [
  "INVITE sip:otieno@127.0.0.1 SIP/2.0",
  "Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK-1;rport",
  'From: "Wanjiru" <sip:wanjiru@127.0.0.1>;tag=w1',
  "To: <sip:otieno@127.0.0.1>",
  "Call-ID: c1",
  "CSeq: 1 INVITE",
  "Contact: <sip:wanjiru@127.0.0.1>",
  "Record-Route: <sip:127.0.0.1:5090;lr>",
  'Reason: Q.850;cause=16;text="x"',
  `Content-Length: ${offer.length}`,
  "",
  offer,
].join("\r\n");

describe("garbage", function () {
  this.timeout(10_000);
  let peer: RawPeer;
  beforeEach(async () => {
    peer = await RawPeer.open();
  });
  afterEach(async () => {
    await closeAgents();
    peer.close();
  });

  /** Any bytes, and a good message with some bytes changed, lost or added. */
  const damaged = (whole: string): fc.Arbitrary<Buffer> =>
    fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc
        .tuple(
          fc.nat(whole.length),
          fc.nat(40),
          fc.oneof(fc.string({ maxLength: 40 }), fc.constantFrom("\r\n", ";", ",", "<", '"', "%", "@")),
        )
        .map(([at, cut, put]) => Buffer.from(whole.slice(0, at) + put + whole.slice(at + cut))),
    );

  it("is never taken for a SIP message that would throw", () => {
    const whole = invite;
    fc.assert(
      fc.property(damaged(whole), (bytes) => {
        const message = parseMessage(bytes);
        if (message) readSdp(message.content, ["PCMU", "PCMA"]);
      }),
      { numRuns: 3000 },
    );
  });

  it("leaves an agent working, whatever the datagram", async () => {
    const kisumu = await agent();
    kisumu.onInvite((call) => call.reject(486));
    const methods = fc.constantFrom("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "PRACK");
    let branch = 0;
    await fc.assert(
      fc.asyncProperty(
        methods.chain((method) => damaged(peer.request(method, { body: offer }))),
        async (bytes) => {
          peer.send(bytes, kisumu.port);
          branch += 1;
          peer.send(peer.request("OPTIONS", { branch: `alive-${branch}`, seq: branch }), kisumu.port);
          await peer.take("SIP/2.0 200");
        },
      ),
      { numRuns: 300 },
    );
  });

  it("on the RTP port leaves the call as it was", async () => {
    const { wanjiru, otieno } = await answeredCall(await agent(), await agent());
    const rtp = mediaOf(otieno);
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc.uint8Array({ minLength: 2, maxLength: 200 }).map((tail) => Uint8Array.of(0xbf, 101, ...tail)),
    );
    fc.assert(
      fc.property(bytes, (each) => peer.send(each, rtp.localPort)),
      { numRuns: 300 },
    );
    mediaOf(wanjiru).sendDigits("7");
    const digit = await new Promise((resolve) => rtp.onDigit((each) => each === "7" && resolve(each)));
    assert.equal(digit, "7");
    assert.equal(otieno.state, "answered");
  });
});
