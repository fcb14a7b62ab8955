import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { basename, isAbsolute, join } from "node:path";
import { systemClock } from "../../engine/clock.ts";
import { createEgress } from "../../engine/egress/egress.ts";
import type { WorkspaceId } from "../../engine/ids.ts";
import { MediaError, type MediaFault } from "../../engine/media/media-error.ts";
import { MediaLibrary } from "../../engine/media/media-library.ts";
import { EspeakEngine } from "../../engine/media/speech/espeak-engine.ts";
import { ManualClock } from "../webhooks/manual-clock.ts";
import { until } from "../webhooks/until.ts";
import { hanging, Receiver } from "../webhooks/receiver.ts";
import { quiet } from "../webhooks/world.ts";
import { asked, nobody, noPrompts } from "./no-prompts.ts";
import { amplitude, played, wav } from "./wav.ts";

describe("media: the library", () => {
  let folder: string;
  let receiver: Receiver;
  const libraries: MediaLibrary[] = [];
  const clock = () => new ManualClock();
  interface Options {
    clock?: ManualClock;
    bytesMax?: number;
    allowPrivate?: boolean;
    inUse?: () => Promise<Set<string>>;
  }
  const openWhole = (options: Options = {}) => {
    const time = options.clock ?? systemClock;
    const egress = createEgress({ clock: time, allowPrivate: options.allowPrivate ?? true });
    const bound = options.bytesMax === undefined ? {} : { bytesMax: options.bytesMax };
    const speech = new EspeakEngine({ clock: time });
    const library = new MediaLibrary({
      egress,
      clock: time,
      log: quiet,
      speech,
      prompts: noPrompts,
      inUse: options.inUse ?? nobody,
      directory: folder,
      ...bound,
    });
    libraries.push(library);
    return library;
  };
  const open = (options?: Options) => asked(openWhole(options));
  const serve = (bytes: Uint8Array, headers: Record<string, string> = {}) => {
    receiver.behaviour = (_got, response: ServerResponse) => void response.writeHead(200, headers).end(bytes);
  };
  const refused = (code: MediaFault) => (error: unknown) =>
    error instanceof MediaError && error.code === code;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-media-"));
    receiver = await Receiver.listen();
  });
  afterEach(async () => {
    for (const library of libraries.splice(0)) await library.close();
    await receiver.close();
    await rm(folder, { recursive: true });
  });

  it("gives a customer's WAV as a file of its own name, by content and not by what the server calls it", async () => {
    serve(wav({ sampleRate: 44_100, channels: 2 }), { "Content-Type": "text/html" });

    const { file, durationMs } = await open().prepare({
      url: receiver.url("/karibu.php?x=../../etc/passwd"),
    });

    assert(isAbsolute(file));
    assert.match(basename(file), /^[0-9a-f]{64}\.wav$/);
    assert.equal(durationMs, 1000);
    assert(Math.abs(amplitude(played(await readFile(file)), 440) - 0.5) < 0.02);
    assert.deepEqual(await readdir(folder), [basename(file)]);
  });

  it("gives an MP3", async () => {
    serve(await readFile(join(import.meta.dirname, "fixtures", "tone-440.mp3")));
    const { file, durationMs } = await open().prepare({ url: receiver.url() });
    assert.equal(durationMs, 1000);
    assert(Math.abs(amplitude(played(await readFile(file)).slice(800, 7200), 440) - 0.475) < 0.01);
  });

  it("fetches once for all who ask at once, and plays from the cache while it is fresh", async () => {
    const time = clock();
    const library = open({ clock: time });
    serve(wav({ seconds: 0.1 }), { "Cache-Control": "public, max-age=120" });

    const files = await Promise.all(
      Array.from({ length: 10 }, () => library.prepare({ url: receiver.url() })),
    );
    time.advanceTo(time.nowMs() + 119_000);
    files.push(await library.prepare({ url: receiver.url() }));

    assert.equal(new Set(files.map(({ file }) => file)).size, 1);
    assert.equal(receiver.received.length, 1);
  });

  it("asks again once it is stale, by ETag, and takes what is new", async () => {
    const time = clock();
    const library = open({ clock: time });
    let [etag, bytes] = ['"habari"', wav({ seconds: 0.1 })];
    receiver.behaviour = (got, response) => {
      if (got.headers["if-none-match"] === etag) response.writeHead(304).end();
      else response.writeHead(200, { ETag: etag }).end(bytes);
    };
    const first = await library.prepare({ url: receiver.url() });

    time.advanceTo(time.nowMs() + 61_000);
    const second = await library.prepare({ url: receiver.url() });
    [etag, bytes] = ['"kwaheri"', wav({ seconds: 0.2 })];
    time.advanceTo(time.nowMs() + 61_000);
    const third = await library.prepare({ url: receiver.url() });

    assert.deepEqual(first, second);
    assert.equal(third.durationMs, 200);
    assert.equal(receiver.received.length, 3);
  });

  it("plays what it has while the server fails, and refuses what the server took away", async () => {
    const time = clock();
    const library = open({ clock: time });
    serve(wav({ seconds: 0.1 }), { "Cache-Control": "no-cache" });
    const first = await library.prepare({ url: receiver.url() });

    receiver.behaviour = (_got, response) => void response.writeHead(503).end();
    assert.deepEqual(await library.prepare({ url: receiver.url() }), first);
    receiver.behaviour = (_got, response) => void response.writeHead(404).end();
    await assert.rejects(library.prepare({ url: receiver.url() }), refused("fetch_failed"));
  });

  it("converts the same content once, whatever URL it has, and finds it after a restart", async () => {
    serve(wav({ seconds: 0.1 }));
    const first = await open().prepare({ url: receiver.url("/a") });
    const before = await stat(first.file);

    const second = await open().prepare({ url: receiver.url("/b") });

    assert.deepEqual(second, first);
    assert.equal((await stat(second.file)).ino, before.ino, "not written again");
    assert.deepEqual(await readdir(folder), [basename(first.file)]);
  });

  it("makes a file again that somebody deleted", async () => {
    const library = open();
    serve(wav({ seconds: 0.1 }), { "Cache-Control": "max-age=600", ETag: '"a"' });
    const { file } = await library.prepare({ url: receiver.url() });
    await rm(file);
    assert.deepEqual(await library.prepare({ url: receiver.url() }), { file, durationMs: 100 });
    assert.equal(receiver.received[1]!.headers["if-none-match"], undefined);
  });

  it("keeps within its bound by dropping what was longest unused, never what was just handed out", async () => {
    const time = clock();
    // Each is 44 + 1,600 bytes: three fit.
    const library = open({ clock: time, bytesMax: 5000 });
    const prepare = async (hz: number) => {
      serve(wav({ seconds: 0.1, hz }));
      const { file } = await library.prepare({ url: receiver.url(`/${hz}`) });
      return basename(file);
    };
    const names = [];
    for (const hz of [300, 400, 500]) {
      names.push(await prepare(hz));
      time.advanceTo(time.nowMs() + 30_000);
    }
    await prepare(300);

    const fourth = await prepare(600);

    assert.deepEqual(new Set(await readdir(folder)), new Set([names[0], names[2], fourth]));
    await prepare(700);
    assert.equal((await readdir(folder)).length, 4, "all were handed out within the minute");
  });

  it("keeps what a live call may hear again, however long ago it was handed out, up to four times the bound", async () => {
    const time = clock();
    const loops = new Set<string>();
    let asked = 0;
    let isAway = false;
    const inUse = () => {
      asked++;
      return isAway ? Promise.reject(new Error("The database is away.")) : Promise.resolve(loops);
    };
    const library = open({ clock: time, bytesMax: 5000, inUse });
    const prepare = async (hz: number) => {
      serve(wav({ seconds: 0.1, hz }));
      const { file } = await library.prepare({ url: receiver.url(`/${hz}`) });
      time.advanceTo(time.nowMs() + 62_000);
      return basename(file);
    };
    const there = async () => new Set(await readdir(folder));
    const names = [await prepare(300), await prepare(400), await prepare(500)];
    assert.equal(asked, 0, "there is room");
    loops.add(names[0]!);

    names.push(await prepare(600));
    assert.deepEqual(await there(), new Set([names[0], names[2], names[3]]));

    loops.clear();
    isAway = true;
    names.push(await prepare(700));
    assert.equal((await there()).size, 4, "nobody knows what is in use");

    isAway = false;
    for (let hz = 800; hz < 2400; hz += 100) loops.add(await prepare(hz));
    for (const name of await readdir(folder)) loops.add(name);
    await prepare(2500);
    assert.ok((await there()).size <= 12, `${(await there()).size} files of 1,644 bytes`);
  });

  for (const [what, behaviour, code] of [
    ["a web page", (_got, response) => void response.end("<html>"), "not_audio"],
    ["404", (_got, response) => void response.writeHead(404).end(), "fetch_failed"],
    [
      "a redirect",
      (_got, response) => void response.writeHead(302, { Location: "/b.wav" }).end(),
      "fetch_failed",
    ],
    [
      "half of it",
      (_got, response) =>
        void response.writeHead(200, { "Content-Length": "9999" }).write("RIFF", () => response.destroy()),
      "fetch_failed",
    ],
    ["eleven megabytes", (_got, response) => void response.end(Buffer.alloc(11 * 1024 * 1024)), "too_large"],
  ] satisfies [string, Receiver["behaviour"], MediaFault][]) {
    it(`refuses ${what} as ${code}, and leaves nothing behind`, async () => {
      receiver.behaviour = behaviour;
      await assert.rejects(open().prepare({ url: receiver.url() }), refused(code));
      assert.deepEqual(
        (await readdir(folder)).filter((name) => name.endsWith(".tmp")),
        [],
      );
    });
  }

  it("waits ten seconds for a server that hangs, and not for ever", async () => {
    const time = clock();
    receiver.behaviour = hanging;
    const preparing = open({ clock: time }).prepare({ url: receiver.url() });
    await receiver.told(1);
    time.advanceTo(time.nowMs() + 10_000);
    await assert.rejects(preparing, refused("fetch_failed"));
  });

  const mine = "ws_01j00000000000000000000001";
  const anothers = "ws_01j00000000000000000000002";
  const floodOf = (library: MediaLibrary, workspace: WorkspaceId, count: number, path = "/hangs") =>
    Array.from({ length: count }, (_, index) =>
      library.prepare({ url: receiver.url(`${path}/${workspace}/${index}`) }, workspace).then(
        () => "ready",
        (error: unknown) => (error as MediaError).code,
      ),
    );
  /** Requests that nobody answers. */
  const hang = () => {
    const hung: ServerResponse[] = [];
    receiver.behaviour = (got, response) => {
      if (got.path.startsWith("/hangs")) hung.push(response);
      else response.end(wav({ seconds: 0.1 }));
    };
    return hung;
  };

  it("fetches four at once of a workspace, and another's meanwhile", async () => {
    hang();
    const library = openWhole();
    const flood = floodOf(library, mine, 100);
    const outcomes = Promise.all(flood);
    await receiver.told(4);

    const { durationMs } = await library.prepare({ url: receiver.url("/karibu") }, anothers);

    assert.equal(durationMs, 100);
    assert.equal(receiver.received.length, 5);
    await library.close();
    assert.equal((await outcomes).filter((outcome) => outcome === "busy").length, 32, "beyond 64 that wait");
  });

  it("holds no more of a workspace's files than it fetches at once, while they wait to be converted", async () => {
    let held = 0;
    let heldMax = 0;
    receiver.behaviour = (_got, response) => {
      heldMax = Math.max(heldMax, ++held);
      response.end(wav({ seconds: 0.1, hz: 300 + receiver.received.length }));
    };
    const library = openWhole();
    const flood = floodOf(library, mine, 20, "/plays").map((one) => one.finally(() => held--));
    assert.deepEqual(new Set(await Promise.all(flood)), new Set(["ready"]));
    assert.ok(heldMax <= 4, `${heldMax} at once`);
  });

  it("gives whoever waits for a fetch a turn, whoever else waits for more of them", async () => {
    const hung = hang();
    const library = openWhole();
    // All there are, in all.
    const floods = Array.from({ length: 8 }, (_, index) =>
      floodOf(library, `ws_01j0000000000000000000001${index}` as WorkspaceId, 20),
    ).flat();
    const outcomes = Promise.all(floods);
    await receiver.told(32);
    const other = library.prepare({ url: receiver.url("/karibu") }, anothers);

    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(receiver.received.length, 32);
    hung[0]?.writeHead(404).end();

    assert.equal((await other).durationMs, 100);
    await library.close();
    await outcomes;
  });

  it("refuses as busy what has waited too long for its turn, and asks for none of it", async () => {
    const time = clock();
    receiver.behaviour = hanging;
    const library = openWhole({ clock: time });
    const flood = floodOf(library, mine, 20);
    await receiver.told(4);

    time.advanceTo(time.nowMs() + 10_000);

    const outcomes = await Promise.all(flood);
    assert.equal(outcomes.filter((outcome) => outcome === "fetch_failed").length, 4);
    assert.equal(outcomes.filter((outcome) => outcome === "busy").length, 16);
    assert.equal(receiver.received.length, 4);
  });

  it("has nobody wait in another's line for the same URL", async () => {
    hang();
    const library = openWhole();
    const flood = Promise.all(floodOf(library, mine, 60));
    await receiver.told(4);
    const url = receiver.url("/karibu");
    const [waits, fetched] = [library.prepare({ url }, mine), library.prepare({ url }, anothers)];

    assert.equal((await fetched).durationMs, 100);
    await library.close();
    await flood;
    await assert.rejects(waits);
  });

  it("fetches nothing from inside, where that is not allowed", async () => {
    await assert.rejects(
      open({ allowPrivate: false }).prepare({ url: receiver.url() }),
      refused("fetch_failed"),
    );
    assert.equal(receiver.received.length, 0);
  });

  it("does not hold the event loop up while it converts ten megabytes", async () => {
    // 8-bit at 96 kHz: the most samples that ten megabytes can be, a minute and three quarters of them.
    const source = wav({ bits: 8, sampleRate: 96_000, seconds: 1 });
    const data = Buffer.concat(Array<Buffer>(104).fill(source.subarray(44)));
    serve(Buffer.concat([source.subarray(0, 40), Buffer.alloc(4), data]));
    const library = open();
    const before = performance.eventLoopUtilization();

    const { durationMs } = await library.prepare({ url: receiver.url() });

    const { utilization } = performance.eventLoopUtilization(before);
    assert.equal(durationMs, 104_000);
    // A share, not a time: on the loop, the conversion would be nearly all of it, however busy the machine is.
    assert(utilization < 0.5, `the loop was busy for ${Math.round(utilization * 100)} % of it`);
  }).timeout(20_000);

  it("gives up what it is fetching when it closes", async () => {
    receiver.behaviour = hanging;
    const library = open();
    const refusal = assert.rejects(library.prepare({ url: receiver.url() }), refused("fetch_failed"));
    await receiver.told(1);
    await library.close();
    await refusal;
    await until(() => receiver.open === 0, "no sockets");
  });

  it("ends what it is converting when it closes", async () => {
    const source = wav({ bits: 8, sampleRate: 96_000, seconds: 1 });
    const data = Buffer.concat(Array<Buffer>(104).fill(source.subarray(44)));
    serve(Buffer.concat([source.subarray(0, 40), Buffer.alloc(4), data]));
    const library = open();
    const preparing = library.prepare({ url: receiver.url() });
    const outcome = preparing.then(
      () => "done",
      (error: unknown) => (error as MediaError).code,
    );
    await until(async () => (await readdir(folder)).some((name) => name.endsWith(".tmp")), "a file begun");

    await library.close();

    assert.equal(await outcome, "failed");
    assert.deepEqual(await readdir(folder), []);
  });
});
