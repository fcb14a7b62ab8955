import { strict as assert } from "node:assert";
import { insertRoom } from "../../engine/store/conferences.ts";
import { scopes } from "../../engine/workspaces/scopes.ts";
import { wav } from "../media/wav.ts";
import { everyRow, finishedCall, privacyWorld, type PrivacyWorld } from "../privacy/world.ts";
import { databaseKind } from "../store/test-database.ts";
import { nairobi, otienosPhone } from "./world.ts";

interface Operation {
  operationId: string;
  security?: object[];
  parameters?: { name: string; in: string }[];
  requestBody?: object;
}

/** Paths whose parameter is no workspace's: what stands for it means the same to everybody. */
const nobodys: Readonly<Record<string, string>> = {
  getStatement: "a month, of whoever asks",
  claimNumber: "an inventory that all claim from",
};

/** What each takes, so that it is not refused for its body before it is looked for. */
const bodies: Readonly<Record<string, unknown>> = {
  directCall: { actions: [{ hangup: {} }] },
  sendDigits: { digits: "1" },
  setCallRecording: { state: "off" },
  commandConference: { command: "lock" },
  patchWebhook: { enabled: false },
  routeNumber: { record: true },
  createSipCredential: { label: "Desk" },
  changeSipCredential: { max_concurrent_calls: 3 },
  rotateSipCredential: {},
  patchMember: { role: "admin" },
  uploadPortDocument: Buffer.from("%PDF-1.7\n%%EOF\n"),
};

/** The tables that asking leaves something in, whatever it is answered. */
const moved = new Set(["api_keys", "sessions", "idempotency_keys", "idempotency"]);

describe(`what is Wanjiru's is not there for Otieno, on ${databaseKind}`, () => {
  let api: PrivacyWorld;
  let wanjiru: { id: string; key: string; person: Record<string, string> };
  let otieno: { key: string; person: Record<string, string> };
  /** By the path up to it. */
  let hers: Map<string, string>;
  let operations: { method: string; path: string; operation: Operation }[];
  before(async () => {
    api = await privacyWorld();
    const hersAlone = await api.workspace();
    const his = await api.workspace({ name: "Otieno", number: "+254200000002" });
    const [key, hisKey] = [await api.key(hersAlone.id, { scopes }), await api.key(his.id, { scopes })];
    const [person, hisPerson] = [
      await api.person("wanjiru@example.co.ke", { [hersAlone.id]: "owner" }),
      await api.person("otieno@example.co.ke", { [his.id]: "owner" }),
    ];
    wanjiru = { id: hersAlone.id, key, person: person.headers };
    otieno = { key: hisKey, person: hisPerson.headers };

    const make = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
      const answer = await api.ask("POST", path, { key, body, headers });
      assert.ok(answer.status < 300, `${path}: ${answer.text}`);
      return answer.body;
    };
    const call = await finishedCall(api, { ...hersAlone, key }, { from: nairobi, to: otienosPhone });
    const numberPath = `/v1/numbers/${hersAlone.numberId!}`;
    const webhook = await make("/v1/webhooks", { url: "https://shop.example/hook", events: ["*"] });
    const tested = await make(`/v1/webhooks/${webhook.id}/test`, undefined);
    const port = await make("/v1/ports", {
      ...{ number: "+254207200001", current_carrier: "Telkom Kenya", account_reference: "TKL-0042" },
    });
    await make(`/v1/ports/${port.id}/document`, bodies["uploadPortDocument"], {
      "content-type": "application/pdf",
    });
    await api.store.write((tx) =>
      insertRoom(tx, {
        ...{ id: api.ids.next("conf"), workspaceId: hersAlone.id, name: "wanjirus-room", box: "box" },
        ...{ maxParticipants: 2, locked: 0, music: null },
        ...{ createdAtMs: api.clock.nowMs(), startedAtMs: null, endedAtMs: null },
      }),
    );
    const byHer = async (method: string, path: string, body?: unknown) => {
      const answer = await api.ask(method, path, { headers: person.headers, body });
      assert.ok(answer.status < 300, `${path}: ${answer.text}`);
      return answer.body;
    };
    const media = await make("/v1/media?name=hello", wav({ seconds: 0.1 }), { "content-type": "audio/wav" });
    const topUp = await make("/v1/topups", {
      ...{ provider: "mpesa", amount_minor: 10_000, currency: "KES", phone_e164: "+254733000101" },
    });
    hers = new Map([
      ["/v1/calls/", call.callId],
      ["/v1/conferences/", "wanjirus-room"],
      ["/v1/recordings/", call.recordingId!],
      ["/v1/media/", media.id],
      ["/v1/topups/", topUp.id],
      ["/v1/webhooks/deliveries/", tested.delivery_id],
      ["/v1/webhooks/", webhook.id],
      ["/v1/numbers/", hersAlone.numberId!],
      [`${numberPath}/sip-credentials/`, (await make(`${numberPath}/sip-credentials`, { label: "Desk" })).id],
      ["/v1/sip-destinations/", (await make("/v1/sip-destinations", { host: "41.90.1.1" })).id],
      ["/v1/ports/", port.id],
      ["/v1/sessions/", (await byHer("GET", "/v1/sessions")).data[0].id],
      ["/v1/members/", person.id],
      [
        "/v1/invitations/",
        (await byHer("POST", "/v1/invitations", { email: "njeri@example.co.ke", role: "member" })).id,
      ],
      ["/v1/api-keys/", (await byHer("POST", "/v1/api-keys", { name: "Web" })).id],
      ["/v1/privacy/exports/", (await make("/v1/privacy/exports", { phone_e164: otienosPhone })).id],
      ["/v1/privacy/erasures/", (await make("/v1/privacy/erasures", { phone_e164: "+254733000009" })).id],
    ]);
    const { body: document } = await api.ask("GET", "/v1/openapi.json");
    operations = Object.entries(document.paths as Record<string, Record<string, Operation>>).flatMap(
      ([path, item]) =>
        Object.entries(item).map(([method, operation]) => ({
          method: method.toUpperCase(),
          path,
          operation,
        })),
    );
  });
  after(() => api.end());

  /** The path with what is hers in it, from the left. */
  function named(path: string): string {
    let filled = path;
    for (let at = filled.indexOf("{"); at >= 0; at = filled.indexOf("{")) {
      const before = filled.slice(0, at);
      const id = hers.get(before);
      assert.ok(id, `say in this test what of hers stands behind ${before}`);
      filled = `${before}${id}${filled.slice(filled.indexOf("}") + 1)}`;
    }
    return filled;
  }
  /** A session's own things are a person's, whatever the workspace. */
  const isPersons = (path: string) => path.startsWith("/v1/sessions/");
  const ask = (
    who: { key: string; person: Record<string, string> },
    method: string,
    path: string,
    body?: unknown,
  ) =>
    api.ask(method, path, {
      ...(isPersons(path) ? { headers: who.person } : { key: who.key }),
      ...(body === undefined ? {} : { body }),
      ...(Buffer.isBuffer(body) ? { headers: { "content-type": "application/pdf" } } : {}),
    });
  const byId = () =>
    operations.filter(
      ({ path, operation }) => path.includes("{") && nobodys[operation.operationId] === undefined,
    );
  const ids = () => [...hers.values(), wanjiru.id].filter((id) => /_[0-9a-z]{26}$/.test(id));
  const rows = async () => {
    const all = [...(await everyRow(api))].filter(([table]) => !moved.has(table));
    return all.map(([table, text]) => `${table}: ${text}`);
  };

  it("each thing is there for her", async () => {
    for (const { method, path } of byId()) {
      if (method !== "GET") continue;
      const { status, text } = await ask(wanjiru, method, named(path));
      assert.ok(status < 400 || path.endsWith("/registrations"), `${method} ${path}: ${status} ${text}`);
    }
  });

  it("no operation of the document finds it for him, or changes anything", async () => {
    const before = await rows();
    assert.ok(byId().length >= 45, `${byId().length} operations`);
    for (const { method, path, operation } of byId()) {
      const { operationId, requestBody } = operation;
      const body = bodies[operationId] ?? (requestBody === undefined ? undefined : {});
      const { status, text } = await ask(otieno, method, named(path), body);
      assert.equal(status, 404, `${operationId} (give it a body in this test?): ${text}`);
      for (const id of ids()) assert.ok(!text.includes(id), `${operationId}: ${text}`);
    }
    assert.deepEqual(await rows(), before);
  });

  it("no list has it, whatever it is asked for by", async () => {
    const lists = operations.filter(
      ({ method, path, operation }) =>
        method === "GET" &&
        !path.includes("{") &&
        operation.security?.length !== 0 &&
        !path.startsWith("/v1/session"),
    );
    assert.ok(lists.length >= 25, `${lists.length} lists`);
    for (const { path, operation } of lists) {
      const filters = (operation.parameters ?? [])
        .filter((one) => one.in === "query")
        .map(({ name }) => name);
      const byHers = filters.flatMap((name) => ids().map((id) => `?${name}=${encodeURIComponent(id)}`));
      for (const query of ["", ...byHers]) {
        const { status, text } = await ask(otieno, "GET", `${path}${query}`);
        // An id in a filter for something else is refused, and may be repeated where it was asked for.
        if (status >= 400) continue;
        for (const id of ids()) assert.ok(!text.includes(id), `${path}${query}: ${text}`);
      }
    }
  });

  it("nor does he come into her workspace by naming it", async () => {
    const headers = { ...otieno.person, "x-sautikit-workspace": wanjiru.id };
    for (const path of ["/v1/calls", "/v1/wallet", "/v1/api-keys", "/v1/members"]) {
      const { status, body } = await api.ask("GET", path, { headers });
      assert.deepEqual([status, body.error.code], [403, "auth.no_workspace"], path);
    }
  });
});
