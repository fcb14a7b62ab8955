import { strict as assert } from "node:assert";
import { conferenceEventKinds } from "../../engine/calls/event-kinds.ts";
import { workspaceEventKinds } from "../../engine/webhooks/workspace-events.ts";
import { Ajv2020 } from "ajv/dist/2020.js";
import { openApiDocument } from "../../api/openapi.ts";
import { routes } from "../../api/routes.ts";
import { errorCatalogue } from "../../engine/errors.ts";
import { responseChecker } from "./response-checker.ts";
import { world } from "./world.ts";

const document = JSON.parse(JSON.stringify(openApiDocument(routes)));
interface Operation {
  operationId: string;
  summary: string;
  tags: string[];
  security?: object[];
  parameters?: { name: string; in: string; required?: boolean; schema: object }[];
  responses: Record<string, { description: string; "x-error-codes"?: string[] }>;
}

const paths = document.paths as Record<string, Record<string, Operation>>;
const operations = Object.entries(paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
);

describe("the OpenAPI document", () => {
  it("is what the server gives out, without a key", async () => {
    const api = await world();
    try {
      const { status, body } = await api.ask("GET", "/v1/openapi.json");
      assert.equal(status, 200);
      assert.deepEqual(body, document);
    } finally {
      await api.end();
    }
  });

  it("has the shape of OpenAPI 3.1", () => {
    assert.match(document.openapi, /^3\.1\.\d$/);
    assert.ok(document.info.title && document.info.version);
    const ids = operations.map(({ operation }) => operation.operationId);
    assert.equal(new Set(ids).size, ids.length, "operation ids are unique");
    for (const { path, method, operation } of operations) {
      const what = `${method} ${path}`;
      assert.match(path, /^\/v1\//, what);
      assert.ok(operation.summary && operation.tags.length === 1, what);
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const parameters = operation.parameters ?? [];
      const described = parameters.filter((one) => one.in === "path").map((one) => one.name);
      assert.deepEqual(described, inPath, `${what}: parameters of the path`);
      for (const parameter of parameters) {
        assert.ok(["path", "query", "header"].includes(parameter.in) && parameter.schema, what);
        if (parameter.in === "path") assert.equal(parameter.required, true, what);
      }
      for (const [status, response] of Object.entries(operation.responses)) {
        assert.match(status, /^[2-5]\d\d$/, what);
        assert.ok(response.description, `${what} ${status}`);
      }
      assert.ok(
        Object.keys(operation.responses).some((status) => /^[23]/.test(status)),
        what,
      );
    }
  });

  it("describes each webhook by its kind and data", () => {
    assert.deepEqual(Object.keys(document.webhooks), [
      ...["call.started", "call.answered", "call.digits", "call.recorded", "call.redirected"],
      ...["call.dial_completed", "call.stream_ended", "call.completed", "call.failed"],
      "call.recording.ready",
      ...conferenceEventKinds,
      ...workspaceEventKinds,
      "webhook.test",
    ]);
    for (const [kind, { post }] of Object.entries<{ post: { requestBody: object } }>(document.webhooks)) {
      const { schema } = (post.requestBody as { content: Record<string, { schema: { $ref: string } }> })
        .content["application/json"]!;
      const envelope = document.components.schemas[schema.$ref.replace("#/components/schemas/", "")];
      assert.equal(envelope.properties.kind.const, kind);
      assert.ok(envelope.properties.data.properties, kind);
      assert.deepEqual(envelope.required, ["kind", "event_id", "workspace_id", "occurred_at", "data"]);
    }
  });

  it("points at nothing that is not there, and its schemas are JSON Schema 2020-12", () => {
    const text = JSON.stringify(document);
    for (const [, pointer] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      const target = pointer!.split("/").reduce((value, key) => value?.[key], document);
      assert.ok(target, pointer);
    }
    const ajv = new Ajv2020({ strict: false });
    for (const [name, schema] of Object.entries<object>(document.components.schemas)) {
      assert.ok(ajv.validateSchema(schema), `${name}: ${ajv.errorsText()}`);
    }
  });

  it("lists every code with its status, meaning and remedy", () => {
    const { ErrorCode } = document.components.schemas;
    for (const [code, { status, meaning, remedy }] of Object.entries(errorCatalogue)) {
      assert.ok(ErrorCode.enum.includes(code), code);
      assert.ok(ErrorCode.description.includes(`\`${code}\` (${status}): ${meaning} ${remedy}`), code);
      assert.deepEqual(document["x-error-catalogue"][code], { status, meaning, remedy });
    }
  });

  it("says of every operation which codes it may answer with, under their own status", () => {
    for (const { path, method, operation } of operations) {
      for (const [status, response] of Object.entries(operation.responses)) {
        for (const code of response["x-error-codes"] ?? []) {
          assert.equal(
            errorCatalogue[code as keyof typeof errorCatalogue].status,
            Number(status),
            `${method} ${path}`,
          );
        }
      }
    }
  });

  it("asks for a key everywhere but in the public part, and where people get in, who have none yet", () => {
    const waysIn = ["createSignInLink", "createSession", "acceptInvitation"];
    for (const { path, operation } of operations) {
      const open = path.startsWith("/v1/public/") || path === "/v1/openapi.json";
      const wayIn = waysIn.includes(operation.operationId);
      assert.equal(operation.security?.length === 0, open || wayIn, path);
    }
  });
});

describe("the response checker", () => {
  const check = responseChecker(document);
  const headers = new Headers({
    "x-request-id": "req_01j00000000000000000000001",
    "content-type": "application/json; charset=utf-8",
  });
  const hungUp = { method: "POST", path: "/v1/calls/call_1/hangup", status: 200, headers };

  it("lets an answer pass that the document describes", () => {
    check({ ...hungUp, body: '{"call_id":"call_1","status":"hung_up"}' });
  });

  it("catches a status, a field, a code or a header that the document does not know", () => {
    const answer = '{"call_id":"call_1","status":"hung_up"}';
    const refusal = {
      error: { code: "wallet.insufficient_funds", message: "x", request_id: "r" },
      message: "x",
    };
    assert.throws(() => check({ ...hungUp, status: 418, body: answer }), /knows no such answer/);
    assert.throws(() => check({ ...hungUp, body: '{"call_id":"call_1","status":"hung_up","x":1}' }));
    assert.throws(() => check({ ...hungUp, body: '{"call_id":"call_1"}' }));
    assert.throws(() => check({ ...hungUp, headers: new Headers(), body: answer }), /X-Request-Id/);
    assert.throws(() => check({ ...hungUp, status: 404, body: JSON.stringify(refusal) }), /is not among/);
  });
});
