import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { demoPrompt } from "../../cli/demo/prompt.ts";
import type { Document } from "../../engine/actions/document.ts";
import { wav } from "../media/wav.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventOf, kindsOf, world, type World } from "./world.ts";

const wanjiru = "+254700000001";
const mib = 1024 * 1024;

/** A second of it in a WAV that says something else of itself. */
function lying(change: (file: Buffer) => void, file = wav({ seconds: 1 })): Buffer {
  change(file);
  return file;
}

/** What a URL serves in place of a prompt, and what is told of it; null: it plays. */
const bombs: Record<string, [file: Buffer, reason: string | null]> = {
  "4 GiB of data in a second": [lying((file) => file.writeUInt32LE(0xffff_ffff, 40)), null],
  "a format chunk of 4 GiB": [lying((file) => file.writeUInt32LE(0xffff_fff0, 16)), "not_audio"],
  "65535 channels": [lying((file) => file.writeUInt16LE(65_535, 22)), "unsupported"],
  "4 GHz": [lying((file) => file.writeUInt32LE(0xffff_ffff, 24)), "unsupported"],
  "a rate without any common measure": [wav({ seconds: 0.01, sampleRate: 191_999 }), null],
  "1 kHz for three hours": [quiet(10 * mib - 100), "too_long"],
  "nothing but chunk headers": [
    Buffer.concat([wav({ seconds: 0 }).subarray(0, 12), Buffer.alloc(8 * mib)]),
    "not_audio",
  ],
  "an MP3 tag of 256 MiB": [
    Buffer.concat([Buffer.from("ID3\x04\0\0\x7f\x7f\x7f\x7f", "latin1"), Buffer.alloc(100)]),
    "not_audio",
  ],
};

function quiet(bytes: number): Buffer {
  const head = wav({ bits: 8, sampleRate: 1000, seconds: 0 });
  head.writeUInt32LE(bytes, 40);
  return Buffer.concat([head, Buffer.alloc(bytes, 128)]);
}

describeOnSwitch("a hostile document", function () {
  this.timeout(120_000);
  let on: World;
  let web: Server;
  let base: string;
  let prompts = 0;
  /** Bytes that a path has been asked to take, and how far its reader went. */
  const written = new Map<string, number>();

  /** For as long as anybody reads. */
  function pour(path: string, response: ServerResponse, piece: Buffer): void {
    const more = () => {
      while (!response.destroyed) {
        written.set(path, (written.get(path) ?? 0) + piece.length);
        if (!response.write(piece)) return;
      }
    };
    response.on("drain", more);
    more();
  }

  function drip(response: ServerResponse, first: Buffer): void {
    response.write(first);
    const timer = setInterval(() => response.write("\0"), 1000);
    response.on("close", () => clearInterval(timer));
  }

  function serve(request: IncomingMessage, response: ServerResponse): void {
    request.resume().on("error", () => undefined);
    response.on("error", () => undefined);
    const path = decodeURIComponent(request.url ?? "").slice(1);
    const bomb = bombs[path]?.[0];
    if (bomb) response.end(bomb);
    else if (path === "prompt.wav") {
      prompts++;
      response.end(demoPrompt());
    } else if (path === "endless.wav") pour(path, response, Buffer.concat([wav(), Buffer.alloc(mib, 1)]));
    else if (path === "drips.wav") drip(response, wav().subarray(0, 100));
    else if (path === "dripping-document") drip(response, Buffer.from('{"actions":[{"hangup":{}}'));
    else if (path === "endless-document")
      pour(path, response, Buffer.from(`{"actions":[{"say":{"text":"${"a".repeat(65_536)}"}},`));
    else response.end(`{"actions":[{"redirect":{"url":"${base}/${path}"}}]}`);
  }

  before(async () => {
    on = await world();
    web = createServer(serve).listen(0, "127.0.0.1");
    await once(web, "listening");
    base = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
  });
  after(async () => {
    web.closeAllConnections();
    web.close();
    await on.end();
  });
  // As many as a workspace may have converted at once: what waits longer than 8 s for its turn is `busy`.
  const together = sideBySide(4);

  const played = async (url: string) => {
    const started = performance.now();
    const call = await on.ended(await on.place({ to: wanjiru, actions: [{ play: { url } }] }), 60_000);
    return { call, ms: performance.now() - started };
  };

  for (const [what, [, reason]] of Object.entries(bombs))
    together(
      `that plays ${what} ${reason === null ? "plays what there is" : `is told ${reason}`}`,
      async () => {
        const { call } = await played(`${base}/${encodeURIComponent(what)}`);
        if (reason === null) assert.ok(kindsOf(call).includes("play.finished"), kindsOf(call).join());
        else assert.equal(eventOf(call, "play.failed").payload["reason"], reason);
        assert.ok(kindsOf(call).includes("document.ended"), "the next action's turn");
      },
    );

  together("that plays ten gigabytes has 10 MiB of them read", async () => {
    const { call } = await played(`${base}/endless.wav`);
    assert.equal(eventOf(call, "play.failed").payload["reason"], "too_large");
    // The rest is what sockets hold.
    assert.ok(written.get("endless.wav")! < 20 * mib, `${written.get("endless.wav")} bytes`);
  });

  together("that plays a byte a second is given up after ten", async () => {
    const { call, ms } = await played(`${base}/drips.wav`);
    const { reason, status, fault } = eventOf(call, "play.failed").payload;
    assert.deepEqual([reason, status, fault], ["fetch_failed", null, "timeout"]);
    assert.ok(ms > 9_500 && ms < 20_000, `${ms} ms`);
  });

  together("that a voice URL drips is none after 5 s, twice", async () => {
    const call = await on.ended(
      await on.place({ to: wanjiru, voiceCallbackUrl: `${base}/dripping-document` }),
      60_000,
    );
    const tries = call.events.filter(({ kind }) => kind === "voice_url.failed");
    assert.deepEqual(
      tries.map(({ payload }) => payload["fault"]),
      ["timeout", "timeout"],
    );
    assert.ok(tries.every(({ payload }) => Number(payload["latency_ms"]) < 7_000));
  });

  together("of ten megabytes is not read to its end, and not valid", async () => {
    const call = await on.ended(
      await on.place({ to: wanjiru, voiceCallbackUrl: `${base}/endless-document` }),
      60_000,
    );
    assert.equal(eventOf(call, "document.invalid").payload["reason"], "is longer than 256 KiB");
    assert.ok(written.get("endless-document")! < 10 * mib, `${written.get("endless-document")} bytes`);
  });

  together("that redirects for ever is ended at the 21st", async () => {
    const call = await on.ended(
      await on.place({ to: wanjiru, actions: [{ redirect: { url: `${base}/again` } }] }),
      60_000,
    );
    assert.equal(call.events.filter(({ kind }) => kind === "call.redirected").length, 20);
    assert.match(String(eventOf(call, "document.invalid").payload["reason"]), /21st redirect/);
  });

  together("that asks for the same prompt fifty times has it fetched once", async () => {
    const nested = Array.from({ length: 10 }, () => ({ play: { url: `${base}/prompt.wav`, loop: 20 } }));
    const actions: Document = Array.from({ length: 50 }, () => ({ getDigits: { timeout: 1, nested } }));
    const ids = await Promise.all(Array.from({ length: 5 }, () => on.place({ to: wanjiru, actions })));
    for (const id of ids) await on.event(id, "play.started");
    for (const id of ids) await on.hangUp(id);
    for (const id of ids) await on.ended(id);
    assert.equal(prompts, 1);
  });
});

describeOnSwitch("a flood of texts", function () {
  this.timeout(120_000);
  let on: World;
  before(async () => {
    on = await world();
  });
  after(() => on.end());

  it("holds up whoever sends it, and nobody else", async () => {
    const theirs = await on.number("+254200000077");
    const long = (call: number, index: number) =>
      `${call} ${index} Habari ya asubuhi. `.repeat(200).slice(0, 3000);
    const flood = await Promise.all(
      Array.from({ length: 30 }, (_, call) =>
        on.place(
          {
            to: wanjiru,
            actions: Array.from({ length: 20 }, (_, index) => ({
              say: { text: long(call, index), loop: 20 },
            })),
          },
          theirs,
        ),
      ),
    );
    await Promise.all(flood.map((id) => on.event(id, "action.started")));

    const id = await on.place({ to: wanjiru, actions: [{ say: { text: "Nambari yako ni moja mbili." } }] });
    const call = await on.ended(id, 60_000);
    const heard = await Promise.all(
      flood.map(async (one) => kindsOf(await on.view(one)).includes("say.started")),
    );

    assert.ok(kindsOf(call).includes("say.finished"), kindsOf(call).join());
    // Taken up in the order of their coming, all of these would have been spoken before it.
    const before = heard.filter(Boolean).length;
    assert.ok(before < flood.length / 2, `${before} of the flood's texts were spoken first`);
    for (const one of flood) await on.hangUp(one, theirs.workspaceId);
    for (const one of flood) await on.ended(one, 60_000);
  });
});
