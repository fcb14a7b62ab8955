import { owner } from "./bucket-operations.ts";
import { type Disk, type ObjectFacts } from "./disk.ts";
import { S3Error } from "./errors.ts";
import { type Operation, sendXml } from "./exchange.ts";
import { type S3Request } from "./request.ts";
import { awsEncode } from "./signature.ts";
import { element, optional, type XmlElement } from "./xml.ts";

const pageMax = 1000;

/** ListObjects, version 1: a page goes on after a `marker`, which is a key or a common prefix. */
export const listObjects: Operation = async ({ request, response, disk }) => {
  const marker = request.parameter("marker") ?? "";
  const page = await readPage(request, disk, marker);
  const text = textOf(request);
  sendXml(
    response,
    200,
    element("ListBucketResult", [
      ...head(request, page),
      element("Marker", text(marker)),
      ...optional("NextMarker", page.next === undefined ? undefined : text(page.next)),
      ...page.objects.map((facts) => contents(facts, text, [owner("Owner")])),
      ...page.prefixes.map((prefix) => element("CommonPrefixes", [element("Prefix", text(prefix))])),
    ]),
  );
};

/** ListObjectsV2: the same, behind a token that clients take as they are given it. */
export const listObjectsV2: Operation = async ({ request, response, disk }) => {
  const token = request.parameter("continuation-token");
  const startAfter = request.parameter("start-after");
  const page = await readPage(request, disk, token === undefined ? (startAfter ?? "") : decodeToken(token));
  const text = textOf(request);
  const owners = request.parameter("fetch-owner") === "true" ? [owner("Owner")] : [];
  sendXml(
    response,
    200,
    element("ListBucketResult", [
      ...head(request, page),
      element("KeyCount", page.objects.length + page.prefixes.length),
      ...optional("StartAfter", startAfter === undefined ? undefined : text(startAfter)),
      ...optional("ContinuationToken", token),
      ...optional("NextContinuationToken", page.next === undefined ? undefined : encodeToken(page.next)),
      ...page.objects.map((facts) => contents(facts, text, owners)),
      ...page.prefixes.map((prefix) => element("CommonPrefixes", [element("Prefix", text(prefix))])),
    ]),
  );
};

interface Page {
  objects: ObjectFacts[];
  prefixes: string[];
  max: number;
  /** The last entry of a page that is not the last one. */
  next: string | undefined;
}

async function readPage(request: S3Request, disk: Disk, after: string): Promise<Page> {
  const max = request.countParameter("max-keys", pageMax);
  const delimiter = request.parameter("delimiter") ?? "";
  const prefix = request.parameter("prefix") ?? "";
  const keys = (await disk.keys(request.bucket)).filter((key) => key.startsWith(prefix));

  const entries = rollUp(sorted(keys), prefix, delimiter, after, max + 1);
  const shown = entries.slice(0, max);
  const objects: ObjectFacts[] = [];
  for (const { name } of shown.filter(({ kind }) => kind === "key")) {
    const facts = await disk.objectFacts(request.bucket, name);
    if (facts) objects.push(facts);
  }
  return {
    objects,
    prefixes: shown.filter(({ kind }) => kind === "prefix").map(({ name }) => name),
    max,
    next: entries.length > max ? shown.at(-1)?.name : undefined,
  };
}

interface Entry {
  kind: "key" | "prefix";
  name: string;
}

/** Keys that go on behind the next delimiter count once, as their common prefix. At most `max` entries. */
function rollUp(keys: string[], prefix: string, delimiter: string, after: string, max: number): Entry[] {
  const entries: Entry[] = [];
  for (const key of sortedAfter(keys, after)) {
    if (entries.length >= max) break;
    const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    const entry: Entry =
      end < 0 ? { kind: "key", name: key } : { kind: "prefix", name: key.slice(0, end + delimiter.length) };
    const repeated = entry.kind === "prefix" && (entry.name === after || entry.name === entries.at(-1)?.name);
    if (!repeated) entries.push(entry);
  }
  return entries;
}

function sortedAfter(keys: string[], after: string): string[] {
  const last = Buffer.from(after);
  return after === "" ? keys : keys.filter((key) => Buffer.compare(Buffer.from(key), last) > 0);
}

/** S3 sorts by the bytes of UTF-8, which beyond U+FFFF is not how JavaScript compares strings. */
function sorted(keys: string[]): string[] {
  return keys
    .map((key) => ({ key, bytes: Buffer.from(key) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ key }) => key);
}

function head(request: S3Request, page: Page): XmlElement[] {
  const text = textOf(request);
  const delimiter = request.parameter("delimiter");
  return [
    element("Name", request.bucket),
    element("Prefix", text(request.parameter("prefix") ?? "")),
    ...optional("Delimiter", delimiter === undefined ? undefined : text(delimiter)),
    element("MaxKeys", page.max),
    ...optional("EncodingType", request.parameter("encoding-type")),
    element("IsTruncated", page.next !== undefined),
  ];
}

function contents(facts: ObjectFacts, text: (name: string) => string, owners: XmlElement[]): XmlElement {
  return element("Contents", [
    element("Key", text(facts.key)),
    element("LastModified", new Date(facts.lastModifiedMs).toISOString()),
    element("ETag", `"${facts.etag}"`),
    ...optional("ChecksumAlgorithm", facts.checksum?.algorithm),
    ...optional("ChecksumType", facts.checksum?.type),
    element("Size", facts.size),
    ...owners,
    element("StorageClass", "STANDARD"),
  ]);
}

/** How names are written: XML cannot carry every key, so clients may ask for them URL-encoded. */
export function textOf(request: S3Request): (name: string) => string {
  const encoding = request.parameter("encoding-type");
  if (encoding === undefined) return (name) => name;
  if (encoding !== "url")
    throw new S3Error("InvalidArgument", "Invalid Encoding Method specified in Request");
  return (name) => name.split("/").map(awsEncode).join("/");
}

const encodeToken = (next: string): string => Buffer.from(next).toString("base64url");

function decodeToken(token: string): string {
  const name = Buffer.from(token, "base64url").toString();
  if (name !== "" && encodeToken(name) === token) return name;
  throw new S3Error("InvalidArgument", "The continuation token provided is incorrect.");
}
