import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { type Reply, bucket, noise, shiftedClock, signed, Store } from "./store.ts";

/** The request and signatures AWS publishes for uploads in signed chunks, without and with a trailer. */
const published = {
  region: "us-east-1",
  credentials: {
    accessKeyId: "AKIAIOSFODNN7EXAMPLE",
    secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  },
  buckets: ["examplebucket"],
};
const data = Buffer.alloc(66_560, "a");
const plain = {
  kind: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
  seed: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
  signedHeaders:
    "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
  headers: {},
  chunks: [
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
  ],
  trailer: "",
};
const trailed = {
  kind: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
  seed: "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
  signedHeaders:
    "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
  headers: { "x-amz-trailer": "x-amz-checksum-crc32c" },
  chunks: [
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
  ],
  trailer:
    "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n",
};

describe("uploads in signed chunks", function () {
  this.timeout(20_000);
  let store: Store;
  beforeEach(async () => {
    store = await Store.open({
      ...published,
      clock: { ...shiftedClock(), nowMs: () => Date.UTC(2013, 4, 24) },
    });
  });
  afterEach(() => store.close());

  type Example = typeof plain | typeof trailed;

  function framed(example: Example, bytes: Buffer): Buffer {
    const [first = "", second = "", last = ""] = example.chunks;
    return Buffer.concat([
      Buffer.from(`10000;chunk-signature=${first}\r\n`),
      bytes.subarray(0, 65_536),
      Buffer.from(`\r\n400;chunk-signature=${second}\r\n`),
      bytes.subarray(65_536),
      Buffer.from(`\r\n0;chunk-signature=${last}\r\n${example.trailer}\r\n`),
    ]);
  }

  async function put(example: Example, body: Buffer): Promise<Reply> {
    return await store.send({
      method: "PUT",
      path: "/examplebucket/chunkObject.txt",
      headers: {
        host: "s3.amazonaws.com",
        "x-amz-date": "20130524T000000Z",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "content-encoding": "aws-chunked",
        "content-length": String(body.length),
        "x-amz-content-sha256": example.kind,
        "x-amz-decoded-content-length": "66560",
        ...example.headers,
        authorization: `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=${example.signedHeaders},Signature=${example.seed}`,
      },
      body,
    });
  }

  async function stored(): Promise<Reply> {
    const { credentials, region } = published;
    const date = new Date(Date.UTC(2013, 4, 24));
    return await store.send(
      await signed(store.port, {
        method: "GET",
        path: "/examplebucket/chunkObject.txt",
        credentials,
        region,
        date,
      }),
    );
  }

  for (const example of [plain, trailed]) {
    it(`are stored without their framing: ${example.kind}`, async () => {
      const reply = await put(example, framed(example, data));
      assert.equal(reply.status, 200, reply.body.toString());
      const read = await stored();
      assert.deepEqual(read.body, data);
      assert.equal(read.headers["content-encoding"], undefined);
    });

    it(`are refused when one byte differs in any chunk: ${example.kind}`, async () => {
      for (const position of [0, 65_535, 65_536, 66_559]) {
        const altered = Buffer.from(data);
        altered[position] = 98;
        assert.equal((await put(example, framed(example, altered))).code, "SignatureDoesNotMatch");
      }
      assert.equal((await stored()).code, "NoSuchKey");
    });

    it(`are refused when any chunk's signature differs: ${example.kind}`, async () => {
      for (const index of [0, 1, 2]) {
        const chunks = example.chunks.with(index, "0".repeat(64));
        const reply = await put(example, framed({ ...example, chunks }, data));
        assert.equal(reply.code, "SignatureDoesNotMatch");
      }
      assert.equal((await stored()).code, "NoSuchKey");
    });
  }

  // Not the plain example, whose Content-Length is signed as well.
  it("are refused without signatures, cut short, or framed wrongly", async () => {
    const whole = framed(trailed, data);
    const unsigned = Buffer.from(whole.toString().replace(/;chunk-signature=[0-9a-f]+/g, ""));
    assert.equal((await put(trailed, unsigned)).code, "SignatureDoesNotMatch");
    for (const length of [10, 100, 65_600, 66_700]) {
      assert.equal((await put(trailed, whole.subarray(0, length))).code, "IncompleteBody", String(length));
    }
    assert.equal((await put(trailed, Buffer.alloc(70_000, "f"))).code, "IncompleteBody");
    assert.equal((await stored()).code, "NoSuchKey");
  });

  it("are refused when the trailer or its signature is missing or altered", async () => {
    for (const trailer of [
      "",
      trailed.trailer.replace("sOO8", "AAAA"),
      trailed.trailer.replace(/signature:.{8}/, "signature:00000000"),
      "x-amz-checksum-crc32c:sOO8/Q==\r\n",
    ]) {
      const reply = await put(trailed, framed({ ...trailed, trailer }, data));
      assert.ok(
        ["SignatureDoesNotMatch", "InvalidRequest"].includes(reply.code ?? ""),
        reply.body.toString(),
      );
    }
    assert.equal((await stored()).code, "NoSuchKey");
  });
});

describe("uploads with an unsigned payload and a trailing checksum", () => {
  const body = noise(1000);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  const good = `x-amz-checksum-crc32:${sum.toString("base64")}\r\n`;
  let store: Store;
  before(async () => {
    store = await Store.open();
  });
  after(() => store.close());

  async function put(trailer: string, { declared = body.length, sent = body } = {}): Promise<Reply> {
    const framing = [`${sent.length.toString(16)}\r\n`, sent, `\r\n0\r\n${trailer}\r\n`];
    return await store.send(
      await signed(store.port, {
        method: "PUT",
        path: `/${bucket}/trailed`,
        payloadHash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        headers: {
          "content-encoding": "aws-chunked",
          "x-amz-decoded-content-length": String(declared),
          "x-amz-trailer": "x-amz-checksum-crc32",
        },
        body: Buffer.concat(framing.map((piece) => Buffer.from(piece))),
      }),
    );
  }

  it("are stored when it is right", async () => {
    assert.equal((await put(good)).status, 200);
    const read = await store.send(await signed(store.port, { method: "GET", path: `/${bucket}/trailed` }));
    assert.deepEqual(read.body, body);
  });

  const wrong: [string, string, Parameters<typeof put>[1], string][] = [
    ["the checksum is another's", "x-amz-checksum-crc32:AAAAAA==\r\n", {}, "BadDigest"],
    ["it is missing", "", {}, "InvalidRequest"],
    ["a byte was lost", good, { sent: body.subarray(1) }, "IncompleteBody"],
    ["a byte was added", good, { sent: Buffer.concat([body, body.subarray(0, 1)]) }, "IncompleteBody"],
    ["the length was a lie", good, { declared: 999 }, "IncompleteBody"],
    ["the trailer has no name", ":value\r\n", {}, "IncompleteBody"],
    ["the trailer has no end", "a".repeat(10_000), {}, "IncompleteBody"],
  ];
  for (const [what, trailer, sent, code] of wrong) {
    it(`are refused when ${what}`, async () => {
      assert.equal((await put(trailer, sent)).code, code);
    });
  }
});
