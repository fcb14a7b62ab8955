import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo } from "node:net";
import { type Clock } from "../../engine/clock.ts";
import {
  bucketLocation,
  createBucket,
  deleteBucket,
  deleteObjects,
  headBucket,
  listBuckets,
} from "./bucket-operations.ts";
import { Disk } from "./disk.ts";
import { S3Error } from "./errors.ts";
import { type Exchange, type Operation, sendEmpty, sendXml } from "./exchange.ts";
import { listObjects, listObjectsV2 } from "./listing.ts";
import {
  abortUpload,
  completeUpload,
  createUpload,
  listParts,
  listUploads,
  uploadPart,
} from "./multipart-operations.ts";
import { deleteObject, getObject, headObject, putObject } from "./object-operations.ts";
import { S3Request } from "./request.ts";
import { type Credentials, proveSignature } from "./signature.ts";
import { Uploads } from "./uploads.ts";
import { element, optional } from "./xml.ts";

export interface EmbeddedS3Options {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** Made if it is not there; its server alone writes in it. */
  directory: string;
  region: string;
  credentials: Credentials;
  /** Made at the start if they are not there. */
  buckets?: string[];
  clock: Clock;
  /** Hears of faults that clients only see as `InternalError`, such as a full disk. */
  onFault?: (error: unknown) => void;
}

export interface EmbeddedS3 {
  port: number;
  endpoint: string;
  /** Lets what is under way finish for 5 s. May be called twice. */
  close(): Promise<void>;
}

/** The embedded default for recordings: path-style S3 over HTTP, every request signed, files on disk. */
export async function startEmbeddedS3(options: EmbeddedS3Options): Promise<EmbeddedS3> {
  const front = new Front(options);
  await front.start();
  const { port } = front.address;
  return { port, endpoint: endpointOf(options.host, port), close: () => front.close() };
}

/** A row's name is the method, the level and every subresource in order: `operationFor` spells it the same way. */
const operations: Record<string, Operation> = {
  "GET service": listBuckets,
  "PUT bucket": createBucket,
  "HEAD bucket": headBucket,
  "DELETE bucket": deleteBucket,
  "GET bucket": listObjects,
  "GET bucket ?list-type": listObjectsV2,
  "GET bucket ?location": bucketLocation,
  "GET bucket ?uploads": listUploads,
  "POST bucket ?delete": deleteObjects,
  "PUT object": putObject,
  "GET object": getObject,
  "HEAD object": headObject,
  "DELETE object": deleteObject,
  "POST object ?uploads": createUpload,
  "PUT object ?partNumber ?uploadId": uploadPart,
  "POST object ?uploadId": completeUpload,
  "DELETE object ?uploadId": abortUpload,
  "GET object ?uploadId": listParts,
};

/** Parameters that tune an operation; any other one asks for a different operation (`?acl`, `?versionId`). */
const tuning = new Set([
  "prefix",
  "delimiter",
  "marker",
  "max-keys",
  "encoding-type",
  "continuation-token",
  "start-after",
  "fetch-owner",
  "max-uploads",
  "max-parts",
  "part-number-marker",
  "x-id",
]);

function operationFor({ method, path, key, query }: S3Request): Operation {
  const level = path === "/" ? "service" : key === "" ? "bucket" : "object";
  const subresources = query
    .map(([name]) => name)
    .filter((name) => !tuning.has(name) && !/^(x-amz-|response-)/i.test(name))
    .sort()
    .map((name) => ` ?${name}`);
  const name = `${method} ${level}${[...new Set(subresources)].join("")}`;
  const operation = Object.hasOwn(operations, name) ? operations[name] : undefined;
  if (!operation) throw new S3Error("NotImplemented", `Not implemented here: ${name}.`);
  return operation;
}

const headersMsMax = 20_000;
/** 5 GiB at 1.5 MB/s. */
const requestMsMax = 3_600_000;
const idleMsMax = 60_000;
const connectionsMax = 1024;
const closeMsMax = 5_000;
/** As much of a refused body as is still read, so that a client that writes before it reads gets to see the reply. */
const refusedBytesMax = 1024 ** 2;
const refusedMsMax = 5_000;

/** The listening socket and the way from a request to its operation. */
class Front {
  readonly #server: Server;
  readonly #options: EmbeddedS3Options;
  readonly #disk: Disk;
  readonly #uploads: Uploads;
  readonly #underWay = new Set<Promise<void>>();
  #ready: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: EmbeddedS3Options) {
    this.#options = options;
    this.#disk = new Disk(options.directory);
    this.#uploads = new Uploads(this.#disk, options.clock);
    const timeouts = {
      headersTimeout: headersMsMax,
      requestTimeout: requestMsMax,
      keepAliveTimeout: idleMsMax,
      // Node looks each half minute by default.
      connectionsCheckingInterval: 1_000,
    };
    this.#server = createServer(timeouts, (raw, response) => this.#take(raw, response, () => undefined));
    this.#server.on("checkContinue", (raw: IncomingMessage, response: ServerResponse) =>
      this.#take(raw, response, () => response.writeContinue()),
    );
    this.#server.setTimeout(idleMsMax);
    this.#server.maxConnections = connectionsMax;
  }

  /** Listens first: a second server by mistake fails on the port, before it sweeps the first one's directory. */
  async start(): Promise<void> {
    this.#server.listen(this.#options.port, this.#options.host);
    await once(this.#server, "listening");
    this.#ready = this.#prepareDisk();
    try {
      await this.#ready;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async #prepareDisk(): Promise<void> {
    await this.#disk.open();
    for (const bucket of this.#options.buckets ?? []) await this.#disk.createBucket(bucket);
  }

  get address(): AddressInfo {
    return this.#server.address() as AddressInfo;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    const impatience = this.#options.clock.after(closeMsMax, () => this.#server.closeAllConnections());
    await closed;
    impatience.cancel();
    await Promise.all(this.#underWay);
  }

  #take(raw: IncomingMessage, response: ServerResponse, acceptBody: () => void): void {
    const handled = this.#handle(raw, response, acceptBody).finally(() => this.#underWay.delete(handled));
    this.#underWay.add(handled);
    // A connection that was busy when the server closed would otherwise be kept alive.
    response.once("close", () => {
      if (this.#closed) this.#server.closeIdleConnections();
    });
  }

  /** Never rejects. */
  async #handle(raw: IncomingMessage, response: ServerResponse, acceptBody: () => void): Promise<void> {
    const requestId = randomBytes(8).toString("hex").toUpperCase();
    response.setHeader("x-amz-request-id", requestId);
    if (this.#closed) response.setHeader("connection", "close");
    try {
      await this.#ready;
      const request = new S3Request(raw, acceptBody);
      const proof = proveSignature(request, this.#options);
      const { clock, region } = this.#options;
      const exchange: Exchange = {
        request,
        proof,
        response,
        disk: this.#disk,
        uploads: this.#uploads,
        clock,
        region,
      };
      await operationFor(request)(exchange);
    } catch (error) {
      const gone = raw.socket.destroyed;
      if (!gone && !(error instanceof S3Error)) this.#options.onFault?.(error);
      // Half a reply cannot be taken back, only cut off.
      if (gone || response.headersSent) {
        response.destroy();
        return;
      }
      this.#dropBody(raw, response);
      refuse(raw, response, requestId, error instanceof S3Error ? error : internalError());
    }
  }

  /** Nobody who was refused may hold a connection by sending slowly, or without end. */
  #dropBody(raw: IncomingMessage, response: ServerResponse): void {
    if (raw.complete) return;
    const length = Number(raw.headers["content-length"] ?? Infinity);
    const unwelcome = length > refusedBytesMax || raw.headers.expect !== undefined;
    if (unwelcome) response.setHeader("connection", "close");
    const impatience = this.#options.clock.after(refusedMsMax, () => raw.destroy());
    raw.once("close", () => impatience.cancel());
    raw.resume();
  }
}

function refuse(raw: IncomingMessage, response: ServerResponse, requestId: string, error: S3Error): void {
  if (raw.method === "HEAD") {
    sendEmpty(response, error.httpStatus);
    return;
  }
  const details = Object.entries(error.details).flatMap(([name, value]) => optional(name, value));
  sendXml(
    response,
    error.httpStatus,
    element("Error", [
      element("Code", error.code),
      element("Message", error.message),
      ...details,
      element("RequestId", requestId),
    ]),
  );
}

const internalError = (): S3Error =>
  new S3Error("InternalError", "We encountered an internal error. Please try again.");

function endpointOf(host: string, port: number): string {
  const reachable = { "0.0.0.0": "127.0.0.1", "::": "::1" }[host] ?? host;
  return `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
}
