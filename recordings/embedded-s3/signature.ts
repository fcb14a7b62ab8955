import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { type Clock } from "../../engine/clock.ts";
import { S3Error } from "./errors.ts";
import { type S3Request } from "./request.ts";

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
}

/** What every signature is checked against. */
export interface SigningRules {
  region: string;
  credentials: Credentials;
  clock: Clock;
}

/** A proven request: the payload it promised, and what its chunks are signed with. */
export interface Proof {
  /** A hex SHA-256, `UNSIGNED-PAYLOAD`, or one of the `STREAMING-` kinds. */
  payloadHash: string;
  chunks: ChunkSignatures;
}

const algorithm = "AWS4-HMAC-SHA256";
const skewMsMax = 15 * 60 * 1000;
/** Seven days: what S3 and its SDKs allow. */
const presignedSecondsMax = 604_800;

/** Throws unless the request was signed with our credentials, for this server, now. Nobody is anonymous here. */
export function proveSignature(request: S3Request, rules: SigningRules): Proof {
  const inHeader = request.raw.headers.authorization !== undefined;
  const inQuery = request.parameter("X-Amz-Signature") !== undefined;
  if (inHeader && inQuery) throw new S3Error("InvalidArgument", "Only one auth mechanism allowed.");
  if (!inHeader && !inQuery)
    throw new S3Error("AccessDenied", "Access Denied: the request carries no signature.");

  const claim = inHeader ? readHeader(request) : readQuery(request);
  checkScope(claim, rules);
  if (inHeader) checkSkew(claim, rules.clock);
  else checkLifetime(claim, request, rules.clock);
  checkSignedHeaders(claim, request);

  const key = signingKey(rules.credentials.secretAccessKey, claim.scope);
  const canonical = canonicalRequest(claim, request);
  const stringToSign = [algorithm, claim.date, claim.scope, sha256Hex(canonical)].join("\n");
  if (!sameSignature(hmac(key, stringToSign), claim.signature)) throw mismatch();
  return { payloadHash: claim.payloadHash, chunks: new ChunkSignatures(key, claim) };
}

/** The chain that signs an aws-chunked body: each chunk's signature covers the one before it. */
export class ChunkSignatures {
  readonly #key: Buffer;
  readonly #claim: Claim;
  #previous: string;

  constructor(key: Buffer, claim: Claim) {
    this.#key = key;
    this.#claim = claim;
    this.#previous = claim.signature;
  }

  checkChunk(dataSha256Hex: string, signature: string | undefined): void {
    this.#check("AWS4-HMAC-SHA256-PAYLOAD", [sha256Hex(""), dataSha256Hex], signature);
  }

  checkTrailer(canonicalTrailer: string, signature: string | undefined): void {
    this.#check("AWS4-HMAC-SHA256-TRAILER", [sha256Hex(canonicalTrailer)], signature);
  }

  #check(kind: string, hashes: string[], signature = ""): void {
    const { date, scope } = this.#claim;
    const stringToSign = [kind, date, scope, this.#previous, ...hashes].join("\n");
    if (!sameSignature(hmac(this.#key, stringToSign), signature)) throw mismatch();
    this.#previous = signature;
  }
}

/** What a request says of its own signature, not yet believed. */
interface Claim {
  accessKeyId: string;
  /** `20261124/af-south-1/s3/aws4_request` */
  scope: string;
  /** `20261124T120000Z` */
  date: string;
  signedHeaders: string[];
  signature: string;
  payloadHash: string;
  malformed: (message: string, details?: Record<string, string>) => S3Error;
}

function readHeader(request: S3Request): Claim {
  const malformed: Claim["malformed"] = (message, details) =>
    new S3Error("AuthorizationHeaderMalformed", `The authorization header is malformed; ${message}`, details);
  const fields =
    /^AWS4-HMAC-SHA256\s+Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([^,\s]+)$/.exec(
      request.raw.headers.authorization ?? "",
    );
  if (!fields) throw malformed("expecting AWS4-HMAC-SHA256 with Credential, SignedHeaders and Signature.");
  const [, credential = "", signedHeaders = "", signature = ""] = fields;

  const date = request.raw.headers["x-amz-date"];
  if (typeof date !== "string")
    throw new S3Error("AccessDenied", "AWS authentication requires an x-amz-date header.");
  const payloadHash = request.raw.headers["x-amz-content-sha256"];
  if (typeof payloadHash !== "string") {
    throw new S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256.");
  }
  return {
    ...splitCredential(credential),
    date,
    signedHeaders: signedHeaders.split(";"),
    signature,
    payloadHash,
    malformed,
  };
}

function readQuery(request: S3Request): Claim {
  const malformed: Claim["malformed"] = (message, details) =>
    new S3Error("AuthorizationQueryParametersError", message, details);
  const parameter = (name: string): string => {
    const values = request.query.filter(([each]) => each === name);
    if (values.length !== 1 || values[0] === undefined) throw malformed(`Query must hold ${name} once.`);
    return values[0][1];
  };
  if (parameter("X-Amz-Algorithm") !== algorithm)
    throw malformed(`X-Amz-Algorithm only supports "${algorithm}".`);
  return {
    ...splitCredential(parameter("X-Amz-Credential")),
    date: parameter("X-Amz-Date"),
    signedHeaders: parameter("X-Amz-SignedHeaders").split(";"),
    signature: parameter("X-Amz-Signature"),
    payloadHash: request.header("x-amz-content-sha256") ?? "UNSIGNED-PAYLOAD",
    malformed,
  };
}

/** `AKIDEXAMPLE/20261124/af-south-1/s3/aws4_request`; an access key may hold slashes, the scope may not. */
function splitCredential(credential: string): { accessKeyId: string; scope: string } {
  const parts = credential.split("/");
  return { accessKeyId: parts.slice(0, -4).join("/"), scope: parts.slice(-4).join("/") };
}

function checkScope(claim: Claim, { region, credentials }: SigningRules): void {
  if (!/^\d{8}T\d{6}Z$/.test(claim.date) || Number.isNaN(epochMs(claim.date))) {
    throw new S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date.");
  }
  if (claim.accessKeyId !== credentials.accessKeyId) {
    throw new S3Error(
      "InvalidAccessKeyId",
      "The AWS Access Key Id you provided does not exist in our records.",
    );
  }
  const [day, scopeRegion = "", service, end] = claim.scope.split("/");
  if (day !== claim.date.slice(0, 8))
    throw claim.malformed("the credential's date is not that of the request.");
  if (service !== "s3" || end !== "aws4_request")
    throw claim.malformed("the credential is not for s3/aws4_request.");
  if (scopeRegion !== region) {
    // Clients such as s3cmd read the element and sign again.
    throw claim.malformed(`the region '${scopeRegion}' is wrong; expecting '${region}'.`, { Region: region });
  }
}

function checkSkew(claim: Claim, clock: Clock): void {
  const nowMs = clock.nowMs();
  if (Math.abs(nowMs - epochMs(claim.date)) <= skewMsMax) return;
  throw new S3Error(
    "RequestTimeTooSkewed",
    "The difference between the request time and the server's is too large.",
    {
      RequestTime: claim.date,
      ServerTime: new Date(nowMs).toISOString(),
      MaxAllowedSkewMilliseconds: String(skewMsMax),
    },
  );
}

function checkLifetime(claim: Claim, request: S3Request, clock: Clock): void {
  const expires = request.parameter("X-Amz-Expires") ?? "";
  const seconds = /^\d{1,6}$/.test(expires) ? Number(expires) : 0;
  if (seconds < 1 || seconds > presignedSecondsMax) {
    throw claim.malformed(`X-Amz-Expires must be a number of seconds from 1 to ${presignedSecondsMax}.`);
  }
  const nowMs = clock.nowMs();
  const signedAtMs = epochMs(claim.date);
  if (signedAtMs > nowMs + skewMsMax) throw new S3Error("AccessDenied", "Request is not valid yet.");
  const expiresAtMs = signedAtMs + seconds * 1000;
  if (nowMs >= expiresAtMs) {
    throw new S3Error("AccessDenied", "Request has expired.", {
      "X-Amz-Expires": expires,
      Expires: new Date(expiresAtMs).toISOString(),
      ServerTime: new Date(nowMs).toISOString(),
    });
  }
}

/** An unsigned x-amz- header could be added on the way and change what the request does, so S3 refuses it. */
function checkSignedHeaders(claim: Claim, request: S3Request): void {
  const unsigned = Object.keys(request.raw.headers).filter(
    (name) => (name === "host" || name.startsWith("x-amz-")) && !claim.signedHeaders.includes(name),
  );
  if (unsigned.length === 0) return;
  throw new S3Error("AccessDenied", "There were headers present in the request which were not signed.", {
    HeadersNotSigned: unsigned.join(", "),
  });
}

function canonicalRequest(claim: Claim, request: S3Request): string {
  const query = request.query
    .filter(([name]) => name !== "X-Amz-Signature")
    .map(([name, value]) => [awsEncode(name), awsEncode(value)] as const)
    .sort(([nameA, valueA], [nameB, valueB]) => byCodeUnit(nameA, nameB) || byCodeUnit(valueA, valueB))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
  const headers = claim.signedHeaders.map((name) => {
    const values = request.rawHeader(name).map((value) => value.trim().replace(/ {2,}/g, " "));
    return `${name}:${values.join(",")}\n`;
  });
  const path = request.path.split("/").map(awsEncode).join("/");
  return [
    request.method,
    path,
    query,
    headers.join(""),
    claim.signedHeaders.join(";"),
    claim.payloadHash,
  ].join("\n");
}

const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** All but A-Z a-z 0-9 - . _ ~, which is one step more than `encodeURIComponent`. */
export const awsEncode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

function signingKey(secretAccessKey: string, scope: string): Buffer {
  return scope
    .split("/")
    .reduce<Buffer>((key, part) => hmac(key, part), Buffer.from(`AWS4${secretAccessKey}`));
}

// Node hands headers over as latin1, so hashing them as latin1 hashes the bytes that were sent.
const hmac = (key: Buffer, text: string): Buffer => createHmac("sha256", key).update(text, "latin1").digest();
const sha256Hex = (text: string): string => createHash("sha256").update(text, "latin1").digest("hex");

function sameSignature(expected: Buffer, claimedHex: string): boolean {
  return /^[0-9a-f]{64}$/.test(claimedHex) && timingSafeEqual(expected, Buffer.from(claimedHex, "hex"));
}

const epochMs = (date: string): number =>
  Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));

const mismatch = (): S3Error =>
  new S3Error(
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
  );
