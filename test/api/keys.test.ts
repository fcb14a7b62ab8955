import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { updateRole } from "../../engine/store/members.ts";
import { scopes } from "../../engine/workspaces/scopes.ts";
import { revokeApiKey } from "../../engine/store/workspaces.ts";
import { eventually } from "../peers/waiting.ts";
import { nairobi, otienosPhone, world, type World } from "./world.ts";

describe("API keys", () => {
  let api: World;
  let wanjiru: Awaited<ReturnType<World["workspace"]>>;
  before(async () => {
    api = await world();
    wanjiru = await api.workspace();
  });
  after(() => api.end());

  const wallet = (headers: Record<string, string>) => api.ask("GET", "/v1/wallet", { headers });

  it("a request without one, or with something else, is refused", async () => {
    const rows: Record<string, string>[] = [
      {},
      { authorization: "" },
      { authorization: "Basic abc" },
      { authorization: wanjiru.key },
    ];
    for (const headers of rows) {
      const { status, body, headers: answered } = await wallet(headers);
      assert.deepEqual([status, body.error.code], [401, "auth.missing"]);
      assert.equal(answered.get("www-authenticate"), "Bearer");
    }
  });

  it("an unknown key is refused, however near it comes", async () => {
    const near = [
      wanjiru.key.slice(0, -1),
      `${wanjiru.key}x`,
      wanjiru.key.toUpperCase(),
      "x",
      "tskey_live_' OR 1=1",
    ];
    for (const key of near) {
      const { status, body } = await wallet({ authorization: `Bearer ${key}` });
      assert.equal(status, 401, key);
      assert.match(body.error.code, /^auth\.(invalid|missing)$/);
    }
  });

  it("an expired key and a revoked one are refused from that moment on", async () => {
    const soon = await api.key(wanjiru.id, { expiresAtMs: api.clock.nowMs() + 60_000 });
    assert.equal((await wallet({ authorization: `Bearer ${soon}` })).status, 200);
    api.clock.offsetMs += 60_001;
    const expired = await wallet({ authorization: `Bearer ${soon}` });
    const njeri = await api.workspace({ name: "Njeri", number: "+254200000002" });
    await api.store.write((tx) => revokeApiKey(tx, njeri.keyId, api.clock.nowMs()));
    const revoked = await wallet({ authorization: `Bearer ${njeri.key}` });

    assert.deepEqual([expired.status, expired.body.error.code], [401, "auth.invalid"]);
    assert.deepEqual([revoked.status, revoked.body.error.code], [401, "auth.invalid"]);
  });

  it("a request whose body is still on its way when the key is revoked changes nothing", async () => {
    const kamau = await api.workspace({ name: "Kamau", number: "+254200000003", key: { scopes } });
    const body = JSON.stringify({ name: "a way back", scopes: ["keys.manage"] });
    const asked = request(`${api.url}/v1/api-keys`, {
      method: "POST",
      headers: {
        ...{ authorization: `Bearer ${kamau.key}`, "content-type": "application/json" },
        "content-length": Buffer.byteLength(body),
      },
    });
    const answered = once(asked, "response") as Promise<[IncomingMessage]>;
    asked.write(body.slice(0, -1));
    // Who asks was looked up once the key is seen to have been used.
    await eventually("the key in use", async () => {
      const row = await api.store.read((tx) =>
        tx.get<{ used: number | null }>("SELECT last_used_at_ms AS used FROM api_keys WHERE id = ?", [
          kamau.keyId,
        ]),
      );
      return row?.used ?? undefined;
    });
    await api.store.write((tx) => revokeApiKey(tx, kamau.keyId, api.clock.nowMs()));
    asked.end(body.slice(-1));
    const [response] = await answered;
    response.resume();
    assert.equal(response.statusCode, 401);
    const keys = await api.store.read((tx) =>
      tx.all("SELECT id FROM api_keys WHERE workspace_id = ?", [kamau.id]),
    );
    assert.equal(keys.length, 1);
  });

  it("an owner whose body is still on its way when they are made an admin gives no more than an admin may", async () => {
    const mumbi = await api.workspace({ name: "Mumbi", number: "+254200000004" });
    for (const [method, path, wanted, code] of [
      ["POST", "/v1/api-keys", { name: "a way back", scopes: ["keys.manage"] }, "auth.scope"],
      ["PATCH", "/v1/workspace", { allowed_countries: ["KE", "GB"] }, "auth.role"],
    ] as const) {
      const owner = await api.person("mumbi@example.co.ke", { [mumbi.id]: "owner" });
      const seenMs = api.clock.nowMs() - 120_000;
      await api.store.write(async (tx) => {
        await updateRole(tx, mumbi.id, owner.id, "owner");
        await tx.run("UPDATE sessions SET seen_at_ms = ? WHERE user_id = ?", [seenMs, owner.id]);
      });
      const body = JSON.stringify(wanted);
      const asked = request(`${api.url}${path}`, {
        method,
        headers: {
          ...{ ...owner.headers, "content-type": "application/json" },
          "content-length": Buffer.byteLength(body),
        },
      });
      const answered = once(asked, "response") as Promise<[IncomingMessage]>;
      asked.write(body.slice(0, -1));
      await eventually("the session in use", async () => {
        const row = await api.store.read((tx) =>
          tx.get<{ seen: number }>("SELECT MAX(seen_at_ms) AS seen FROM sessions WHERE user_id = ?", [
            owner.id,
          ]),
        );
        return row && row.seen > seenMs ? true : undefined;
      });
      await api.store.write((tx) => updateRole(tx, mumbi.id, owner.id, "admin"));
      asked.end(body.slice(-1));
      const [response] = await answered;
      const answer = JSON.parse(await text(response)) as { error?: { code: string } };
      assert.deepEqual([response.statusCode, answer.error?.code], [403, code], path);
    }
  });

  it("only its hash and its last four characters are kept", async () => {
    const row = await api.store.read((tx) =>
      tx.get<Record<string, unknown>>("SELECT * FROM api_keys WHERE id = ?", [wanjiru.keyId]),
    );

    assert.match(wanjiru.key, /^tskey_live_[A-Za-z0-9_-]{43}$/);
    assert.equal(row!["keySha256"], createHash("sha256").update(wanjiru.key).digest("hex"));
    assert.equal(row!["lastFour"], wanjiru.key.slice(-4));
    assert.ok(!JSON.stringify(row).includes(wanjiru.key.slice(11, -4)));
  });

  it("a key that was made without scopes has all but keys.manage", async () => {
    const refused = await api.ask("PATCH", "/v1/workspace", {
      key: wanjiru.key,
      body: { allowed_countries: ["KE", "UG"] },
    });
    const owner = await api.key(wanjiru.id, { scopes });
    const allowed = await api.ask("PATCH", "/v1/workspace", {
      key: owner,
      body: { allowed_countries: ["KE", "UG"], recording_retention_days: 90 },
    });

    assert.deepEqual([refused.status, refused.body.error.code], [403, "auth.scope"]);
    assert.equal(allowed.status, 200);
    assert.deepEqual(allowed.body.allowed_countries, ["KE", "UG"]);
    assert.equal(allowed.body.recording_retention_days, 90);
  });

  it("each route asks for its own scope, before it reads the body", async () => {
    const id = "call_01j00000000000000000000001";
    const rows: [method: string, path: string, scope: string][] = [
      ["POST", "/v1/calls", "calls.write"],
      ["POST", "/v1/calls/originate", "calls.write"],
      ["GET", "/v1/calls", "calls.read"],
      ["GET", "/v1/calls/stats", "calls.read"],
      ["GET", `/v1/calls/${id}`, "calls.read"],
      ["GET", `/v1/calls/${id}/events`, "calls.read"],
      ["POST", `/v1/calls/${id}/hangup`, "calls.write"],
      ["PATCH", `/v1/calls/${id}/recording`, "calls.write"],
      ["GET", `/v1/calls/${id}/recording`, "recordings.read"],
      ["GET", `/v1/calls/${id}/recordings`, "recordings.read"],
      ["GET", "/v1/recordings", "recordings.read"],
      ["DELETE", "/v1/recordings/rec_1", "recordings.delete"],
      ["GET", "/v1/wallet", "wallet.read"],
      ["GET", "/v1/wallet/balance", "wallet.read"],
      ["GET", "/v1/wallet/transactions", "wallet.read"],
      ["GET", "/v1/webhooks", "webhooks.manage"],
      ["POST", "/v1/webhooks", "webhooks.manage"],
    ];
    for (const [method, path, scope] of rows) {
      const key = await api.key(wanjiru.id, { scopes: scopes.filter((one) => one !== scope) });
      const answer = await api.ask(method, path, {
        key,
        ...(method === "POST" ? { body: "{not json" } : {}),
      });
      assert.deepEqual([answer.status, answer.body.error.code], [403, "auth.scope"], `${method} ${path}`);
      assert.ok(answer.body.message.includes(scope), answer.body.message);
    }
  });

  it("a key with one scope does that and no more", async () => {
    const key = await api.key(wanjiru.id, { scopes: ["calls.write"] });

    const placed = await api.ask("POST", "/v1/calls", { key, body: { from: nairobi, to: otienosPhone } });
    const listed = await api.ask("GET", "/v1/calls", { key });

    assert.equal(placed.status, 201);
    assert.equal(listed.status, 403);
  });
});
