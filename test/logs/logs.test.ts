import { strict as assert } from "node:assert";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Demo } from "../../cli/demo-workspace.ts";
import { startProcess, startSautikit, type Child } from "../peers/child.ts";
import { ha1Of, SipDevice } from "../peers/sip-device.ts";
import { VoiceServer } from "../peers/voice-server.ts";
import { eventually } from "../peers/waiting.ts";
import { testDatabase, type TestDatabase } from "../store/test-database.ts";
import { Customer } from "../world/customer.ts";
import { leaksIn } from "./leaks.ts";

const program = new URL("../../cli/sautikit.ts", import.meta.url).pathname;

const wanjiru = "+254700000001";
const otieno = "+254700000002";
const achieng = "+254722000001";
/** Her phone pays. */
const payer = "+254722000009";

const said = "Karibu, your code is four two seven";
const answered = "an endpoint that says what it thinks";
const labelled = "order-for-baraka-mwangi";

/** Every process of one `sautikit start`, with what it was given: the simulated switch's password is in no file. */
async function environmentsBelow(pid: number): Promise<string[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  const pids = children.split(" ").filter((text) => text !== "");
  return Promise.all(pids.map((child) => readFile(`/proc/${child}/environ`, "utf8")));
}

describe("what is logged of a whole run, at LOG_LEVEL=debug", function () {
  this.timeout(120_000);
  const secrets = new Map<string, string>();
  const numbers = ["+254200000001", wanjiru, otieno, achieng, payer];
  let folder: string;
  let database: TestDatabase;
  let sautikit: Child;
  let output = "";
  let shown = "";
  const closers: (() => unknown)[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-logs-"));
    database = await testDatabase();
    closers.push(
      () => rm(folder, { recursive: true, force: true }),
      () => database.remove(),
    );
    const dataDir = join(folder, "data");
    const env = {
      ...{ DATA_DIR: dataDir, DATABASE_URL: database.url, PORT: "0", LOG_LEVEL: "debug" },
      DARAJA_CONSUMER_KEY: "simba-consumer-key",
      DARAJA_CONSUMER_SECRET: "tembo-consumer-secret",
      DARAJA_PASSKEY: "kiboko-passkey",
      DARAJA_CALLBACK_TOKEN: "twiga-callback-key-0123456789",
      SIP_TRACE: "on",
      HEP_PORT: "0",
    };
    for (const name of ["CONSUMER_KEY", "CONSUMER_SECRET", "PASSKEY", "CALLBACK_TOKEN"] as const)
      secrets.set(`DARAJA_${name}`, env[`DARAJA_${name}`]);
    if (database.url.startsWith("postgres")) secrets.set("DATABASE_URL", database.url);
    const outputFile = join(folder, "said.log");
    // All that its processes say is in one file: the simulators' standard error is its own.
    sautikit = startProcess(process.execPath, [program, "start"], { env, outputFile });
    closers.push(() => sautikit.stop());
    await eventually(
      "sautikit start",
      () => {
        assert.ok(sautikit.running, sautikit.output());
        return sautikit.output().includes('"ready":true') ? true : undefined;
      },
      { withinMs: 30_000 },
    );
    const demo = JSON.parse(await readFile(join(dataDir, "demo.json"), "utf8")) as Demo;
    secrets.set("the demo's key", demo.api_key);
    secrets.set("the number's signing secret", demo.voice_signing_secret);
    for (const name of ["secrets.key", "s3.key"])
      secrets.set(name, (await readFile(join(dataDir, name), "utf8")).trim());
    for (const environment of await environmentsBelow(sautikit.pid)) {
      const [, password] = /(?:^|\0)ESL_PASSWORD=([^\0]+)/.exec(environment) ?? [];
      if (password !== undefined) secrets.set("the event socket's password", password);
    }
    assert.ok(secrets.has("the event socket's password"));
    await everyDoor(demo, dataDir);
    for (const path of ["metrics", "healthz", "readyz"])
      shown += await (await fetch(`${demo.base_url}/${path}`)).text();
    await sautikit.stop();
    output = sautikit.output();
  });
  after(async () => {
    for (const close of closers.reverse()) await close();
  });

  /** The product's main job, through each of its doors, well and badly. */
  async function everyDoor(demo: Demo, dataDir: string): Promise<void> {
    const customer = new Customer(demo.base_url, demo.api_key);
    const voice = await VoiceServer.open(({ body }) =>
      body.kind === "call.started" ? { actions: [{ say: { text: said } }, { hangup: {} }] } : { text: "OK" },
    );
    closers.push(() => voice.close());
    const failing = createServer((_request, response) => response.writeHead(500).end(answered));
    failing.listen(0, "127.0.0.1");
    await once(failing, "listening");
    closers.push(() => void failing.close());
    const failingUrl = `http://127.0.0.1:${(failing.address() as AddressInfo).port}/hooks?token=chui-in-a-url`;
    secrets.set("a token in a webhook's URL", "chui-in-a-url");

    // Somebody signs in by mail, and makes a key.
    await customer.ask("POST", "/v1/sign-in-links", { body: { email: "wanjiru@example.co.ke" } });
    const mail = await eventually("the mail", async () => {
      const files = await readdir(join(dataDir, "mail")).catch(() => []);
      const texts = await Promise.all(files.map((file) => readFile(join(dataDir, "mail", file), "utf8")));
      return texts
        .map((text) => /token=3?D?([\w-]{43})/.exec(text.replaceAll("=\r\n", ""))?.[1])
        .find(Boolean);
    });
    secrets.set("the link's token", mail);
    const session = await fetch(`${demo.base_url}/v1/sessions`, {
      method: "POST",
      headers: { "content-type": "application/json", origin: demo.base_url },
      body: JSON.stringify({ token: mail }),
    });
    assert.equal(session.status, 201, await session.clone().text());
    const [cookie = ""] = session.headers.get("set-cookie")?.split(";") ?? [];
    secrets.set("the session's cookie", cookie.split("=")[1] ?? "");
    const made = await customer.ask("POST", "/v1/api-keys", {
      body: { name: "Web" },
      headers: { authorization: "", cookie, origin: demo.base_url },
    });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    secrets.set("a key made over the API", String(made.body.key));
    const wrongKey = `tskey_live_${"Simba-0_".repeat(5)}xyz`;
    secrets.set("a key that is none", wrongKey);
    assert.equal((await new Customer(demo.base_url, wrongKey).ask("GET", "/v1/calls")).status, 401);

    // Webhooks: one is taken, one fails.
    const hook = await customer.ask("POST", "/v1/webhooks", { body: { url: failingUrl, events: ["*"] } });
    assert.equal(hook.status, 201, JSON.stringify(hook.body));
    secrets.set("a webhook's secret", String(hook.body.secret ?? hook.body.signing_secret));
    await customer.ask("POST", `/v1/webhooks/${hook.body.id}/test`);

    // Calls out: answered, recorded, and told of; one to an endpoint that fails; one that is refused.
    const id = await customer.place({
      ...{ from: demo.number, to: wanjiru, record: true, voice_callback_url: voice.url() },
      ...{ metadata: { order: labelled }, client_request_id: labelled },
      actions: [{ say: { text: said } }, { wait: { seconds: 1 } }, { dial: { number: otieno, timeout: 5 } }],
    });
    const failed = await customer.place({
      ...{ from: demo.number, to: otieno, voice_callback_url: failingUrl, events_url: failingUrl },
    });
    assert.equal(
      (await customer.ask("POST", "/v1/calls", { body: { from: demo.number, to: "+254999" } })).status,
      422,
    );
    const malformed = await fetch(`${demo.base_url}/v1/calls`, {
      method: "POST",
      headers: { authorization: `Bearer ${demo.api_key}`, "content-type": "application/json" },
      body: `{"from": ${labelled} ${wanjiru}`,
    });
    assert.equal(malformed.status, 400);
    await customer.until(id, "an answer", ({ answered_at }) => answered_at !== null);
    await customer.until(id, "the second leg's answer", ({ legs }) => legs[1]?.answered_at != null);
    await customer.ask("POST", `/v1/calls/${id}/digits`, { body: { digits: "4271" } });
    await customer.hangUp(id);
    const { legs } = await customer.ended(id);
    const recordingId = legs[0]?.recording_ids[0] ?? "";
    await customer.download(id, recordingId);
    const link = await customer.ask("GET", `/v1/calls/${id}/recording?recording_id=${recordingId}`);
    secrets.set(
      "a recording's signature",
      new URL(link.headers.get("location") ?? "").searchParams.get("X-Amz-Signature") ?? "",
    );
    await customer.ended(failed);

    // A call in, to a voice URL.
    const { body: owned } = await customer.ask("GET", "/v1/numbers");
    const numberId = String(owned.data[0].id);
    const routed = await customer.ask("PATCH", `/v1/numbers/${numberId}/routing`, {
      body: { voice_callback_url: voice.url() },
    });
    assert.equal(routed.status, 200, JSON.stringify(routed.body));
    const comes = await fetch(`${demo.carrier_status}/calls`, {
      method: "POST",
      body: JSON.stringify({ from: achieng, to: demo.number }),
    });
    assert.equal(comes.status, 201, await comes.text());
    await eventually(
      "a call in",
      () => voice.asked.find(({ body }) => body.data?.["direction"] === "inbound"),
      {
        withinMs: 10_000,
      },
    );

    // A phone: the right password, a wrong one, and a call.
    const credential = await customer.ask("POST", `/v1/numbers/${numberId}/sip-credentials`, {
      body: { label: "Desk" },
    });
    assert.equal(credential.status, 201, JSON.stringify(credential.body));
    const { username, password, realm, ports } = credential.body as Record<string, string> & {
      ports: { udp: number };
    };
    const right = { username: username!, password: password! };
    const wrong = { username: username!, password: "ng'ombe-wrong-password" };
    const devices = { host: "127.0.0.1", port: ports.udp, realm: realm! };
    secrets.set("a SIP password", right.password);
    secrets.set("its HA1", ha1Of(right, devices.realm));
    secrets.set("a wrong SIP password", wrong.password);
    secrets.set("the wrong one's HA1", ha1Of(wrong, devices.realm));
    const phone = await SipDevice.open(devices, right);
    const stranger = await SipDevice.open(devices, wrong);
    closers.push(
      () => phone.close(),
      () => stranger.close(),
    );
    await eventually(
      "a registration",
      async () => ((await phone.register()).status === 200 ? true : undefined),
      {
        everyMs: 300,
      },
    );
    for (let times = 0; times < 21; times++) assert.equal((await stranger.register()).status, 403);
    const fromPhone = phone.call(wanjiru);
    await eventually(
      "the phone's call",
      async () => {
        const { body } = await customer.ask("GET", "/v1/calls?direction=outbound&status=answered");
        return (body.data as unknown[]).length > 0 ? true : undefined;
      },
      { withinMs: 10_000 },
    );
    fromPhone.end();

    // Money: a prompt that is paid, one that is refused, a callback with a wrong token, and one that cannot be read.
    for (const phone_e164 of [payer, "+254722000002"]) {
      numbers.push(phone_e164);
      const body = { provider: "mpesa", amount_minor: 50_000, currency: "KES", phone_e164 };
      const asked = await customer.ask("POST", "/v1/topups", { body });
      assert.equal(asked.status, 202, JSON.stringify(asked.body));
      await eventually(
        "the top-up's end",
        async () => {
          const { body: now } = await customer.ask("GET", `/v1/topups/${asked.body.id}`);
          return ["requested", "pending"].includes(String(now.status)) ? undefined : true;
        },
        { withinMs: 30_000 },
      );
    }
    for (const token of ["pundamilia-wrong-token-012345", "twiga-callback-key-0123456789"])
      await fetch(`${demo.base_url}/callbacks/${token}/c2b/confirmation`, {
        method: "POST",
        body: `{"MSISDN": "${payer.slice(1)}", "said": "${labelled}"`,
      });
    secrets.set("a wrong callback token", "pundamilia-wrong-token-012345");

    // A person's data.
    const person = { body: { phone_e164: wanjiru } };
    const asked = await customer.ask("POST", "/v1/privacy/exports", person);
    assert.equal(asked.status, 202, JSON.stringify(asked.body));
    // At once, and not with the next look around, a minute later.
    const url = await eventually(
      "the export",
      async () => {
        const { body } = await customer.ask("GET", `/v1/privacy/exports/${asked.body.id}`);
        return body.status === "ready" ? String(body.download_url) : undefined;
      },
      { withinMs: 20_000 },
    );
    secrets.set("the export's signature", new URL(url).searchParams.get("X-Amz-Signature") ?? "");
    await fetch(url.replace(/Signature=\w{4}/, "Signature=0000"));
    await customer.ask("POST", "/v1/privacy/erasures", person);
  }

  it("is lines of JSON, beside the two that are for people", () => {
    const others = output.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
    assert.deepEqual(
      others.filter((line) => !line.startsWith("Sautikit is ready at ")),
      [],
    );
    for (const line of output.split("\n").filter((one) => one.startsWith("{"))) JSON.parse(line);
  });

  it("has none of the run's secrets, nor a phone number, nor what was said and sent", () => {
    assert.ok(secrets.size >= 20, `${secrets.size} secrets`);
    const bodies = new Map([
      ["what was said", said],
      ["what an endpoint answered", answered],
      ["a customer's label", labelled],
    ]);
    assert.deepEqual(leaksIn(output, { secrets: new Map([...secrets, ...bodies]), numbers }), []);
  });

  it("has no more of them in what Prometheus and load balancers are shown, who need no key", () => {
    assert.match(shown, /sautikit_http_request_seconds_count/);
    // Not in the values: their digits mean nothing.
    assert.deepEqual(leaksIn(shown.replace(/ [\d.e+-]+$/gm, ""), { secrets, numbers }), []);
    assert.doesNotMatch(shown, /\b(call|leg|ws|key|num|sip|usr)_[0-9a-z]{26}/);
  });

  it("would be found to have each of them, however it is written", () => {
    for (const [what, secret] of secrets)
      for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString("base64")]) {
        const found = leaksIn(`${output}\n{"msg":"of ${form}, which"}`, { secrets, numbers });
        assert.ok(
          found.length === 1 && found[0]?.startsWith(`${what}, in: `),
          `${what}: ${found.join("; ")}`,
        );
      }
    for (const number of numbers)
      for (const form of [number, number.slice(1), `0${number.slice(4)}`])
        assert.equal(leaksIn(`${output}\n${form}`, { secrets, numbers }).length, 1, form);
  });
});

describe("a bug that ends the process", function () {
  this.timeout(60_000);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-logs-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it("ends it with 1, in a line of the log, and nothing of what the error holds is told in full", async () => {
    const bug = join(folder, "bug.mjs");
    await writeFile(
      bug,
      `if (process.argv[2] === "start") process.on("SIGUSR2", () => {
         throw Object.assign(new Error("called ${wanjiru}"), { headers: { authorization: "kifaru" } });
       });`,
    );
    const env = { DATA_DIR: join(folder, "data"), PORT: "0", NODE_OPTIONS: `--import=${bug}` };
    const { child } = await startSautikit(["start"], { folder, env });
    child.kill("SIGUSR2");
    const { code } = await child.exited();

    assert.equal(code, 1);
    const line =
      child
        .output()
        .split("\n")
        .find((one) => one.includes("a bug ended this process")) ?? "";
    const told = JSON.parse(line) as { err: { message: string; stack: string } };
    assert.equal(told.err.message, "called +2547*****001");
    assert.match(told.err.stack, /bug\.mjs/);
    assert.doesNotMatch(child.output(), /kifaru|700000001/);
  });
});
