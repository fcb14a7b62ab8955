import { strict as assert } from "node:assert";
import fc from "fast-check";
import {
  CommandReader,
  eventFrame,
  percentEncode,
  type EslCommand,
} from "../../../engine/simulator/switch/esl-frames.ts";

const plainly = ({ line, headers, body }: EslCommand) => ({
  line,
  headers: Object.fromEntries(headers),
  body,
});

describe("ESL framing", () => {
  it("reads the same commands however TCP splits them", () => {
    const text =
      "auth secret\n\napi status\r\n\r\n\n\nsendmsg leg_1\ncall-command: execute\nEvent-UUID: tok\n" +
      "Content-Length: 9\n\nChäi\n\nok\nexit\n\n";
    const bytes = Buffer.from(text);
    const whole = new CommandReader().push(bytes).map(plainly);
    assert.equal(whole.length, 4);
    assert.deepEqual(whole[2], {
      line: "sendmsg leg_1",
      headers: { "call-command": "execute", "event-uuid": "tok", "content-length": "9" },
      body: "Chäi\n\nok",
    });
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
        const reader = new CommandReader();
        const edges = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const commands = edges
          .slice(1)
          .flatMap((edge, index) => reader.push(bytes.subarray(edges[index], edge)));
        assert.deepEqual(commands.map(plainly), whole);
      }),
    );
  });

  it("takes any bytes without a throw, and a huge Content-Length with one", () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void new CommandReader().push(Buffer.from(bytes))));
    assert.throws(() => new CommandReader().push(Buffer.from("sendmsg x\nContent-Length: 99999999\n\n")));
  });

  it("encodes what FreeSWITCH encodes, and nothing that it does not", () => {
    assert.equal(
      percentEncode("sofia/external/+254700000001@127.0.0.1:5060 tone_stream://%(400,0,425);loops=-1"),
      "sofia/external/%2B254700000001%40127.0.0.1%3A5060%20tone_stream%3A//%25(400,0,425)%3Bloops%3D-1",
    );
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (value) => {
        const encoded = percentEncode(value);
        assert.match(encoded, /^[!-~]*$/);
        assert.equal(decodeURIComponent(encoded), value);
      }),
    );
  });

  it("gives the length in bytes, and the body of a plain event after a length of its own", () => {
    const event = { name: "BACKGROUND_JOB", headers: new Map([["Job-UUID", "j 1"]]), body: "+OK é\n" };
    assert.equal(
      eventFrame(event, "plain"),
      "Content-Length: 42\nContent-Type: text/event-plain\n\nJob-UUID: j%201\nContent-Length: 7\n\n+OK é\n",
    );
    const [, json = ""] = eventFrame(event, "json").split("\n\n");
    assert.deepEqual(JSON.parse(json), { "Job-UUID": "j 1", "Content-Length": "7", _body: "+OK é\n" });
  });
});
