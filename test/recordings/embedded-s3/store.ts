import { mkdtemp, rm } from "node:fs/promises";
import { type Agent, type IncomingHttpHeaders, request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Sha256 } from "@aws-crypto/sha256-js";
import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { SignatureV4 } from "@smithy/signature-v4";
import { type Clock, systemClock } from "../../../engine/clock.ts";
import { type EmbeddedS3Options, startEmbeddedS3 } from "../../../recordings/embedded-s3/server.ts";

export const region = "af-south-1";
export const bucket = "recordings";
export const credentials = { accessKeyId: "SAUTIKIT", secretAccessKey: "wanjiru-calls-otieno" };

/** A running store in a folder of its own, and the SDK's client of it. */
export class Store {
  readonly directory: string;
  readonly port: number;
  readonly endpoint: string;
  readonly client: S3Client;
  readonly faults: unknown[];
  readonly #stop: () => Promise<void>;

  private constructor(
    directory: string,
    faults: unknown[],
    server: Awaited<ReturnType<typeof startEmbeddedS3>>,
  ) {
    this.directory = directory;
    this.faults = faults;
    this.port = server.port;
    this.endpoint = server.endpoint;
    this.client = this.clientWith({});
    this.#stop = () => server.close();
  }

  static async open(options: Partial<EmbeddedS3Options> = {}): Promise<Store> {
    const directory = options.directory ?? (await mkdtemp(join(tmpdir(), "sautikit-s3-")));
    const faults: unknown[] = [];
    const server = await startEmbeddedS3({
      host: "127.0.0.1",
      port: 0,
      directory,
      region,
      credentials,
      buckets: [bucket],
      clock: systemClock,
      onFault: (error) => faults.push(error),
      ...options,
    });
    return new Store(directory, faults, server);
  }

  clientWith(config: S3ClientConfig): S3Client {
    return new S3Client({
      endpoint: this.endpoint,
      region,
      credentials,
      forcePathStyle: true,
      maxAttempts: 1,
      ...config,
    });
  }

  /** Leaves the folder as it is. */
  async stop(): Promise<void> {
    this.client.destroy();
    await this.#stop();
  }

  async close(): Promise<void> {
    await this.stop();
    await rm(this.directory, { recursive: true });
  }

  async send(request: Wire): Promise<Reply> {
    return await send(this.port, request);
  }
}

/** A clock that is off by as much as the test says. */
export function shiftedClock(): Clock & { offsetMs: number } {
  return {
    ...systemClock,
    offsetMs: 0,
    nowMs() {
      return systemClock.nowMs() + this.offsetMs;
    },
  };
}

/** A request as it goes over the wire, path and query untouched by any URL parser. */
export interface Wire {
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: Buffer | string;
  /** Default: a connection of its own. */
  agent?: Agent;
}

export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** The code of S3's error document, if it is one. */
  code: string | undefined;
}

export async function send(port: number, { method, path, headers, body, agent }: Wire): Promise<Reply> {
  return await new Promise((resolve, reject) => {
    const request = httpRequest(
      { host: "127.0.0.1", port, method, path, headers, agent: agent ?? false },
      (response) => {
        const pieces: Buffer[] = [];
        response.on("data", (piece: Buffer) => pieces.push(piece));
        response.on("error", reject);
        response.on("end", () => {
          const whole = Buffer.concat(pieces);
          const code = /<Error><Code>(\w+)<\/Code>/.exec(whole.toString())?.[1];
          const status = response.statusCode ?? 0;
          resolve({ status, headers: response.headers, body: whole, code });
        });
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

export interface ToSign {
  method: string;
  /** As it goes over the wire. */
  path: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: Buffer | string;
  /** Default: the body's SHA-256, computed by the signer. */
  payloadHash?: string;
  date?: Date;
  region?: string;
  credentials?: { accessKeyId: string; secretAccessKey: string };
}

/** Signed by the signer of the AWS SDK, which shares no line with ours. */
export async function signed(port: number, toSign: ToSign): Promise<Wire> {
  const request = await signerOf(toSign).sign(
    {
      ...requestOf(port, toSign),
      headers: {
        host: `127.0.0.1:${port}`,
        ...(toSign.payloadHash && { "x-amz-content-sha256": toSign.payloadHash }),
        ...toSign.headers,
      },
    },
    toSign.date ? { signingDate: toSign.date } : {},
  );
  return wireOf(request, toSign);
}

export async function presigned(port: number, toSign: ToSign & { expiresIn?: number }): Promise<Wire> {
  const request = await signerOf(toSign).presign(
    {
      ...requestOf(port, toSign),
      headers: { host: `127.0.0.1:${port}`, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", ...toSign.headers },
    },
    {
      expiresIn: toSign.expiresIn ?? 3600,
      ...(toSign.date && { signingDate: toSign.date }),
      unhoistableHeaders: new Set(Object.keys(toSign.headers ?? {})),
    },
  );
  return wireOf(request, toSign);
}

function signerOf(toSign: ToSign): SignatureV4 {
  return new SignatureV4({
    credentials: toSign.credentials ?? credentials,
    region: toSign.region ?? region,
    service: "s3",
    sha256: Sha256,
    uriEscapePath: false,
  });
}

const requestOf = (port: number, { method, path, query = {}, body }: ToSign) => ({
  method,
  protocol: "http:",
  hostname: "127.0.0.1",
  port,
  path,
  query,
  ...(body !== undefined && { body }),
});

function wireOf(
  request: { method: string; path: string; query?: object; headers: Record<string, string> },
  { body }: ToSign,
): Wire {
  const query = Object.entries(request.query ?? {})
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`)
    .join("&");
  return {
    method: request.method,
    path: query === "" ? request.path : `${request.path}?${query}`,
    headers: request.headers,
    ...(body !== undefined && { body }),
  };
}

/** A key as its place in a path, by S3's rules of escaping. */
export const pathOf = (key: string): string =>
  `/${bucket}/${encodeURIComponent(key)
    .replaceAll("%2F", "/")
    .replace(/[!'()*]/g, escapeCharacter)}`;

const escapeCharacter = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;

/** Bytes that no compression or padding would leave the same, the same at every run. */
export function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 0x9e3779b9;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}
