import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent } from "node:http";
import { createConnection } from "node:net";
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import fc from "fast-check";
import { systemClock } from "../../../engine/clock.ts";
import {
  bucket,
  credentials,
  pathOf,
  presigned,
  region,
  shiftedClock,
  signed,
  Store,
  type Wire,
} from "./store.ts";

const minuteMs = 60_000;
const daySeconds = 86_400;

describe("who is refused", function () {
  this.timeout(20_000);
  const clock = shiftedClock();
  const path = `/${bucket}/leg.wav`;
  let store: Store;
  before(async () => {
    store = await Store.open({ clock });
    for (const Key of ["leg.wav", "other.wav"]) {
      await store.client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: "0123456789" }));
    }
  });
  beforeEach(() => {
    clock.offsetMs = 0;
  });
  after(() => store.close());

  async function refused(wire: Wire, code: string, status = 403): Promise<void> {
    const reply = await store.send(wire);
    assert.equal(reply.code, code, reply.body.toString());
    assert.equal(reply.status, status);
    assert.equal(reply.headers["content-type"], "application/xml");
  }
  const without = (headers: Record<string, string>, name: string) =>
    Object.fromEntries(Object.entries(headers).filter(([each]) => each.toLowerCase() !== name));
  const get = (extra = {}) => signed(store.port, { method: "GET", path, ...extra });
  const link = (extra = {}) => presigned(store.port, { method: "GET", path, ...extra });

  describe("with the signature in a header", () => {
    it("nobody, when all is as it was signed", async () => {
      const reply = await store.send(await get({ headers: { range: "bytes=2-4" } }));
      assert.equal(reply.status, 206);
      assert.equal(reply.body.toString(), "234");
    });

    it("somebody anonymous, whatever they ask for", async () => {
      for (const [method, where] of [
        ["GET", "/"],
        ["GET", path],
        ["HEAD", path],
        ["PUT", path],
        ["DELETE", path],
        ["GET", `/${bucket}`],
        ["POST", `/${bucket}?delete`],
        ["PUT", "/a-new-bucket"],
        ["POST", `${path}?uploads`],
        ["OPTIONS", path],
        ["GET", "/no-such-bucket/at-all"],
      ] as const) {
        const reply = await store.send({ method, path: where, headers: {} });
        assert.equal(reply.status, 403, `${method} ${where}`);
        assert.equal(reply.code, method === "HEAD" ? undefined : "AccessDenied");
      }
      assert.equal((await store.send(await get())).body.toString(), "0123456789");
    });

    it("an unknown access key", async () => {
      const stranger = { ...credentials, accessKeyId: "SOMEBODYELSE" };
      await refused(await get({ credentials: stranger }), "InvalidAccessKeyId");
      const client = store.clientWith({ credentials: stranger });
      const attempt = client.send(new GetObjectCommand({ Bucket: bucket, Key: "leg.wav" }));
      await assert.rejects(attempt, { name: "InvalidAccessKeyId" });
    });

    it("a wrong secret, small and large", async () => {
      const guess = { ...credentials, secretAccessKey: "a guess" };
      await refused(await get({ credentials: guess }), "SignatureDoesNotMatch");
      const client = store.clientWith({ credentials: guess });
      for (const length of [10, 500_000, 4_000_000]) {
        const attempt = client.send(
          new PutObjectCommand({ Bucket: bucket, Key: "leg.wav", Body: Buffer.alloc(length) }),
        );
        await assert.rejects(attempt, { name: "SignatureDoesNotMatch" });
      }
      const head = client.send(new HeadObjectCommand({ Bucket: bucket, Key: "leg.wav" }));
      await assert.rejects(
        head,
        (error: { $metadata: { httpStatusCode: number } }) => error.$metadata.httpStatusCode === 403,
      );
    });

    it("a request changed on the way", async () => {
      const wire = await get({ query: { "x-id": "GetObject" }, headers: { range: "bytes=0-1" } });
      const code = "SignatureDoesNotMatch";
      await refused({ ...wire, path: `/${bucket}/other.wav?x-id=GetObject` }, code);
      await refused({ ...wire, path: `${path}?x-id=PutObject` }, code);
      await refused({ ...wire, path }, code);
      await refused({ ...wire, path: `${wire.path}&response-content-type=text/html` }, code);
      await refused({ ...wire, method: "DELETE" }, code);
      await refused({ ...wire, headers: { ...wire.headers, range: "bytes=0-9" } }, code);
      await refused({ ...wire, headers: without(wire.headers, "range") }, code);
      await refused({ ...wire, headers: { ...wire.headers, host: "elsewhere" } }, code);
    });

    it("any other key, range or parameter under the same signature", async () => {
      const wire = await get({ headers: { range: "bytes=0-1" } });
      const differing = fc.record({
        key: fc.string({ maxLength: 20 }),
        range: fc.integer({ min: 2, max: 9 }),
        parameter: fc.constantFrom("prefix", "response-content-type", "x-id", "x-amz-meta-leg"),
      });
      await fc.assert(
        fc.asyncProperty(differing, async ({ key, range, parameter }) => {
          fc.pre(key !== "leg.wav" && key !== "");
          await refused({ ...wire, path: pathOf(key) }, "SignatureDoesNotMatch");
          await refused(
            { ...wire, headers: { ...wire.headers, range: `bytes=0-${range}` } },
            "SignatureDoesNotMatch",
          );
          await refused({ ...wire, path: `${path}?${parameter}=` }, "SignatureDoesNotMatch");
        }),
        { numRuns: 25 },
      );
    });

    it("an x-amz- header added on the way", async () => {
      const wire = await signed(store.port, { method: "PUT", path, body: "changed" });
      const headers = { ...wire.headers, "x-amz-copy-source": `/${bucket}/other.wav` };
      await refused({ ...wire, headers }, "AccessDenied");
    });

    it("a signature without the host, which would be good at any server", async () => {
      const wire = await get();
      const headers = { ...wire.headers };
      headers.authorization = (headers.authorization ?? "").replace("host;", "");
      await refused({ ...wire, headers }, "AccessDenied");
    });

    it("a body other than the one signed", async () => {
      const wire = await signed(store.port, { method: "PUT", path, body: "0123456789" });
      await refused({ ...wire, body: "9876543210" }, "XAmzContentSHA256Mismatch", 400);
      const reply = await store.send(await get());
      assert.equal(reply.body.toString(), "0123456789");
    });

    it("a clock more than 15 minutes off, either way", async () => {
      const wire = await get();
      for (const [minutes, accepted] of [
        [14, true],
        [16, false],
        [-14, true],
        [-16, false],
      ] as const) {
        clock.offsetMs = minutes * minuteMs;
        if (accepted) assert.equal((await store.send(wire)).status, 200);
        else await refused(wire, "RequestTimeTooSkewed");
      }
    });

    it("a signature for another region, service or day", async () => {
      const elsewhere = await store.send(await get({ region: "us-east-1" }));
      assert.equal(elsewhere.code, "AuthorizationHeaderMalformed");
      assert.match(elsewhere.body.toString(), new RegExp(`<Region>${region}</Region>`));

      const wire = await get();
      const change = (from: RegExp, to: string) => ({
        ...wire,
        headers: { ...wire.headers, authorization: (wire.headers.authorization ?? "").replace(from, to) },
      });
      await refused(change(/\/s3\//, "/sqs/"), "AuthorizationHeaderMalformed", 400);
      await refused(change(/\/\d{8}\//, "/20200101/"), "AuthorizationHeaderMalformed", 400);
    });

    it("a header that is no signature", async () => {
      for (const authorization of [
        "",
        "Basic d2FuamlydTo=",
        "AWS SAUTIKIT:abc",
        "AWS4-HMAC-SHA256 Credential=x",
      ]) {
        await refused(
          { method: "GET", path, headers: { authorization } },
          "AuthorizationHeaderMalformed",
          400,
        );
      }
    });
  });

  describe("with the signature in the link", () => {
    const body = async (wire: Wire) => (await store.send(wire)).body.toString();

    it("nobody, as long as it lives", async () => {
      const wire = await link({ expiresIn: 3600 });
      assert.equal(await body(wire), "0123456789");
      clock.offsetMs = 59 * minuteMs;
      assert.equal(await body(wire), "0123456789");
    });

    it("everybody, once it has expired", async () => {
      const wire = await link({ expiresIn: 3600 });
      clock.offsetMs = 61 * minuteMs;
      await refused(wire, "AccessDenied");
      assert.match(await body(wire), /Request has expired/);
    });

    it("a link from the future, or for longer than seven days, or for no time", async () => {
      clock.offsetMs = -16 * minuteMs;
      await refused(await link(), "AccessDenied");
      clock.offsetMs = 0;
      const week = await link({ expiresIn: 7 * daySeconds });
      clock.offsetMs = (7 * daySeconds - 60) * 1000;
      assert.equal(await body(week), "0123456789");
      clock.offsetMs = 0;
      for (const expires of ["604801", "0", "-1", "soon", "1e3", ""]) {
        const wire = { ...week, path: week.path.replace(/Expires=\d+/, `Expires=${expires}`) };
        await refused(wire, "AuthorizationQueryParametersError", 400);
      }
    });

    it("a link with anything about it changed", async () => {
      const wire = await link({ query: { "response-content-type": "audio/wav" } });
      const code = "SignatureDoesNotMatch";
      await refused({ ...wire, path: wire.path.replace("leg.wav", "other.wav") }, code);
      await refused({ ...wire, path: wire.path.replace("audio%2Fwav", "text%2Fhtml") }, code);
      await refused({ ...wire, path: wire.path.replace("response-content-type=audio%2Fwav&", "") }, code);
      await refused({ ...wire, path: `${wire.path}&response-content-disposition=inline` }, code);
      await refused({ ...wire, path: wire.path.replace(/Expires=\d+/, "Expires=600000") }, code);
      await refused({ ...wire, path: wire.path.replace(/Signature=.{8}/, "Signature=00000000") }, code);
      await refused({ ...wire, method: "PUT" }, code);
      await refused({ ...wire, method: "DELETE" }, code);
      await refused({ ...wire, headers: { host: "elsewhere" } }, code);
    });

    it("a link with a header added that would change what it does", async () => {
      const wire = await presigned(store.port, { method: "PUT", path, body: "changed" });
      const headers = { ...wire.headers, "x-amz-copy-source": `/${bucket}/other.wav` };
      await refused({ ...wire, headers }, "AccessDenied");
    });

    it("a link that says something twice, or leaves it out", async () => {
      const wire = await link();
      for (const name of ["X-Amz-Date", "X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Algorithm"]) {
        const pair = new RegExp(`&?${name}=[^&]*`);
        const twice = `${wire.path}&${pair.exec(wire.path)?.[0] ?? ""}`;
        await refused({ ...wire, path: twice }, "AuthorizationQueryParametersError", 400);
        const none = wire.path.replace(pair, "");
        await refused({ ...wire, path: none }, "AuthorizationQueryParametersError", 400);
      }
    });

    it("a link beside a signed header", async () => {
      const wire = await link();
      await refused(
        { ...wire, headers: { ...wire.headers, authorization: "AWS4-HMAC-SHA256" } },
        "InvalidArgument",
        400,
      );
    });

    it("a link of a wrong secret or an unknown key", async () => {
      await refused(
        await link({ credentials: { ...credentials, secretAccessKey: "a guess" } }),
        "SignatureDoesNotMatch",
      );
      await refused(
        await link({ credentials: { ...credentials, accessKeyId: "SOMEBODY" } }),
        "InvalidAccessKeyId",
      );
    });
  });

  describe("nobody, with a link from the SDK's presigner", () => {
    it("who reads, with the response headers the link names", async () => {
      const url = await getSignedUrl(
        store.client,
        new GetObjectCommand({
          Bucket: bucket,
          Key: "leg.wav",
          ResponseContentDisposition: 'attachment; filename="Simu ya Wanjiru – 1.wav"',
          ResponseContentType: "audio/wav",
        }),
        { expiresIn: 3600 },
      );
      const reply = await fetch(url, { headers: { range: "bytes=0-3" } });
      assert.equal(reply.status, 206);
      assert.equal(await reply.text(), "0123");
      assert.equal(reply.headers.get("content-type"), "audio/wav");
      const disposition = Buffer.from(reply.headers.get("content-disposition") ?? "", "latin1").toString();
      assert.equal(disposition, 'attachment; filename="Simu ya Wanjiru – 1.wav"');
    });

    it("who writes, with metadata signed into the link", async () => {
      const client: S3Client = store.clientWith({ requestChecksumCalculation: "WHEN_REQUIRED" });
      const put = new PutObjectCommand({ Bucket: bucket, Key: "sent", Metadata: { leg: "leg_01" } });
      const reply = await fetch(await getSignedUrl(client, put), { method: "PUT", body: "habari" });
      assert.equal(reply.status, 200, await reply.text());
      const read = await store.client.send(new GetObjectCommand({ Bucket: bucket, Key: "sent" }));
      assert.equal(await read.Body!.transformToString(), "habari");
      assert.deepEqual(read.Metadata, { leg: "leg_01" });
    });

    it("unless the header it asks for would break the reply in two", async () => {
      const wire = await link({ query: { "response-content-type": "text/html\r\nset-cookie: a=b" } });
      await refused(wire, "InvalidArgument", 400);
    });
  });

  it("a body that is not what its digests say", async () => {
    const put = (headers: Record<string, string>) =>
      signed(store.port, { method: "PUT", path: `/${bucket}/digested`, body: "habari", headers });
    await refused(await put({ "content-md5": "CY9rzUYh03PK3k6DJie09g==" }), "BadDigest", 400);
    await refused(await put({ "content-md5": "short" }), "InvalidDigest", 400);
    await refused(await put({ "x-amz-checksum-crc32": "AAAAAA==" }), "BadDigest", 400);
    await refused(await put({ "x-amz-checksum-crc32": "AAAA" }), "InvalidRequest", 400);
    await refused(await put({ "x-amz-checksum-crc64nvme": "AAAAAAAAAAA=" }), "NotImplemented", 501);
    await refused(
      await put({ "x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-sha1": "AAAAAA==" }),
      "InvalidRequest",
      400,
    );
    const read = store.client.send(new GetObjectCommand({ Bucket: bucket, Key: "digested" }));
    await assert.rejects(read, { name: "NoSuchKey" });
  });

  it("a PUT without a length, or with one beyond 5 GiB", async () => {
    const payloadHash = "UNSIGNED-PAYLOAD";
    const endless = await signed(store.port, { method: "PUT", path, payloadHash });
    const chunked = { ...endless, headers: { ...endless.headers, "transfer-encoding": "chunked" } };
    await refused({ ...chunked, body: "habari" }, "MissingContentLength", 411);
    const headers = { "content-length": String(5 * 1024 ** 3 + 1), expect: "100-continue" };
    const large = await signed(store.port, { method: "PUT", path, payloadHash, headers });
    await refused(large, "EntityTooLarge", 400);
  });

  it("a key beyond 1,024 bytes, and a path that is no UTF-8", async () => {
    await refused(
      await get({ path: `/${bucket}/${encodeURIComponent("é".repeat(513))}` }),
      "KeyTooLongError",
      400,
    );
    await refused({ method: "GET", path: `/${bucket}/%ff`, headers: {} }, "InvalidURI", 400);
    await refused({ method: "GET", path: `/${bucket}/%`, headers: {} }, "InvalidURI", 400);
  });

  it("a path without a bucket", async () => {
    await refused(await get({ path: "//leg.wav" }), "InvalidBucketName", 400);
  });

  it("with a body half sent, without harm to the next request on the connection", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const body = `5\r\nwrong\r\n${"x".repeat(500_000)}`;
    const put = await signed(store.port, {
      method: "PUT",
      path,
      payloadHash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
      headers: { "x-amz-decoded-content-length": "1" },
      body,
    });
    assert.equal((await store.send({ ...put, agent })).code, "IncompleteBody");
    assert.equal((await store.send({ ...(await get()), agent })).body.toString(), "0123456789");
    agent.destroy();
  });

  it("leaves no fault behind", () => assert.deepEqual(store.faults, []));
});

describe("who is refused and goes on sending", () => {
  it("is cut off", async () => {
    const hasty = { ...systemClock, after: (ms: number, fn: () => void) => systemClock.after(ms / 100, fn) };
    const store = await Store.open({ clock: hasty });
    const socket = createConnection({ host: "127.0.0.1", port: store.port });
    socket.write(`PUT /${bucket}/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nslowly`);
    const [reply] = (await once(socket, "data")) as [Buffer];
    assert.match(reply.toString(), /^HTTP\/1.1 403 Forbidden\r\n/);
    await once(socket, "close");
    await store.close();
  });
});

describe("the examples AWS publishes of signed requests", () => {
  // "Authenticating Requests: Using the Authorization Header" and "… Query Parameters" of the S3 API reference.
  const clock = { ...shiftedClock(), nowMs: () => Date.UTC(2013, 4, 24) };
  const example = {
    clock,
    region: "us-east-1",
    credentials: {
      accessKeyId: "AKIAIOSFODNN7EXAMPLE",
      secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    },
  };
  const host = "examplebucket.s3.amazonaws.com";
  let store: Store;
  before(async () => {
    store = await Store.open(example);
  });
  after(() => store.close());

  // They are for a bucket in the host name, so here their path is a bucket's; proven, they get as far as its absence.
  it("prove a GET with a range", async () => {
    const reply = await store.send({
      method: "GET",
      path: "/test.txt",
      headers: {
        host,
        range: "bytes=0-9",
        "x-amz-date": "20130524T000000Z",
        "x-amz-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        authorization:
          "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
      },
    });
    assert.equal(reply.code, "NoSuchBucket");
  });

  it("prove a presigned GET", async () => {
    const reply = await store.send({
      method: "GET",
      path: "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
      headers: { host },
    });
    assert.equal(reply.code, "NoSuchBucket");
  });
});
