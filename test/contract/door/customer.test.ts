import assert from "node:assert/strict";
import fc from "fast-check";
import { errorCatalogue } from "../../../engine/errors.ts";
import { switchKind } from "../../peers/switch-under-test.ts";
import type { ApiAnswer, ApiCall } from "../../world/customer.ts";
import { describeContract } from "../report.ts";
import { canary } from "./hostile.ts";
import { askOfCall, callRequests, type CallRequest } from "./requests.ts";
import { inLanes, seed } from "./runs.ts";
import { WatchedWorld } from "./watched-world.ts";

const runs = Number(process.env["SAUTIKIT_RUNS"] ?? (switchKind === "freeswitch" ? 400 : 100));

describeContract("the door at the switch: whatever a customer sends", function () {
  this.timeout(240_000);
  let watched: WatchedWorld;
  const taken: { request: CallRequest; call: ApiCall }[] = [];
  const refused: { request: CallRequest; answer: ApiAnswer }[] = [];

  before(async () => {
    watched = await WatchedWorld.start();
    const { inbox } = watched.world;
    const requests = fc.sample(callRequests({ events: inbox.url, prompt: inbox.promptUrl }), {
      numRuns: runs,
      seed,
    });
    await inLanes(16, requests, place);
  });
  after(() => watched.end());

  async function place(request: CallRequest, index: number): Promise<void> {
    const { customer } = watched.world;
    const headers = { "idempotency-key": `${index} ${request.idempotencyKey}` };
    const answer = await customer.ask("POST", "/v1/calls", { body: request.body, headers });
    if (answer.status !== 201) return void refused.push({ request, answer });
    const id = String(answer.body.id);
    for (const { method, path, body } of fc.sample(askOfCall(id), { numRuns: 3, seed: seed + index })) {
      const other = await customer.ask(method, path, { body });
      assert.ok(
        other.status < 500,
        `${method} ${path} ${JSON.stringify(body)}: ${JSON.stringify(other.body)}`,
      );
    }
    taken.push({ request, call: await customer.ended(id, 40_000) });
  }

  it("is refused by a stable code that names the field, or taken", () => {
    assert.ok(refused.length > runs / 10 && taken.length > runs / 10, `${refused.length}, ${taken.length}`);
    for (const { request, answer } of refused) {
      const what = `${JSON.stringify(request)}: ${answer.status} ${JSON.stringify(answer.body)}`;
      assert.ok(answer.status >= 400 && answer.status < 500, what);
      const { code, fields = [] } = answer.body.error as { code: string; fields?: { field: string }[] };
      assert.ok(Object.hasOwn(errorCatalogue, code), what);
      if (code === "idempotency.invalid_key") continue;
      assert.ok(fields.length > 0, what);
      for (const { field } of fields)
        assert.ok(
          // A name that is no text (half a surrogate pair) is told as text.
          request.spoilt
            .map((name) => name.toWellFormed())
            .some(
              (name) =>
                field.startsWith(name) ||
                // A name without end is told by its beginning, cut maybe within a pair.
                (field.endsWith("…") && name.startsWith(field.slice(0, -2))) ||
                // What may be recorded depends on how many are rung.
                (field === "record" && name === "to"),
            ),
          `${field} was good: ${what}`,
        );
    }
  });

  it("is data where it is taken: it comes back as it was sent", () => {
    for (const { request, call } of taken) {
      const { from, to, client_request_id: label = null, metadata = null } = request.body;
      const seen = call as unknown as Record<string, unknown>;
      const got = [
        seen["from"],
        call.legs[0]?.to,
        seen["client_request_id"] ?? null,
        seen["metadata"] ?? null,
      ];
      const sent = [from, [to].flat()[0], label, metadata];
      assert.deepEqual(got, JSON.parse(JSON.stringify(sent)));
    }
  });

  it("gives the switch no command but ours, with ids, numbers and integers in it, and nothing of the customer's text", () => {
    watched.checkCommands();
    const { apis, applications } = watched.ran;
    const everything = [
      ...watched.commands,
      ...apis,
      ...applications,
      ...watched.log.map(({ text }) => text),
    ];
    assert.deepEqual(
      everything.filter((text) => text.includes(canary)),
      [],
    );
  });

  it("dials nobody but whom a taken request named", () => {
    const named = taken.flatMap(({ call }) => call.legs.map(({ to }) => to));
    const asked = JSON.stringify(taken.map(({ request }) => request.body));
    assert.deepEqual(
      watched.dialled.filter((number) => !named.includes(number) || !asked.includes(`"${number}"`)),
      [],
    );
    assert.ok(watched.dialled.length >= taken.length * 0.9);
  });

  it("is charged, told and recorded as the independent auditor finds it", async () => {
    const findings = await watched.world.auditor.audit();
    // How long to 100 ms is for suites with less to do at once, and with a switch that logs less than this one.
    assert.deepEqual(
      findings.filter((line) => !/: lasts \d+ ms, and \d+ ms were to be recorded$/.test(line)),
      [],
    );
  });

  it("leaves no call, no channel, nothing to do, and the books in order", () => watched.checkRest());
});
