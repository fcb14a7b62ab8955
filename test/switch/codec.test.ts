import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import fc from "fast-check";
import {
  encodeCommand,
  eventFields,
  FrameReader,
  percentDecode,
  ProtocolError,
  type Frame,
} from "../../engine/switch/codec.ts";

const fixture = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url));

function read(from: "switch" | "client", chunks: readonly Buffer[]): Frame[] {
  const frames: Frame[] = [];
  const reader = new FrameReader(from);
  for (const chunk of chunks) reader.push(chunk, (frame) => frames.push(frame));
  return frames;
}

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

const cuts = fc.array(fc.nat(), { maxLength: 40 });

describe("ESL frames from the switch", () => {
  const plain = readdirSync(new URL("fixtures/plain", import.meta.url)).map((name) =>
    fixture(`plain/${name}`),
  );
  const real = Buffer.concat([fixture("two-legs.esl.raw"), ...plain]);
  const whole = read("switch", [real]);

  it("are all found in what a real switch sent", () => {
    const kinds = whole.map((frame) => frame.headers.get("content-type"));
    assert.equal(kinds[0], "auth/request");
    assert.equal(kinds.filter((kind) => kind === "text/event-json").length, 27);
    for (const frame of whole.filter(({ body }) => body.length > 0)) {
      assert.ok(eventFields(frame)?.("Event-Name"), frame.body.toString().slice(0, 80));
    }
  });

  it("are the same however the bytes were split", () => {
    fc.assert(
      fc.property(cuts, (at) => {
        assert.deepEqual(read("switch", split(real, at)), whole);
      }),
      { numRuns: 30 },
    );
    assert.deepEqual(
      read(
        "switch",
        Array.from(real, (byte) => Buffer.from([byte])),
      ),
      whole,
    );
  });

  it("are the same for small frames split anywhere, the empty line included", () => {
    const frame = fc
      .tuple(
        fc.stringMatching(/^[A-Za-z-]{1,12}$/),
        fc.stringMatching(/^[ -~]{0,20}$/),
        fc.uint8Array({ maxLength: 30 }),
      )
      .filter(([name]) => name.toLowerCase() !== "content-length")
      .map(([name, value, body]) =>
        Buffer.concat([Buffer.from(`${name}: ${value}\nContent-Length: ${body.length}\n\n`), body]),
      );
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: 6 }), cuts, (frames, at) => {
        const bytes = Buffer.concat(frames);
        const once = read("switch", [bytes]);
        assert.equal(once.length, frames.length);
        assert.deepEqual(read("switch", split(bytes, at)), once);
      }),
    );
  });

  it("never throw anything but a ProtocolError, whatever the bytes", () => {
    const junk = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc
        .array(
          fc.constantFrom("Content-Length", ": ", "-1", "9e9", "12", "\n", "\n\n", "%E9", "\0", "é", "{"),
          { maxLength: 30 },
        )
        .map((parts) => Buffer.from(parts.join(""))),
    );
    fc.assert(
      fc.property(
        fc.array(junk, { maxLength: 5 }),
        fc.constantFrom("switch" as const, "client" as const),
        (chunks, from) => {
          try {
            for (const frame of read(from, chunks)) eventFields(frame)?.("Event-Name");
          } catch (error) {
            assert.ok(error instanceof ProtocolError, String(error));
          }
        },
      ),
    );
  });

  for (const length of [
    "-1",
    "1.5",
    "1e3",
    "0x10",
    "",
    " ",
    "+5",
    "abc",
    "16777217",
    "9999999999",
    "99999999999999999999",
  ]) {
    it(`are refused with a Content-Length of "${length}"`, () => {
      assert.throws(() => read("switch", [Buffer.from(`Content-Length: ${length}\n\n`)]), ProtocolError);
    });
  }

  it("are refused with two Content-Lengths, even equal ones", () => {
    assert.throws(
      () => read("switch", [Buffer.from("Content-Length: 1\ncontent-length: 1\n\nx")]),
      ProtocolError,
    );
  });

  it("are refused when the header block does not end, and the reader then stays refused", () => {
    const reader = new FrameReader("switch");
    assert.throws(() => {
      for (let i = 0; i < 100; i++) reader.push(Buffer.alloc(1000, "x"), () => {});
    }, ProtocolError);
    assert.throws(() => reader.push(Buffer.from("Content-Type: auth/request\n\n"), () => {}), ProtocolError);
  });

  it("may have a body of 16 MiB, which takes as long as its bytes and not their square", () => {
    const body = Buffer.alloc(16 * 1024 * 1024, "x");
    const head = Buffer.from(`Content-Type: api/response\nContent-Length: ${body.length}\n\n`);
    const chunks = [head];
    for (let at = 0; at < body.length; at += 1000) chunks.push(body.subarray(at, at + 1000));
    const [frame] = read("switch", chunks);
    assert.ok(frame?.body.equals(body));
  }).timeout(5000);
});

describe("An event's fields", () => {
  it("survive a caller whose name is not UTF-8", () => {
    assert.equal(percentDecode("Jos%E9"), "Jos\ufffd");
    assert.equal(percentDecode("100% busy %zz %4"), "100% busy %zz %4");
    assert.equal(percentDecode("Wanjir%C5%A9%20%F0%9F%98%80"), "Wanjirũ 😀");
    const body = Buffer.from("Event-Name: CHANNEL_CREATE\nCaller-Caller-ID-Name: Jos%E9\n\n");
    const head = Buffer.from(`Content-Length: ${body.length}\nContent-Type: text/event-plain\n\n`);
    const [frame] = read("switch", [head, body]);
    assert.equal(eventFields(frame!)?.("Caller-Caller-ID-Name"), "Jos\ufffd");
  });

  it("are decoded without throwing, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("%", "E", "9", "4", "a", " ", "é") }), (text) => {
        assert.equal(typeof percentDecode(text), "string");
      }),
    );
  });

  it("are those that a JSON parser finds, whatever is in them", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.constantFrom('"', "\\", ",", ":", "{", "}", "a", "é", '"a":"') }),
    );
    const name = fc.oneof(
      fc.constantFrom("a", "Unique-ID"),
      text.map((word) => word.replace(/[^ -~]/g, "")),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.oneof(text, fc.array(text)))), (pairs) => {
        const event = { "Event-Name": "X", ...Object.fromEntries(pairs) };
        const headers = new Map([["content-type", "text/event-json"]]);
        const body = Buffer.from(JSON.stringify(event));
        const fields = eventFields({ firstLine: "", headers, body });
        for (const [key, value] of Object.entries(JSON.parse(body.toString()) as typeof event)) {
          // No name that is asked for begins otherwise; one that begins with a comma could be found inside an array.
          if (!/^[A-Za-z_]/.test(key) || JSON.stringify(key) !== `"${key}"`) continue;
          assert.equal(fields?.(key), typeof value === "string" ? value : undefined);
        }
        assert.equal(fields?.("not there"), undefined);
      }),
      { numRuns: 2000 },
    );
  });

  it("are own strings only", () => {
    const text = '{"Event-Name":"X","n":1,"list":["a"],"__proto__":"odd"}';
    const frame = {
      firstLine: "",
      headers: new Map([["content-type", "text/event-json"]]),
      body: Buffer.from(text),
    };
    const fields = eventFields(frame);
    assert.deepEqual(
      ["Event-Name", "n", "list", "toString", "__proto__"].map((name) => fields?.(name)),
      ["X", undefined, undefined, undefined, "odd"],
    );
  });
});

describe("A command", () => {
  const argument = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({ unit: fc.constantFrom("\r", "\n", "\0", " ", ":", "a", "\ud800", "é", "api shutdown") }),
  );

  it("is refused, or arrives as exactly one with the same words", () => {
    fc.assert(
      fc.property(argument, argument, (word, value) => {
        let bytes: Buffer;
        try {
          bytes = encodeCommand({ line: `api uuid_kill ${word}`, headers: [["execute-app-arg", value]] });
        } catch (error) {
          assert.ok(error instanceof RangeError);
          return;
        }
        const frames = read("client", [bytes]);
        assert.equal(frames.length, 1);
        assert.equal(frames[0]?.firstLine, `api uuid_kill ${word}`);
        assert.deepEqual([...frames[0].headers], [["execute-app-arg", value]]);
        assert.equal(frames[0].body.length, 0);
      }),
      { numRuns: 2000 },
    );
  });

  for (const [what, text] of [
    ["LF", "a\n\napi shutdown"],
    ["CR", "a\rb"],
    ["NUL", "a\0b"],
    ["half a surrogate pair", "\ud83d"],
  ] as const) {
    it(`with ${what} in it is refused`, () => {
      assert.throws(() => encodeCommand({ line: `api x ${text}` }), RangeError);
      assert.throws(() => encodeCommand({ line: "sendmsg x", headers: [["a", text]] }), RangeError);
      assert.throws(() => encodeCommand({ line: "sendmsg x", headers: [[text, "a"]] }), RangeError);
    });
  }

  it("announces no body", () => {
    assert.throws(
      () => encodeCommand({ line: "sendmsg x", headers: [["Content-Length", "12"]] }),
      RangeError,
    );
    assert.throws(() => encodeCommand({ line: "" }), RangeError);
  });
});
