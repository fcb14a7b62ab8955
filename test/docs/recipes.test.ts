import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import { parseWav } from "../../engine/simulator/media/wav.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { eventually } from "../peers/waiting.ts";
import { Desk, spoken } from "./desk.ts";

const lacks = (["curl", "bash"] as const).find(
  (command) => spawnSync(command, ["--version"], { stdio: "ignore" }).status !== 0,
);
const suite = lacks !== undefined && !process.env["CI"] ? describe.skip : describe;

/** Everything that is run here stands on the pages of docs/recipes/; the tests only wait, and look what came of it. */
suite(`the recipes${lacks === undefined ? "" : ` (skipped: this machine lacks ${lacks})`}`, function () {
  this.timeout(90_000);
  let desk: Desk;
  before(async () => {
    desk = await Desk.open();
  });
  after(() => desk.close());
  // The number leads to one server at a time, so those that are called come one after another, beside those that call.
  const called = sideBySide(1);
  const calling = sideBySide(1);

  called("ivr: menus by key, a wrong key, and a person who picks up or not", async () => {
    const page = await desk.recipe("ivr.md");
    const server = await page.serve();
    const [, callIn, seven, two, star, zero, hangUp, look] = page.blocks("sh");
    await page.sh(callIn);
    const { id } = await desk.call({ direction: "inbound", number: "+254722000001" });
    const [welcome] = await desk.said(id, 1);
    assert.match(welcome!, /^Welcome to Kamau Hardware/);
    await page.sh(seven);
    assert.deepEqual((await desk.said(id, 3)).slice(1), ["That key does nothing here.", welcome]);
    await page.sh(two);
    assert.match((await desk.said(id, 4))[3]!, /^If you know your order's number/);
    await page.sh(star);
    assert.equal((await desk.said(id, 5))[4], welcome);
    await page.sh(zero);
    assert.equal((await desk.said(id, 6))[5], "One moment.");
    const from = "+254722000001";
    await eventually("the operator's voice at the caller's ear", async () => {
      const call = (await desk.carrier()).placed.find((placed) => placed.from === from);
      return call?.heard.some(({ hz }) => hz !== null && Math.abs(hz - 880) < 5) ? true : undefined;
    });
    await page.sh(hangUp);
    const call = await desk.customer.ended(id);
    assert.deepEqual([call.status, call.legs.length], ["completed", 2]);
    assert.equal(call.legs[0]!.cost_minor, 0);
    const onTheCall = await page.sh(look);
    for (const line of ["call.digits 7\n", `say.started ${welcome}\n`])
      assert.ok(onTheCall.includes(line), onTheCall);
    await server.stop();

    // The operator is busy; the caller knows the way, presses 0 before anything is said, and then nothing.
    await page.serve({ OPERATOR: "+254700000486" });
    await page.sh(callIn!.replaceAll(from, "+254722000003"));
    const second = await desk.call({ direction: "inbound", number: "+254722000003" });
    await desk.said(second.id, 1);
    await page.sh(zero);
    const end = await desk.customer.ended(second.id, 40_000);
    assert.deepEqual(spoken(end).slice(1), [
      "One moment.",
      "Nobody is free just now.",
      welcome,
      "No key was pressed. Goodbye.",
    ]);
  });

  called("voice-url.md: its menu tells the time and comes again", async () => {
    const page = await desk.recipe("../voice-url.md");
    // It leaves the signature to webhooks.md.
    const server = await page.serve({}, 200);
    await page.sh(page.blocks("sh")[1]);
    const { id } = await desk.call({ direction: "inbound", number: "+254722000001" });
    const [menu, time, again] = await desk.said(id, 3);
    assert.equal(menu, "Press one for the time, two to hang up.");
    assert.match(time!, /^It is \d\d:\d\d\.$/);
    assert.equal(again, menu);
    assert.equal(spoken(await desk.customer.ended(id, 40_000)).at(-1), "Goodbye.");
    await server.stop();
  });

  calling("steering.md: a call that waits is told something else, and put through", async () => {
    const page = await desk.recipe("../steering.md");
    const told = await page.sh(page.blocks("sh")[0]);
    const id = /"call_id":"(call_[0-9a-z]{26})"/.exec(told)?.[1];
    assert.ok(id !== undefined, told);
    const kinds = (await desk.customer.ended(id)).events.map(({ kind }) => kind);
    const expected = ["document.replaced", "say.finished", "leg.bridged", "call.completed"];
    assert.deepEqual(
      kinds.filter((kind) => expected.includes(kind)),
      expected,
    );
  });

  calling("voice-otp: a code digit by digit, in two languages, once more by key, and checked", async () => {
    const page = await desk.recipe("voice-otp.md");
    const server = await page.serve();
    const [, ask, again, look, inSwahili] = page.blocks("sh");
    const code = (texts: readonly string[]) => texts.filter((text) => /^\d$/.test(text)).join("");
    assert.match(await page.sh(ask), /"call_id":"call_/);
    const { id } = await desk.call({ direction: "outbound", number: "+254700000001" });
    await desk.said(id, 4);
    await page.sh(again);
    await page.sh(inSwahili);
    const swahili = await desk.call({ direction: "outbound", number: "+254700000002" });
    const call = await desk.customer.ended(id, 40_000);
    const texts = spoken(call);
    const repeated = texts.slice(texts.lastIndexOf("Your code is"));
    assert.equal(repeated.length, 9);
    assert.deepEqual([repeated.at(-2), repeated.at(-1)], ["To hear it again press 1.", "Goodbye."]);
    assert.match(code(repeated), /^\d{6}$/);
    assert.ok(texts.length > repeated.length, "it was begun before");

    const heard = (await desk.carrier()).calls.find(({ number }) => number === "+254700000001")!.heard;
    assert.ok(heard.filter(({ level_dbfs: level }) => level !== null && level > -40).length > 0);

    const check = async (phone: string, typed: string) => {
      const asked = look!.replaceAll("+254700000001", phone).replaceAll("471903", typed);
      return (await page.sh(asked)).endsWith('{"ok":true}');
    };
    const wrong = code(repeated) === "000000" ? "000001" : "000000";
    assert.equal(await check("+254700000001", wrong), false);
    assert.equal(await check("+254700000001", code(repeated)), true);
    assert.equal(await check("+254700000001", code(repeated)), false, "a code is spent once");

    const other = await desk.customer.ended(swahili.id, 40_000);
    assert.equal(spoken(other).at(-1), "Kwaheri.");
    assert.ok(
      other.events
        .filter(({ kind }) => kind === "say.started")
        .every(({ payload }) => payload["language"] === "sw-KE"),
    );
    for (const guess of ["1", "2", "3"]) assert.equal(await check("+254700000002", guess), false);
    const right = code(spoken(other));
    assert.match(right, /^\d{6}$/);
    assert.equal(await check("+254700000002", right), false, "after three wrong ones it is dead");
    await server.stop();
  });

  called("voicemail: the owner rings first, then a message is recorded, fetched and whole", async () => {
    const page = await desk.recipe("voicemail.md");
    const server = await page.serve();
    const [, callIn, hash] = page.blocks("sh");
    await page.sh(callIn);
    const { id } = await desk.call({ direction: "inbound", number: "+254722000002" });
    await desk.customer.until(id, "its recording", ({ events }) =>
      events.some(({ kind }) => kind === "recording.started"),
    );
    await eventually("a second of the message", async () => {
      const [recording] = (await desk.customer.ask("GET", `/v1/calls/${id}/recordings`)).body.data as {
        started_at: string | null;
      }[];
      return Date.now() - Date.parse(recording?.started_at ?? "") > 1_000 ? true : undefined;
    });
    await page.sh(hash);
    const call = await desk.customer.ended(id);
    assert.match(spoken(call)[0]!, /^Nobody can take your call/);
    assert.equal(spoken(call)[1], "Thank you. Goodbye.");
    const printed = await eventually("the message", () => {
      const [, line] = /^(\{"from":.*\})$/m.exec(server.output()) ?? [];
      return line;
    });
    const told = JSON.parse(printed) as { from: string; message: string };
    assert.equal(told.from, "+254722000002");
    const [left] = parseWav(await readFile(join(desk.folder, told.message))).channels;
    assert.ok(left!.length > 8_000, "a second at least");
    assert.ok(levelDbfs(left!, 440) > -30, "the caller's hum");
    assert.deepEqual(
      (await readdir(join(desk.folder, "messages"))).map((name) => name.replace(/^rec_\w{26}/, "rec")),
      ["rec.wav"],
    );
    await server.stop();

    await page.serve({ OWNER: "+254700000002" });
    await page.sh(callIn!.replaceAll("+254722000002", "+254722000004"));
    const picked = await desk.call({ direction: "inbound", number: "+254722000004" });
    await desk.customer.until(picked.id, "a talk", ({ events }) =>
      events.some(({ kind }) => kind === "leg.bridged"),
    );
    await page.sh("curl -s -X DELETE $CARRIER/calls/$CALL");
    const talked = await desk.customer.ended(picked.id);
    assert.deepEqual([spoken(talked), talked.legs.flatMap((leg) => leg.recording_ids)], [[], []]);
  });

  calling("campaign: everybody once, also through a crash, a 429 and opting out", async () => {
    const page = await desk.recipe("campaign.md");
    const invitedBefore = (await desk.carrier()).numbers;
    // So that a second call within the second is refused.
    desk.limit("calls_per_second", 1);
    const first = await page.serve();
    const journal = join(desk.folder, "delivery-2026-12-01.jsonl");
    const noted = () => readFile(journal, "utf8").catch(() => "");
    await eventually("its first call", async () => ((await noted()).includes("callId") ? true : undefined), {
      everyMs: 5,
    });
    first.kill("SIGKILL");
    await first.exited();
    // As if it had died between the answer and the note of it: of Achieng there is only that her call began.
    const [began] = (await noted()).split("\n");
    await writeFile(journal, `${began}\n`);

    const again = await page.serve();
    const hearsMessage = async (phone: string) => {
      const { id } = await desk.call({ client_request_id: `delivery-2026-12-01 ${phone}` });
      await desk.said(id, 1);
    };
    await Promise.all(["+254700000001", "+254700000004"].map(hearsMessage));
    const [, press] = page.blocks("sh");
    await page.sh(press);
    assert.deepEqual(await again.exited(), { code: 0, signal: null }, again.output());
    const result = page.blocks("txt").at(-1)!;
    assert.ok(again.output().endsWith(result), again.output());
    assert.match(again.output(), /: 429, again in \d+ s/);
    assert.equal(
      await readFile(join(desk.folder, "opted-out.txt"), "utf8"),
      "+254722000099\n+254700000004\n",
    );
    const { numbers } = await desk.carrier();
    const rang = result
      .trimEnd()
      .split("\n")
      .map((line) => line.split(",")[0]!)
      .map((phone) => (numbers[phone]?.invites ?? 0) - (invitedBefore[phone]?.invites ?? 0));
    assert.deepEqual(rang, [1, 1, 1, 1, 1, 0], "how often each phone rang");
  });
});
