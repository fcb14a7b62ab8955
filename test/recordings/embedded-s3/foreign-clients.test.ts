import { existsSync } from "node:fs";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { type Context } from "mocha";
import { nairobi, TestWorld } from "../../world/world.ts";
import { bucket, credentials, noise, region, Store } from "./store.ts";

const run = promisify(execFile);

/** Without what the machine may be set up with for the real S3. */
const cleanEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_"))),
  LC_ALL: "C.UTF-8",
};

/** What rclone needs to know of a storage, which it then calls `store:`. */
async function rcloneStore(store: { folder: string; endpoint: string; region: string }) {
  const configuration = join(store.folder, "none.conf");
  await writeFile(configuration, "");
  return {
    ...cleanEnv,
    RCLONE_CONFIG: configuration,
    RCLONE_CONFIG_STORE_TYPE: "s3",
    RCLONE_CONFIG_STORE_PROVIDER: "Other",
    RCLONE_CONFIG_STORE_ACCESS_KEY_ID: credentials.accessKeyId,
    RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    RCLONE_CONFIG_STORE_REGION: store.region,
    RCLONE_CONFIG_STORE_ENDPOINT: store.endpoint,
    RCLONE_LOW_LEVEL_RETRIES: "1",
  };
}

/** Skips, and says why, when the client is not on this machine. In CI a missing client is a failure. */
async function needs(context: Context, client: string, probe: string[]): Promise<void> {
  const [command = "", ...args] = probe;
  try {
    await run(command, args);
  } catch (error) {
    if (process.env.CI === "true") throw error;
    for (const test of context.test?.parent?.tests ?? [])
      test.title += ` (skipped: ${client} is not installed)`;
    context.skip();
  }
}

/** The client ends with an error that names that code. */
const refused = (ask: Promise<unknown>, code: string): Promise<void> =>
  assert.rejects(ask, (error: { stderr?: string }) => {
    assert.match(error.stderr ?? "", new RegExp(code));
    return true;
  });

/** Debian's own, which Debian's boto3 belongs to, before whichever else is on the path. */
const python = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

describe("clients nobody here wrote", function () {
  this.timeout(120_000);
  const small = noise(1000);
  const large = noise(12_000_000);
  let store: Store;
  let folder: string;
  beforeEach(async () => {
    store = await Store.open();
    folder = await mkdtemp(join(tmpdir(), "sautikit-client-"));
    await mkdir(join(folder, "calls"));
    await writeFile(join(folder, "calls", "leg one+é.wav"), small);
    await writeFile(join(folder, "calls", "large.wav"), large);
  });
  afterEach(async () => {
    assert.deepEqual(store.faults, []);
    await store.close();
    await rm(folder, { recursive: true });
  });

  describe("s3cmd", () => {
    before(function () {
      return needs(this, "s3cmd", ["s3cmd", "--version"]);
    });

    it("makes a bucket, puts, lists, gets, copies, moves, syncs and deletes, and is refused as a stranger", async () => {
      const host = `127.0.0.1:${store.port}`;
      const config = join(folder, "s3cfg");
      const settings = {
        access_key: credentials.accessKeyId,
        secret_key: credentials.secretAccessKey,
        host_base: host,
        host_bucket: host,
        bucket_location: region,
        use_https: "False",
        multipart_chunk_size_mb: "5",
      };
      const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
      await writeFile(config, `[default]\n${lines.join("\n")}\n`);
      const s3cmd = async (...args: string[]) =>
        (await run("s3cmd", ["-c", config, "--no-progress", ...args], { cwd: folder, env: cleanEnv })).stdout;

      await s3cmd("mb", "s3://another-bucket");
      assert.match(await s3cmd("ls"), /s3:\/\/another-bucket\n.*s3:\/\/recordings/);

      await s3cmd("put", "calls/leg one+é.wav", `s3://${bucket}/ws/leg one+é.wav`);
      await s3cmd("put", "calls/large.wav", `s3://${bucket}/ws/large.wav`);
      assert.match(
        await s3cmd("ls", "-r", `s3://${bucket}`),
        /12000000 .*ws\/large\.wav\n.*1000 .*ws\/leg one\+é\.wav/,
      );
      assert.match(await s3cmd("ls", `s3://${bucket}`), /DIR .*s3:\/\/recordings\/ws\/\n/);

      await s3cmd("get", `s3://${bucket}/ws/leg one+é.wav`, "small.back");
      await s3cmd("get", `s3://${bucket}/ws/large.wav`, "large.back");
      assert.ok((await readFile(join(folder, "small.back"))).equals(small));
      assert.ok((await readFile(join(folder, "large.back"))).equals(large));

      await s3cmd("cp", `s3://${bucket}/ws/leg one+é.wav`, "s3://another-bucket/copied");
      await s3cmd("mv", "s3://another-bucket/copied", "s3://another-bucket/moved");
      assert.match(await s3cmd("ls", "s3://another-bucket"), /^[^\n]*moved\n$/);

      assert.match(await s3cmd("sync", "calls/", `s3://${bucket}/synced/`), /large\.wav/);
      assert.doesNotMatch(await s3cmd("sync", "calls/", `s3://${bucket}/synced/`), /upload:/);
      await s3cmd("del", "-r", "-f", `s3://${bucket}/`);
      assert.equal(await s3cmd("ls", "-r", `s3://${bucket}`), "");
      await s3cmd("del", "s3://another-bucket/moved");
      await s3cmd("rb", "s3://another-bucket");

      await s3cmd("put", "calls/leg one+é.wav", `s3://${bucket}/kept.wav`);
      const strangers: [code: string, flags: string[]][] = [
        ["SignatureDoesNotMatch", ["--secret_key=guess"]],
        ["InvalidAccessKeyId", ["--access_key=STRANGER"]],
        ["AuthorizationHeaderMalformed", ["--signature-v2"]],
      ];
      for (const [code, flags] of strangers) {
        for (const ask of [
          ["ls"],
          ["ls", `s3://${bucket}`],
          ["get", `s3://${bucket}/kept.wav`, "stolen.wav"],
          ["put", "calls/large.wav", `s3://${bucket}/kept.wav`],
          ["del", `s3://${bucket}/kept.wav`],
          ["mb", "s3://strangers-own"],
        ])
          await refused(s3cmd(...flags, ...ask), `${code}|S3 error: 40[03] `);
      }
      assert.equal(existsSync(join(folder, "stolen.wav")), false);
      await refused(s3cmd("ls", "s3://no-such-bucket"), "NoSuchBucket");
      assert.match(await s3cmd("ls", `s3://${bucket}/`), /^[^\n]* 1000 +s3:\/\/recordings\/kept\.wav\n$/);
      assert.doesNotMatch(await s3cmd("ls"), /strangers-own/);
    });
  });

  describe("rclone", () => {
    before(function () {
      return needs(this, "rclone", ["rclone", "version"]);
    });

    it("copies, checks, lists, reads a range, links, moves and purges, and is refused as a stranger", async () => {
      const env = {
        ...(await rcloneStore({ folder, endpoint: store.endpoint, region })),
        RCLONE_S3_CHUNK_SIZE: "5M",
        RCLONE_S3_UPLOAD_CUTOFF: "5M",
        RCLONE_RETRIES: "1",
      };
      const rclone = async (...args: string[]) => (await run("rclone", args, { cwd: folder, env })).stdout;

      await rclone("copy", "calls", "store:recordings/ws/calls");
      await rclone("check", "--download", "calls", "store:recordings/ws/calls");
      const listed = await rclone("lsf", "-R", "--format", "ps", "store:recordings");
      assert.deepEqual(listed.trim().split("\n").sort(), [
        "ws/;-1",
        "ws/calls/;-1",
        "ws/calls/large.wav;12000000",
        "ws/calls/leg one+é.wav;1000",
      ]);
      const second = await run("rclone", ["copy", "-v", "calls", "store:recordings/ws/calls"], {
        cwd: folder,
        env,
      });
      assert.match(second.stderr, /Checks: +2 \/ 2/);

      const range = await run(
        "rclone",
        ["cat", "--offset", "100", "--count", "50", "store:recordings/ws/calls/leg one+é.wav"],
        {
          env,
          encoding: "buffer",
        },
      );
      assert.deepEqual(range.stdout, small.subarray(100, 150));

      const link = await rclone("link", "--expire", "1h", "store:recordings/ws/calls/leg one+é.wav");
      assert.deepEqual(Buffer.from(await (await fetch(link.trim())).arrayBuffer()), small);

      await rclone("moveto", "store:recordings/ws/calls/large.wav", "store:recordings/moved.wav");
      await rclone("mkdir", "store:another-bucket");
      await rclone("purge", "store:recordings/ws");
      assert.equal(await rclone("lsf", "-R", "store:recordings"), "moved.wav\n");
      await rclone("rmdir", "store:another-bucket");

      const as = (more: Record<string, string>) => ({ env: { ...env, ...more }, cwd: folder });
      const strangers: [code: string, more: Record<string, string>][] = [
        ["SignatureDoesNotMatch", { RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY: "guess" }],
        ["InvalidAccessKeyId", { RCLONE_CONFIG_STORE_ACCESS_KEY_ID: "STRANGER" }],
        [
          "AccessDenied",
          { RCLONE_CONFIG_STORE_ACCESS_KEY_ID: "", RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY: "" },
        ],
      ];
      for (const [code, more] of strangers) {
        for (const ask of [
          ["lsf", "store:"],
          ["lsf", "store:recordings"],
          ["cat", "store:recordings/moved.wav"],
          ["copyto", "calls/large.wav", "store:recordings/moved.wav"],
          ["delete", "store:recordings"],
          ["mkdir", "store:strangers-own"],
        ])
          await refused(run("rclone", ask, as(more)), `${code}|Forbidden`);
      }
      await refused(
        run("rclone", ["lsf", "store:no-such-bucket"], as({})),
        "NoSuchBucket|directory not found",
      );

      const shortLived = (await rclone("link", "--expire", "1s", "store:recordings/moved.wav")).trim();
      await sleep(2_100);
      const expired = await fetch(shortLived);
      assert.equal(expired.status, 403);
      assert.match(await expired.text(), /expired/);
      assert.equal(
        await rclone("lsf", "--format", "ps", "-R", "store:"),
        "recordings/;-1\nrecordings/moved.wav;12000000\n",
      );
    });
  });

  describe("boto3", () => {
    before(function () {
      return needs(this, "boto3", [python, "-c", "import boto3"]);
    });

    it("does what the AWS SDK does, and is refused what it is refused", async () => {
      const script = join(import.meta.dirname, "boto3-client.py");
      const env = {
        ...cleanEnv,
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
        AWS_DEFAULT_REGION: region,
        AWS_EC2_METADATA_DISABLED: "true",
        AWS_CONFIG_FILE: join(folder, "none"),
        AWS_SHARED_CREDENTIALS_FILE: join(folder, "none"),
      };
      const { stdout } = await run(python, [script, store.endpoint, bucket, folder], { env });
      assert.equal(stdout, "all as expected\n");
    });
  });
});

describe("a client nobody here wrote, at the storage that `sautikit start` runs", function () {
  this.timeout(60_000);
  let world: TestWorld | undefined;
  before(async function () {
    await needs(this, "rclone", ["rclone", "version"]);
    world = await TestWorld.start({
      S3_ACCESS_KEY_ID: credentials.accessKeyId,
      S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    });
  });
  after(() => world?.end());

  it("finds each recording as the API tells of it; a customer's link opens that one alone", async () => {
    const { customer, inbox, folder, env: settings } = world!;
    const id = await customer.place({
      ...{ from: nairobi, to: "+254700000001", events_url: inbox.url, record: true },
      actions: [{ wait: { seconds: 2 } }, { hangup: {} }],
    });
    await inbox.kind(id, "call.recording.ready");
    const [told] = (await customer.ask("GET", `/v1/calls/${id}/recordings`)).body.data;

    const endpoint = `http://127.0.0.1:${settings["S3_PORT"]}`;
    const env = await rcloneStore({ folder, endpoint, region: "af-nairobi-1" });
    const args = ["hashsum", "sha256", "--download", "store:sautikit-recordings"];
    const { stdout } = await run("rclone", args, { env });
    const [sha256, key] = stdout.trim().split(/ +/);
    assert.equal(sha256, told.sha256);
    assert.ok(key?.includes(told.id), stdout);
    const guess = { ...env, RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY: "guess" };
    await refused(
      run("rclone", ["lsf", "store:sautikit-recordings"], { env: guess }),
      "SignatureDoesNotMatch",
    );

    const link = (await customer.ask("GET", `/v1/calls/${id}/recording`)).headers.get("location")!;
    assert.equal((await fetch(link)).status, 200);
    const url = new URL(link);
    const others = [
      link.replace(
        told.id,
        told.id.replace(/.$/, (last: string) => (last === "0" ? "1" : "0")),
      ),
      link.replace("/sautikit-recordings/", "/another-bucket/"),
      link.replace("X-Amz-Expires=", "X-Amz-Expires=9"),
      `${url.origin}${url.pathname}`,
      `${url.origin}/sautikit-recordings${url.search}`,
      `${url.origin}/${url.search}`,
      url.origin,
    ];
    for (const other of others) {
      assert.notEqual(other, link);
      assert.equal((await fetch(other)).status, 403, other);
    }
    for (const method of ["PUT", "DELETE"])
      assert.equal(
        (await fetch(link, { method, ...(method === "PUT" ? { body: "mine" } : {}) })).status,
        403,
      );
  });
});
