import { S3Error } from "./errors.ts";
import { type Operation, sendEmpty, sendXml } from "./exchange.ts";
import { readDocument } from "./payload.ts";
import { childrenNamed, childText, element, optional, parseXml, type XmlElement } from "./xml.ts";

/** S3's limit on one DeleteObjects. */
const deletedKeysMax = 1000;

export const listBuckets: Operation = async ({ response, disk }) => {
  const buckets = await disk.buckets();
  sendXml(
    response,
    200,
    element("ListAllMyBucketsResult", [
      owner("Owner"),
      element(
        "Buckets",
        buckets.map(({ name, createdMs }) =>
          element("Bucket", [
            element("Name", name),
            element("CreationDate", new Date(createdMs).toISOString()),
          ]),
        ),
      ),
    ]),
  );
};

export const createBucket: Operation = async ({ request, response, proof, disk }) => {
  // The body may name a location. There is one, so nothing depends on it, but it must be what was signed.
  if (Number(request.raw.headers["content-length"] ?? 0) > 0) await readDocument(request, proof);
  if ((await disk.createBucket(request.bucket)) === "there already") {
    throw new S3Error(
      "BucketAlreadyOwnedByYou",
      "Your previous request to create the named bucket succeeded.",
    );
  }
  sendEmpty(response, 200, { location: `/${request.bucket}` });
};

export const headBucket: Operation = async ({ request, response, disk, region }) => {
  await disk.bucketCreatedMs(request.bucket);
  sendEmpty(response, 200, { "x-amz-bucket-region": region });
};

export const deleteBucket: Operation = async ({ request, response, disk }) => {
  await disk.deleteBucket(request.bucket);
  sendEmpty(response, 204);
};

export const bucketLocation: Operation = async ({ request, response, disk, region }) => {
  await disk.bucketCreatedMs(request.bucket);
  // The first region has no name here, for reasons older than regions.
  sendXml(response, 200, element("LocationConstraint", region === "us-east-1" ? "" : region));
};

export const deleteObjects: Operation = async ({ request, response, proof, disk }) => {
  const asked = parseXml(await readDocument(request, proof));
  const keys = childrenNamed(asked, "Object").map((object) => childText(object, "Key"));
  if (asked.name !== "Delete" || keys.length === 0 || keys.length > deletedKeysMax) {
    throw new S3Error("MalformedXML", `Expecting a Delete with 1 to ${deletedKeysMax} keys.`);
  }
  await disk.bucketCreatedMs(request.bucket);
  for (const key of keys) {
    if (key === undefined || key === "") throw new S3Error("MalformedXML", "An Object without its Key.");
    await disk.deleteObject(request.bucket, key);
  }
  const quiet = childText(asked, "Quiet") === "true";
  const deleted = keys.map((key) => element("Deleted", optional("Key", key)));
  sendXml(response, 200, element("DeleteResult", quiet ? [] : deleted));
};

/** There is one set of credentials, hence one owner. */
export const owner = (name: string): XmlElement =>
  element(name, [element("ID", "sautikit"), element("DisplayName", "sautikit")]);
