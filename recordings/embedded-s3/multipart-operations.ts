import { owner } from "./bucket-operations.ts";
import {
  type ChecksumAlgorithm,
  checksumAlgorithm,
  checksumAlgorithms,
  checksumElement,
  checksumHeader,
} from "./checksums.ts";
import { type ObjectFacts } from "./disk.ts";
import { S3Error } from "./errors.ts";
import { type Exchange, type Operation, sendEmpty, sendXml } from "./exchange.ts";
import { textOf } from "./listing.ts";
import { checksumHeaders, headersToKeep, onlyIfNewAsked } from "./object-operations.ts";
import { Payload, readDocument } from "./payload.ts";
import { type S3Request } from "./request.ts";
import { partNumberMax, type PartClaimed, type UploadFacts } from "./uploads.ts";
import { childrenNamed, childText, element, optional, parseXml, type XmlElement } from "./xml.ts";

const pageMax = 1000;

export const createUpload: Operation = async ({ request, response, uploads }) => {
  const checksum = checksumAsked(request);
  const { key, bucket } = request;
  const upload = await uploads.create(bucket, {
    key,
    headers: headersToKeep(request),
    ...(checksum && { checksum }),
  });
  sendXml(
    response,
    200,
    element("InitiateMultipartUploadResult", [
      element("Bucket", bucket),
      element("Key", key),
      element("UploadId", upload.uploadId),
    ]),
    checksum && { "x-amz-checksum-algorithm": checksum.algorithm, "x-amz-checksum-type": checksum.type },
  );
};

export const uploadPart: Operation = async ({ request, response, proof, uploads }) => {
  if (request.header("x-amz-copy-source") !== undefined) {
    throw new S3Error("NotImplemented", "A part cannot be copied from an object here.");
  }
  const partNumber = Number(/^\d{1,5}$/.exec(request.parameter("partNumber") ?? "")?.[0] ?? 0);
  if (partNumber < 1 || partNumber > partNumberMax) {
    throw new S3Error("InvalidArgument", `Part number must be an integer between 1 and ${partNumberMax}.`);
  }
  const upload = await findUpload(request, uploads);
  const payload = new Payload(request, proof, { algorithm: upload.checksum?.algorithm });
  const part = await uploads.putPart(request.bucket, upload, partNumber, payload.bytes(), () => {
    const { size, md5Hex, checksum } = payload.received;
    return { size, etag: md5Hex, ...(checksum && { checksum }) };
  });
  const sum = part.checksum && { [checksumHeader(part.checksum.algorithm)]: part.checksum.value };
  sendEmpty(response, 200, { etag: `"${part.etag}"`, ...sum });
};

export const completeUpload: Operation = async ({ request, response, proof, disk, uploads }) => {
  const asked = parseXml(await readDocument(request, proof));
  if (asked.name !== "CompleteMultipartUpload")
    throw new S3Error("MalformedXML", "Expecting CompleteMultipartUpload.");
  const uploadId = request.parameter("uploadId") ?? "";
  const done = await disk.objectFacts(request.bucket, request.key);
  if (done?.uploadId === uploadId) {
    // The reply to the first completion was lost, or the upload's folder was left behind, and the client asks again.
    await uploads.remove(request.bucket, uploadId);
    sendCompleted(request, response, done);
    return;
  }
  const upload = await findUpload(request, uploads);
  const claimed = childrenNamed(asked, "Part").map((part) => readPart(part, upload.checksum?.algorithm));
  // Putting a large object together is silent on the wire.
  response.setTimeout(0);
  const facts = await uploads.complete(request.bucket, upload, claimed, {
    onlyIfNew: onlyIfNewAsked(request),
  });
  sendCompleted(request, response, facts);
};

export const abortUpload: Operation = async ({ request, response, uploads }) => {
  const { uploadId } = await findUpload(request, uploads);
  await uploads.remove(request.bucket, uploadId);
  sendEmpty(response, 204);
};

export const listParts: Operation = async ({ request, response, uploads }) => {
  const upload = await findUpload(request, uploads);
  const marker =
    request.parameter("part-number-marker") === undefined
      ? 0
      : request.countParameter("part-number-marker", partNumberMax);
  const max = request.countParameter("max-parts", pageMax);
  const parts = (await uploads.parts(request.bucket, upload)).filter(({ partNumber }) => partNumber > marker);
  const shown = parts.slice(0, max);
  const truncated = parts.length > shown.length;
  sendXml(
    response,
    200,
    element("ListPartsResult", [
      element("Bucket", request.bucket),
      element("Key", textOf(request)(request.key)),
      element("UploadId", upload.uploadId),
      ...optional("ChecksumAlgorithm", upload.checksum?.algorithm),
      ...optional("ChecksumType", upload.checksum?.type),
      element("PartNumberMarker", marker),
      ...optional("NextPartNumberMarker", truncated ? shown.at(-1)?.partNumber : undefined),
      element("MaxParts", max),
      element("IsTruncated", truncated),
      owner("Initiator"),
      owner("Owner"),
      element("StorageClass", "STANDARD"),
      ...shown.map((part) =>
        element("Part", [
          element("PartNumber", part.partNumber),
          element("LastModified", new Date(part.lastModifiedMs).toISOString()),
          element("ETag", `"${part.etag}"`),
          element("Size", part.size),
          ...(part.checksum ? [element(checksumElement(part.checksum.algorithm), part.checksum.value)] : []),
        ]),
      ),
    ]),
  );
};

/** The oldest first within a key; all on one page, because a bucket of recordings has few. */
export const listUploads: Operation = async ({ request, response, uploads }) => {
  const prefix = request.parameter("prefix") ?? "";
  const text = textOf(request);
  const found = (await uploads.list(request.bucket))
    .filter(({ key }) => key.startsWith(prefix))
    .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) || a.initiatedMs - b.initiatedMs);
  sendXml(
    response,
    200,
    element("ListMultipartUploadsResult", [
      element("Bucket", request.bucket),
      element("Prefix", text(prefix)),
      ...optional("EncodingType", request.parameter("encoding-type")),
      element("IsTruncated", false),
      ...found.map(({ key, uploadId, initiatedMs }) =>
        element("Upload", [
          element("Key", text(key)),
          element("UploadId", uploadId),
          owner("Initiator"),
          owner("Owner"),
          element("StorageClass", "STANDARD"),
          element("Initiated", new Date(initiatedMs).toISOString()),
        ]),
      ),
    ]),
  );
};

const findUpload = async (request: S3Request, uploads: Exchange["uploads"]): Promise<UploadFacts> =>
  await uploads.find(request.bucket, request.key, request.parameter("uploadId") ?? "");

/** CRCs of parts can be joined to that of the whole, so clients may ask for either; hashes cannot. */
function checksumAsked(request: S3Request): UploadFacts["checksum"] {
  const name = request.header("x-amz-checksum-algorithm");
  if (name === undefined) return undefined;
  const algorithm = checksumAlgorithm(name);
  const type = request.header("x-amz-checksum-type")?.toUpperCase() ?? "COMPOSITE";
  if (type !== "COMPOSITE" && (type !== "FULL_OBJECT" || !algorithm.startsWith("CRC"))) {
    throw new S3Error(
      "InvalidRequest",
      `The ${type} checksum type cannot be used with the ${algorithm} algorithm.`,
    );
  }
  return { algorithm, type };
}

function readPart(part: XmlElement, algorithm: ChecksumAlgorithm | undefined): PartClaimed {
  const partNumber = childText(part, "PartNumber") ?? "";
  const etag = childText(part, "ETag")
    ?.trim()
    .replace(/^"(.*)"$/, "$1");
  if (!/^\s*\d{1,5}\s*$/.test(partNumber) || etag === undefined) {
    throw new S3Error("MalformedXML", "A Part needs a PartNumber and an ETag.");
  }
  const claimed = checksumAlgorithms.find((each) => childText(part, checksumElement(each)) !== undefined);
  if (claimed !== undefined && algorithm !== undefined && claimed !== algorithm) {
    throw new S3Error(
      "InvalidRequest",
      `The upload was created with ${algorithm} checksums, not ${claimed}.`,
    );
  }
  return {
    partNumber: Number(partNumber),
    etag,
    checksum: claimed && childText(part, checksumElement(claimed)),
  };
}

function sendCompleted(request: S3Request, response: Exchange["response"], facts: ObjectFacts): void {
  sendXml(
    response,
    200,
    element("CompleteMultipartUploadResult", [
      element(
        "Location",
        `http://${request.raw.headers.host ?? ""}/${request.bucket}/${encodeURI(request.key)}`,
      ),
      element("Bucket", request.bucket),
      element("Key", request.key),
      element("ETag", `"${facts.etag}"`),
      ...(facts.checksum
        ? [
            element(checksumElement(facts.checksum.algorithm), facts.checksum.value),
            element("ChecksumType", facts.checksum.type),
          ]
        : []),
    ]),
    checksumHeaders(facts.checksum),
  );
}
