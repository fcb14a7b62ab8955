import { strict as assert } from "node:assert";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

/** As much of an OpenAPI document as its responses take. */
interface Described {
  paths: Record<
    string,
    Record<string, { operationId: string; responses: Record<string, DescribedResponse> }>
  >;
}

interface DescribedResponse {
  headers?: Record<string, unknown>;
  content?: Record<string, { schema: object }>;
  "x-error-codes"?: string[];
}

export interface Exchange {
  method: string;
  /** As it was asked; the query does not matter. */
  path: string;
  status: number;
  headers: Headers;
  body: string;
}

/** Throws an AssertionError where an answer is not one that the document describes for that operation. */
export function responseChecker(document: object): (exchange: Exchange) => void {
  const { paths } = document as Described;
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(document, "openapi");
  const compiled = new Map<string, ValidateFunction>();
  const templates = Object.keys(paths).map((template) => ({ template, pattern: patternOf(template) }));

  return ({ method, path, status, headers, body }) => {
    const asked = path.split("?")[0] ?? path;
    const what = `${method} ${asked} → ${status}`;
    assert.match(headers.get("x-request-id") ?? "", /^req_[0-9a-z]{26}$/, `${what}: X-Request-Id`);
    const template = templateOf(templates, asked, method.toLowerCase(), paths);
    // What is not in the document at all may only be refused, in the common shape.
    if (template === undefined) return checkUndescribed(what, status, body);
    const response = paths[template]?.[method.toLowerCase()]?.responses[String(status)];
    assert.ok(response, `${what}: the document knows no such answer`);
    if (response.content?.["text/csv"] && /^text\/csv;/.test(headers.get("content-type") ?? "")) return;
    const content = response.content?.["application/json"];
    if (!content) return assert.equal(body, "", `${what}: the document knows no body`);
    assert.match(headers.get("content-type") ?? "", /^application\/json/, `${what}: content type`);
    const pointer = `openapi#/paths/${escaped(template)}/${method.toLowerCase()}/responses/${status}/content/application~1json/schema`;
    let validate = compiled.get(pointer);
    if (!validate) compiled.set(pointer, (validate = ajv.compile({ $ref: pointer })));
    const value: unknown = JSON.parse(body);
    assert.ok(validate(value), `${what}: ${ajv.errorsText(validate.errors)}\n${body}`);
    for (const [path, time] of millisecondsIn(value))
      assert.ok(
        mayHaveMilliseconds(asked, path),
        `${what}: ${path} is ${time}, and shows whole seconds elsewhere`,
      );
    const codes = response["x-error-codes"];
    if (codes) {
      const { code } = (value as { error: { code: string } }).error;
      assert.ok(codes.includes(code), `${what}: ${code} is not among ${codes.join(", ")}`);
    }
  };
}

export type CheckedFetch = (path: string, init?: RequestInit) => Promise<Response>;

/** `fetch` against one server, whose every answer under /v1 has to be in its own document. Redirects are not followed. */
export async function checkedFetch(baseUrl: string): Promise<CheckedFetch> {
  const document = (await (await fetch(`${baseUrl}/v1/openapi.json`)).json()) as object;
  const check = responseChecker(document);
  return async (path, init) => {
    const response = await fetch(`${baseUrl}${path}`, { redirect: "manual", ...init });
    if (path.startsWith("/v1/")) {
      const { status, headers } = response;
      const body = init?.method === "HEAD" ? null : await response.clone().text();
      if (body !== null) check({ method: init?.method ?? "GET", path, status, headers, body });
    }
    return response;
  };
}

/** Where an answer has a time with fractions of a second: paths like `/data/0/created_at`. */
function* millisecondsIn(value: unknown, path = ""): Generator<[path: string, time: string]> {
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/.test(value)) yield [path, value];
  if (typeof value === "object" && value !== null)
    for (const [key, inner] of Object.entries(value)) yield* millisecondsIn(inner, `${path}/${key}`);
}

/** Events, their deliveries, SIP messages, and legs alone, and what is a moment of a leg; and what customers or their servers said. */
const mayHaveMilliseconds = (asked: string, path: string): boolean =>
  asked.startsWith("/v1/webhooks/deliveries") ||
  asked.endsWith("/events") ||
  asked.endsWith("/sip-trace") ||
  /\/(legs|events|members|payload|metadata|response|before|after)(\/|$)/.test(path) ||
  /\/(occurred|started|answered|ended)_at$/.test(path);

function checkUndescribed(what: string, status: number, body: string): void {
  assert.ok(
    status === 404 || status === 405 || status === 429,
    `${what}: the document does not know the path`,
  );
  const { error, message } = JSON.parse(body) as {
    error: { code: string; message: string };
    message: string;
  };
  assert.equal(message, error.message, what);
}

/** A path without parameters goes first, as in the router. */
function templateOf(
  templates: readonly { template: string; pattern: RegExp }[],
  path: string,
  method: string,
  paths: Described["paths"],
): string | undefined {
  const matching = templates.filter(
    ({ template, pattern }) => pattern.test(path) && paths[template]?.[method],
  );
  return (matching.find(({ template }) => template === path) ?? matching[0])?.template;
}

const patternOf = (template: string) =>
  new RegExp(`^${template.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{\w+\}/g, "[^/]+")}$`);

const escaped = (template: string) =>
  encodeURIComponent(template.replace(/~/g, "~0").replace(/\//g, "~1")).replace(/%7E/g, "~");
