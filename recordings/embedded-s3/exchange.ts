import { type ServerResponse } from "node:http";
import { type Clock } from "../../engine/clock.ts";
import { type Disk } from "./disk.ts";
import { type S3Request } from "./request.ts";
import { type Proof } from "./signature.ts";
import { type Uploads } from "./uploads.ts";
import { renderXml, type XmlElement } from "./xml.ts";

/** A proven request, the reply to write, and what an operation works on. */
export interface Exchange {
  request: S3Request;
  proof: Proof;
  response: ServerResponse;
  disk: Disk;
  uploads: Uploads;
  clock: Clock;
  region: string;
}

export type Operation = (exchange: Exchange) => Promise<void>;

export function sendEmpty(
  response: ServerResponse,
  httpStatus: number,
  headers: Record<string, string> = {},
): void {
  // RFC 9110 §8.6: a 204 or 304 has no Content-Length of its own.
  const length = httpStatus === 204 || httpStatus === 304 ? {} : { "content-length": "0" };
  response.writeHead(httpStatus, { ...length, ...headers });
  response.end();
}

export function sendXml(
  response: ServerResponse,
  httpStatus: number,
  root: XmlElement,
  headers: Record<string, string> = {},
): void {
  const body = renderXml(root);
  response.writeHead(httpStatus, {
    "content-type": "application/xml",
    "content-length": Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}
