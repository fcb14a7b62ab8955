import { pipeline } from "node:stream/promises";
import { type Checksum, checksumHeader } from "./checksums.ts";
import { type ObjectFacts, preconditionFailed } from "./disk.ts";
import { S3Error } from "./errors.ts";
import { type Exchange, type Operation, sendEmpty, sendXml } from "./exchange.ts";
import { Payload } from "./payload.ts";
import { type S3Request } from "./request.ts";
import { readBytes } from "./stored-file.ts";
import { element } from "./xml.ts";

export const putObject: Operation = async (exchange) => {
  const { request, response, proof, disk, clock } = exchange;
  if (request.header("x-amz-copy-source") !== undefined) return await copyObject(exchange);

  const onlyIfNew = onlyIfNewAsked(request);
  const headers = headersToKeep(request);
  const payload = new Payload(request, proof);
  await disk.bucketCreatedMs(request.bucket);
  const facts = await disk.putObject(
    request.bucket,
    request.key,
    payload.bytes(),
    () => {
      const { size, md5Hex, checksum } = payload.received;
      const sum = checksum && { checksum };
      return { key: request.key, size, etag: md5Hex, lastModifiedMs: clock.nowMs(), headers, ...sum };
    },
    { onlyIfNew },
  );
  sendEmpty(response, 200, { etag: `"${facts.etag}"`, ...checksumHeaders(facts.checksum) });
};

export const getObject: Operation = async ({ request, response, disk }) => {
  const file = await disk.openObject(request.bucket, request.key);
  try {
    const { httpStatus, headers, start, end } = replyTo(request, file.facts);
    response.writeHead(httpStatus, headers);
    await pipeline(readBytes(file, start, end), response);
  } finally {
    await file.handle.close();
  }
};

export const headObject: Operation = async ({ request, response, disk }) => {
  const { facts, handle } = await disk.openObject(request.bucket, request.key);
  await handle.close();
  const { httpStatus, headers } = replyTo(request, facts);
  sendEmpty(response, httpStatus, headers);
};

export const deleteObject: Operation = async ({ request, response, disk }) => {
  await disk.bucketCreatedMs(request.bucket);
  await disk.deleteObject(request.bucket, request.key);
  sendEmpty(response, 204);
};

async function copyObject({ request, response, disk, clock }: Exchange): Promise<void> {
  const conditions = Object.keys(request.raw.headers).filter((name) => name.startsWith("x-amz-copy-source-"));
  if (conditions[0] !== undefined) throw notImplemented(conditions[0]);
  const { bucket, key } = copySource(request);
  const onlyIfNew = onlyIfNewAsked(request);
  const file = await disk.openObject(bucket, key);
  try {
    const { size, etag, checksum } = file.facts;
    const replaced = request.header("x-amz-metadata-directive") === "REPLACE";
    const headers = replaced ? headersToKeep(request) : file.facts.headers;
    // A long copy is silent on the wire.
    response.setTimeout(0);
    const facts = await disk.putObject(
      request.bucket,
      request.key,
      readBytes(file),
      () => ({
        key: request.key,
        size,
        etag,
        lastModifiedMs: clock.nowMs(),
        headers,
        ...(checksum && { checksum }),
      }),
      { onlyIfNew },
    );
    sendXml(
      response,
      200,
      element("CopyObjectResult", [
        element("ETag", `"${facts.etag}"`),
        element("LastModified", new Date(facts.lastModifiedMs).toISOString()),
      ]),
    );
  } finally {
    await file.handle.close();
  }
}

function copySource(request: S3Request): { bucket: string; key: string } {
  if (request.header("x-amz-copy-source")?.includes("?"))
    throw notImplemented("versionId in x-amz-copy-source");
  let source: string;
  try {
    source = decodeURIComponent(request.header("x-amz-copy-source") ?? "").replace(/^\//, "");
  } catch {
    source = "";
  }
  const slash = source.indexOf("/");
  if (slash < 1 || slash === source.length - 1) {
    throw new S3Error("InvalidArgument", "The x-amz-copy-source header must be bucket/key, URL-encoded.");
  }
  return { bucket: source.slice(0, slash), key: source.slice(slash + 1) };
}

const keptHeaders = ["content-type", "cache-control", "content-disposition", "content-language", "expires"];

/** These promise something of the object that is not kept here; storing it all the same would be a lie. */
const refusedHeaders = [
  "x-amz-server-side-encryption",
  "x-amz-object-lock",
  "x-amz-tagging",
  "x-amz-website-redirect-location",
];

/** The headers to store and send back with the object. */
export function headersToKeep(request: S3Request): Record<string, string> {
  const sent = [...Object.keys(request.raw.headers), ...request.query.map(([name]) => name.toLowerCase())];
  const refused = sent.find((name) => refusedHeaders.some((start) => name.startsWith(start)));
  if (refused !== undefined) throw notImplemented(refused);

  const kept: Record<string, string> = { "content-type": "binary/octet-stream" };
  for (const name of [...keptHeaders, ...sent.filter((each) => each.startsWith("x-amz-meta-"))]) {
    const value = request.header(name);
    if (value !== undefined && value !== "") kept[name] = headerText(name, value);
  }
  const encodings = (request.raw.headers["content-encoding"] ?? "")
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "" && each !== "aws-chunked");
  if (encodings.length > 0) kept["content-encoding"] = encodings.join(",");
  return kept;
}

export function checksumHeaders(checksum: Checksum | undefined): Record<string, string> {
  if (!checksum) return {};
  return { [checksumHeader(checksum.algorithm)]: checksum.value, "x-amz-checksum-type": checksum.type };
}

/** `If-None-Match: *` makes a PUT create only. Other conditions on writing are refused, never passed over. */
export function onlyIfNewAsked(request: S3Request): boolean {
  const { "if-none-match": ifNoneMatch, "if-match": ifMatch } = request.raw.headers;
  if (ifMatch !== undefined) throw notImplemented("if-match on a write");
  if (ifNoneMatch !== undefined && ifNoneMatch !== "*")
    throw notImplemented("if-none-match other than * on a write");
  return ifNoneMatch === "*";
}

/** The head of a GET's reply, which a HEAD gets too, and the bytes that follow: `end` is before `start` for none. */
function replyTo(
  request: S3Request,
  facts: ObjectFacts,
): { httpStatus: number; headers: Record<string, string>; start: number; end: number } {
  const headers = {
    ...facts.headers,
    ...overrides(request),
    etag: `"${facts.etag}"`,
    "last-modified": new Date(facts.lastModifiedMs).toUTCString(),
    "accept-ranges": "bytes",
  };
  if (notModified(request, facts)) return { httpStatus: 304, headers, start: 0, end: -1 };

  const range = parseRange(request.raw.headers.range, facts.size);
  if (range) {
    const { start, end } = range;
    const contentRange = `bytes ${start}-${end}/${facts.size}`;
    const partial = { "content-length": String(end - start + 1), "content-range": contentRange };
    return { httpStatus: 206, headers: { ...headers, ...partial }, start, end };
  }
  const sums = request.header("x-amz-checksum-mode") === "ENABLED" ? checksumHeaders(facts.checksum) : {};
  const whole = { "content-length": String(facts.size), ...sums };
  return { httpStatus: 200, headers: { ...headers, ...whole }, start: 0, end: facts.size - 1 };
}

/** `response-content-disposition=…` and its like. They are in the query, so they are signed. */
function overrides(request: S3Request): Record<string, string> {
  const names = [...keptHeaders, "content-encoding"];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = request.parameter(`response-${name}`);
      return value === undefined ? [] : [[name, headerText(name, value)]];
    }),
  );
}

/** As node:http wants a header: what is not ASCII goes out as the bytes of its UTF-8. */
function headerText(name: string, value: string): string {
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(value)) {
    throw new S3Error("InvalidArgument", `The value for ${name} holds a control character.`);
  }

  return /[^\u0000-\u00ff]/.test(value) ? Buffer.from(value).toString("latin1") : value;
}

/** RFC 9110 §13.2.2: the ETag conditions count before the dates. Throws `PreconditionFailed`. */
function notModified(request: S3Request, { etag, lastModifiedMs }: ObjectFacts): boolean {
  const { headers } = request.raw;
  // HTTP dates are whole seconds.
  const modifiedMs = Math.floor(lastModifiedMs / 1000) * 1000;
  const ifMatch = headers["if-match"];
  const unmodifiedSinceMs = Date.parse(headers["if-unmodified-since"] ?? "");
  if (ifMatch === undefined ? modifiedMs > unmodifiedSinceMs : !lists(ifMatch, etag))
    throw preconditionFailed();
  const ifNoneMatch = headers["if-none-match"];
  const modifiedSinceMs = Date.parse(headers["if-modified-since"] ?? "");
  return ifNoneMatch === undefined ? modifiedMs <= modifiedSinceMs : lists(ifNoneMatch, etag);
}

const lists = (condition: string, etag: string): boolean =>
  condition.split(",").some((each) => ["*", etag].includes(each.trim().replace(/^(W\/)?"(.*)"$/, "$2")));

/** One range of bytes; undefined for none, and for what is no range at all (RFC 9110 §14.2). Throws `InvalidRange`. */
function parseRange(header: string | undefined, size: number): { start: number; end: number } | undefined {
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (first === "" && last === "") return undefined;
  if (first !== "" && last !== "" && Number(last) < Number(first)) return undefined;
  const start = first === "" ? Math.max(size - Number(last), 0) : Number(first);
  const end = first === "" || last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (start > end) {
    throw new S3Error("InvalidRange", "The requested range is not satisfiable.", {
      ActualObjectSize: String(size),
    });
  }
  return { start, end };
}

const notImplemented = (what: string): S3Error =>
  new S3Error(
    "NotImplemented",
    `A header you provided implies functionality that is not implemented: ${what}.`,
  );
