import assert from "node:assert/strict";
import { describeConfig, readConfig } from "../../cli/config.ts";
import { sautikit } from "./sautikit.ts";

describe("the configuration", () => {
  it("has a default for everything", () => {
    const config = readConfig({});
    assert.equal(config.port, 8080);
    assert.equal(config.host, "127.0.0.1");
    assert.deepEqual(config.boxes, []);
    assert.equal(config.allowPrivateUrls, true);
    assert.match((config.database as { file: string }).file, /\/data\/sautikit\.db$/);
    assert.match(config.spoolDir, /\/data\/spool$/);
  });

  it("reads the box, and then refuses private URLs unless told otherwise", () => {
    const url = "freeswitch://:mfalme-2026@10.1.0.4:18021";
    const config = readConfig({ FREESWITCH_URLS: url, SPOOL_DIR: "/srv/spool" });
    assert.deepEqual(config.boxes, [
      {
        box: "10.1.0.4:18021",
        host: "10.1.0.4",
        port: 18021,
        password: "mfalme-2026",
        sip: { host: "10.1.0.4", port: 5060 },
      },
    ]);
    assert.equal(config.allowPrivateUrls, false);
    assert.equal(readConfig({ FREESWITCH_URLS: url, ALLOW_PRIVATE_URLS: "yes" }).allowPrivateUrls, true);
    assert.equal(
      readConfig({ FREESWITCH_URLS: "freeswitch://:pw%40home@box" }).boxes[0]?.password,
      "pw@home",
    );
    assert.equal(readConfig({ FREESWITCH_URLS: "freeswitch://:secret@box" }).boxes[0]?.port, 8021);
    const [six] = readConfig({ FREESWITCH_URLS: "freeswitch://:secret@[::1]?sip=10.1.0.4:5060" }).boxes;
    assert.deepEqual([six?.box, six?.host, six?.sip.host], ["[::1]:8021", "::1", "10.1.0.4"]);
  });

  it("reads several boxes, each once", () => {
    const two = "freeswitch://:one@10.1.0.4,freeswitch://:two@10.1.0.5:8022?sip=10.1.0.5:5062";
    const { boxes } = readConfig({ FREESWITCH_URLS: two, SPOOL_DIR: "/srv/spool" });
    assert.deepEqual(
      boxes.map(({ box, password, sip }) => [box, password, sip.port]),
      [
        ["10.1.0.4:8021", "one", 5060],
        ["10.1.0.5:8022", "two", 5062],
      ],
    );
    assert.throws(
      () => readConfig({ FREESWITCH_URLS: `${two},freeswitch://:three@10.1.0.4`, SPOOL_DIR: "/srv/spool" }),
      /10\.1\.0\.4:8021 stands there twice/,
    );
    assert.throws(() => readConfig({ FREESWITCH_URLS: `${two},` }), /commas between/);
  });

  it("reads the trunk edge, which needs a box, and itself, by an address", () => {
    const edge = {
      DRACHTIO_URL: "drachtio://:mlango%2Fwa@10.1.0.3",
      EDGE_SIP: "10.1.0.3:5060",
      TRUNKS_FILE: "/etc/trunks.yaml",
    };
    const box = {
      FREESWITCH_URLS: "freeswitch://:secret@box:8021?sip=10.1.0.4:5062",
      SPOOL_DIR: "/srv/spool",
    };
    const { drachtio, edgeSip, trunks, boxes } = readConfig({ ...edge, ...box });
    assert.deepEqual(drachtio, { host: "10.1.0.3", port: 9022, secret: "mlango/wa" });
    assert.deepEqual([edgeSip, trunks.file], [{ host: "10.1.0.3", port: 5060 }, "/etc/trunks.yaml"]);
    assert.deepEqual(boxes[0]?.sip, { host: "10.1.0.4", port: 5062 });
    const refuses = (env: Record<string, string>, why: RegExp) => assert.throws(() => readConfig(env), why);
    refuses({ ...edge, ...box, EDGE_SIP: "" }, /EDGE_SIP: needed/);
    refuses(edge, /FREESWITCH_URLS is needed/);
    refuses({ ...edge, ...box, FREESWITCH_URLS: "freeswitch://:secret@box" }, /by IPv4 address/);
  });

  it("reads the command that speaks, and gives it the environment without what is ours in it", () => {
    const env = { PATH: "/bin", SECRETS_KEY: "0".repeat(64), SPEECH_COMMAND: "/opt/speak  --slow fast" };
    assert.deepEqual(readConfig(env).speechCommand, {
      program: "/opt/speak",
      args: ["--slow", "fast"],
      env: { PATH: "/bin" },
    });
    assert.equal(readConfig({}).speechCommand, null);
  });

  it("reads Daraja, which is the stand-in where nothing is said of it, and none beside a real switch", () => {
    const bare = readConfig({});
    assert.equal(bare.daraja?.url, null);
    assert.deepEqual(bare.daraja.amounts, { minMinor: 10_000, maxMinor: 15_000_000 });
    assert.equal(bare.paybill, bare.daraja.shortcode);
    const real = readConfig({ FREESWITCH_URLS: "freeswitch://:pw@box" });
    assert.equal(real.daraja, null, "no stand-in gives away calls that cost real money");
    assert.equal(real.paybill, null);
    const secrets = { DARAJA_CONSUMER_KEY: "k", DARAJA_CONSUMER_SECRET: "s", DARAJA_PASSKEY: "p" };
    const sandbox = readConfig({
      ...{ ...secrets, DARAJA_URL: "https://sandbox.safaricom.co.ke/", DARAJA_SHORTCODE: "174379" },
      ...{ FREESWITCH_URLS: "freeswitch://:pw@box", DARAJA_ADDRESSES: "196.201.214.200, 196.201.214.206" },
    });
    assert.equal(sandbox.daraja?.url, "https://sandbox.safaricom.co.ke");
    assert.deepEqual(sandbox.daraja.addresses, ["196.201.214.200", "196.201.214.206"]);
    assert.equal(sandbox.paybill, "174379");
    assert.equal(readConfig({ MPESA_PAYBILL: "400200" }).paybill, "400200");
    assert.throws(
      () => readConfig({ ...secrets, DARAJA_URL: "https://sandbox.safaricom.co.ke" }),
      /DARAJA_SHORTCODE: needed with DARAJA_URL/,
    );
  });

  const bad: [name: string, value: string][] = [
    ["PORT", "65536"],
    ["PORT", "http"],
    ["PORT", "-1"],
    ["S3_PORT", "1.5"],
    ["METRICS_PORT", "94640"],
    ["PUBLIC_URL", "api.example.co.ke"],
    ["S3_ENDPOINT", "127.0.0.1:9000"],
    ["S3_PUBLIC_URL", "recordings.example.co.ke"],
    ["DATABASE_URL", "mysql://localhost/sautikit"],
    ["DATABASE_URL", "postgres://sautikit:p#ss/wa@127.0.0.1:5432/sautikit"],
    ["SMTP_URL", "smtp://mail:p/ss@mail.example:587"],
    ["SECRETS_KEY", "short"],
    ["FREESWITCH_URLS", "10.1.0.4"],
    ["FREESWITCH_URLS", "freeswitch://:ClueCon@127.0.0.1:8021"],
    ["FREESWITCH_URLS", "freeswitch://:@127.0.0.1:8021"],
    ["FREESWITCH_URLS", "freeswitch://:secret@127.0.0.1?sip=here"],
    ["FREESWITCH_URLS", "freeswitch://:100%@127.0.0.1:8021"],
    ["FREESWITCH_URLS", "freeswitch://:secret@127.0.0.1:80210"],
    ["FREESWITCH_URLS", "freeswitch://:secret@127.0.0.1?sip=10.1.0.4:99999"],
    ["DRACHTIO_URL", "drachtio://:100%@10.1.0.3:9022"],
    ["EDGE_SIP", "10.1.0.300:5060"],
    ["EDGE_SIP", "10.1.0.3:99999"],
    ["DRACHTIO_URL", "10.1.0.3:9022"],
    ["DRACHTIO_URL", "drachtio://:@10.1.0.3:9022"],
    ["DRACHTIO_URL", "drachtio://:cymru@10.1.0.3:9022"],
    ["DRACHTIO_URL", "drachtio://:a%7Cb@10.1.0.3:9022"],
    ["EDGE_SIP", "edge.example:5060"],
    ["SPOOL_DIR", "spool"],
    ["TRUNK_GATEWAY", "carrier/../x"],
    ["S3_BUCKET", "ab"],
    ["SPEECH_COMMAND", "espeak-ng --stdin"],
    ["ALLOW_PRIVATE_URLS", "perhaps"],
    ["DARAJA_URL", "https://api.safaricom.co.ke/mpesa"],
    ["DARAJA_URL", "http://api.safaricom.co.ke"],
    ["DARAJA_SHORTCODE", "paybill"],
    ["DARAJA_CALLBACK_TOKEN", "short"],
    ["DARAJA_CALLBACK_TOKEN", "0123456789abcdef01234567cmd"],
    ["DARAJA_ADDRESSES", "196.201.214.200, safaricom"],
    ["DARAJA_NOMINATED_NUMBER", "0722000001"],
    ["TOPUP_KES_MAX", "99"],
    ["TOPUPS_PER_HOUR", "0"],
    ["SELLER_PIN", "51234567"],
    ["LOG_LEVEL", "loud"],
  ];
  for (const [name, value] of bad) {
    it(`refuses ${name}=${value}, by its name`, () => {
      assert.throws(
        () => readConfig({ [name]: value }),
        (error: Error) => error.message.includes(`${name}:`),
      );
    });
  }

  it("names everything that is wrong at once", () => {
    assert.throws(
      () => readConfig({ PORT: "x", LOG_LEVEL: "y", S3_ENDPOINT: "http://minio:9000" }),
      (error: Error) =>
        ["PORT:", "LOG_LEVEL:", "S3_ACCESS_KEY_ID"].every((name) => error.message.includes(name)),
    );
  });

  it("is printed with what each setting is for, and without a secret", () => {
    const printed = describeConfig({
      PORT: "8081",
      FREESWITCH_URLS: "freeswitch://:mfalme@box",
      S3_SECRET_ACCESS_KEY: "mfalme",
      SECRETS_KEY: "mfalme",
    });
    assert.match(printed, /^PORT=8081$/m);
    assert.match(printed, /^FREESWITCH_URLS=\*\*\*$/m);
    assert.match(printed, /^HOST=127\.0\.0\.1 {2}\(default\)$/m);
    assert.doesNotMatch(printed, /mfalme/);
  });

  it("is what `sautikit config` prints", async () => {
    const { code, stdout } = await sautikit(["config"], { PORT: "8082" });
    assert.equal(code, 0);
    assert.match(stdout, /^PORT=8082$/m);
    assert.match(stdout, /^DATA_DIR=/m);
  });
});
