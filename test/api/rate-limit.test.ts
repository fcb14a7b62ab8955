import { strict as assert } from "node:assert";
import { world, type World } from "./world.ts";

describe("rate limits", () => {
  let api: World;
  beforeEach(async () => {
    api = await world();
  });
  afterEach(() => api.end());

  it("every answer says what is left, and the one too many says when to come back", async () => {
    const { key } = await api.workspace({ requestsPerMinute: 3 });
    const ask = () => api.ask("GET", "/v1/wallet", { key });

    const [first, second, third, fourth] = [await ask(), await ask(), await ask(), await ask()];

    assert.match(first.headers.get("ratelimit-policy") ?? "", /q=3; w=60/);
    assert.match(first.headers.get("ratelimit") ?? "", /r=2; t=\d+/);
    assert.match(second.headers.get("ratelimit") ?? "", /r=1; /);
    assert.match(third.headers.get("ratelimit") ?? "", /r=0; /);
    assert.deepEqual([fourth.status, fourth.body.error.code], [429, "rate_limited"]);
    const wait = Number(fourth.headers.get("retry-after"));
    assert.ok(Number.isInteger(wait) && wait > 0 && wait <= 60, `Retry-After ${wait}`);
    assert.ok(fourth.headers.has("ratelimit"));
  });

  it("keys are counted apart, and a request without a good one is counted by address", async () => {
    const wanjiru = await api.workspace({ requestsPerMinute: 1 });
    const otieno = await api.workspace({ name: "Otieno", number: "+254200000002", requestsPerMinute: 1 });
    const another = await api.key(wanjiru.id, {});

    for (const key of [wanjiru.key, otieno.key, another]) {
      assert.equal((await api.ask("GET", "/v1/wallet", { key })).status, 200);
    }
    const { headers, status } = await api.ask("GET", "/v1/wallet");
    assert.equal(status, 401);
    assert.match(headers.get("ratelimit-policy") ?? "", /q=300; w=60/);
  });

  it("a refusal is counted too, whatever it was for", async () => {
    const { key } = await api.workspace({ requestsPerMinute: 3 });
    await api.ask("GET", "/v1/calls/call_1", { key });
    await api.ask("PUT", "/v1/calls", { key });
    await api.ask("POST", "/v1/calls", { key, body: "{" });

    assert.equal((await api.ask("GET", "/v1/wallet", { key })).status, 429);
  });

  it("public pricing allows 60 a minute from one address", async () => {
    const answers = [];
    for (let index = 0; index < 61; index++) answers.push(await api.ask("GET", "/v1/public/pricing"));

    assert.match(answers[0]!.headers.get("ratelimit-policy") ?? "", /q=60; w=60/);
    assert.equal(answers[59]!.status, 200);
    assert.deepEqual([answers[60]!.status, answers[60]!.body.error.code], [429, "rate_limited"]);
    assert.equal(answers[60]!.headers.get("access-control-allow-origin"), "*", "a web page can read why");
  });
});
