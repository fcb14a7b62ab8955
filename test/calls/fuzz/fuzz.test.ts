import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { demoPrompt } from "../../../cli/demo/prompt.ts";
import { readAnswer } from "../../../engine/actions/answer.ts";
import { documentSchema, verbs } from "../../../engine/actions/document.ts";
import { startEmbedded, type Embedded } from "../../world/embedded.ts";
import { isLast, spoiltDocument, validDocument, validItems, type Known } from "./documents.ts";

/** Says nothing, so that a `record` ends by itself. */
const isNotHeard = "+254700000007";
const hangsUpAfter3s = "+254700000103";
const numbers = [hangsUpAfter3s, "+254700000486", "+254700000404", "+254200000001"];

/** The same again with SAUTIKIT_SEED. */
const seed = Number(process.env["SAUTIKIT_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** Long enough for the longest of these documents several times over, and far from any that hangs. */
const callMsMax = 60_000;

describe(`documents of every kind (SAUTIKIT_SEED=${seed})`, function () {
  this.timeout(120_000);
  let on: Embedded;
  let web: Server;
  let known: Known;
  /** What the voice URL of a path answers first; to what it is asked then, a hang-up. */
  const answers = new Map<string, string>();

  before(async () => {
    on = await startEmbedded();
    web = createServer((request, response) => {
      const path = request.url ?? "";
      if (path.startsWith("/prompt.wav")) return response.end(demoPrompt());
      return void text(request).then((body) => {
        const isFirst = body.includes('"call.answered"');
        response.end(`{"actions":${(isFirst && answers.get(path)) || '[{"hangup":{}}]'}}`);
      });
    }).listen(0, "127.0.0.1");
    await once(web, "listening");
    const { port } = web.address() as AddressInfo;
    const base = `http://127.0.0.1:${port}`;
    known = {
      prompt: `${base}/prompt.wav`,
      voice: `${base}/voice`,
      socket: `ws://127.0.0.1:${port}/`,
      numbers,
    };
  });
  after(async () => {
    const output = on.sautikit.output();
    const runs = on.sautikit.running;
    await on.end();
    web.closeAllConnections();
    web.close();
    assert.ok(runs, output);
    assert.doesNotMatch(output, /Unhandled|"level":(50|60)/, output);
  });

  /** Each verb has its share, so that one that is new is among them by itself. */
  function samples<T>(
    numRuns: number,
    of: (verb: string) => fc.Arbitrary<T>,
  ): { verb: string; document: T }[] {
    return Object.values(verbs).flatMap(({ name }, index) =>
      fc.sample(of(name), { numRuns, seed: seed + index }).map((document) => ({ verb: name, document })),
    );
  }
  const valid = (verb: string) => validDocument(validItems(known), verb);
  const spoilt = (verb: string) => spoiltDocument(valid(verb));
  const place = (to: string, more: string) =>
    fetch(`${on.baseUrl}/v1/calls`, {
      method: "POST",
      headers: { authorization: `Bearer ${on.demo.api_key}`, "content-type": "application/json" },
      body: `{"from":"${on.demo.number}","to":"${to}",${more}}`,
      signal: AbortSignal.timeout(20_000),
    });
  const who = (verb: string) => (isLast(verb) ? hangsUpAfter3s : isNotHeard);

  it("are taken or refused at the POST, by a field, and never a fault of ours", async () => {
    let refusals = 0;
    for (const { document } of samples(60, spoilt)) {
      const response = await place(hangsUpAfter3s, `"actions":${document}`);
      const answer = (await response.json()) as { id?: string; error?: { fields?: { field: string }[] } };
      const isValid = documentSchema.safeParse(JSON.parse(document)).success;
      const what = `${response.status} ${JSON.stringify(answer).slice(0, 500)} for ${document.slice(0, 500)}`;
      if (response.status === 201) {
        assert.ok(isValid, what);
        await on.customer.ask("POST", `/v1/calls/${answer.id}/hangup`);
        continue;
      }
      refusals++;
      assert.ok(isValid ? [400, 403, 422].includes(response.status) : response.status === 400, what);
      const fields = answer.error?.fields ?? [];
      assert.ok(fields.length > 0 && fields.every(({ field }) => field.startsWith("actions")), what);
    }
    assert.ok(refusals > Object.keys(verbs).length * 30, `${refusals} refusals`);
  });

  it("that are valid run to an end, from the POST and from a voice URL", async () => {
    const placed = samples(2, valid).map(async ({ verb, document }, index) => {
      const written = JSON.stringify(document);
      const path = `/valid/${index}`;
      if (index % 3 === 0) answers.set(path, written);
      const more =
        index % 3 === 0
          ? `"voice_callback_url":"${new URL(path, known.voice).href}"`
          : `"actions":${written}`;
      const response = await place(who(verb), more);
      const { id, ...refusal } = (await response.json()) as { id: string };
      // A number may be one that is not to be dialled, or not to be shown; a device may be nobody's.
      if (
        [400, 403, 422].includes(response.status) &&
        /e164|not_(owned|allowed)|sip_not_found/.test(JSON.stringify(refusal))
      )
        return false;
      assert.equal(response.status, 201, `${JSON.stringify(refusal)} for ${written}`);
      const call = await on.customer.ended(id, callMsMax).catch((error: unknown) => {
        throw new Error(`${written}: ${String(error)}`);
      });
      const kinds = call.events.map(({ kind }) => kind);
      assert.ok(
        kinds.includes("action.started") && !kinds.includes("document.invalid"),
        `${written}: ${kinds.join()}`,
      );
      return true;
    });
    const ran = (await Promise.all(placed)).filter(Boolean).length;
    assert.ok(ran > placed.length * 0.6, `${ran} of ${placed.length}`);
  });

  it("that are not valid end a call that a voice URL gave them to: why is told, by a path", async () => {
    const invalid = samples(3, spoilt).filter(
      ({ document }) => readAnswer(`{"actions":${document}}`).kind === "invalid",
    );
    assert.ok(invalid.length > Object.keys(verbs).length);
    await Promise.all(
      invalid.map(async ({ document }, index) => {
        const path = `/invalid/${index}`;
        answers.set(path, document);
        const response = await place(isNotHeard, `"voice_callback_url":"${new URL(path, known.voice).href}"`);
        const { id } = (await response.json()) as { id: string };
        const call = await on.customer.ended(id, callMsMax);
        const told = call.events.find(({ kind }) => kind === "document.invalid")?.payload;
        const what = `${JSON.stringify(told ?? call.events)} for ${document.slice(0, 500)}`;
        assert.ok(String(told?.["path"]).startsWith("actions") && told?.["reason"] !== "", what);
        assert.equal(call.events.filter(({ kind }) => kind === "action.started").length, 1, "the apology");
      }),
    );
  });
});
