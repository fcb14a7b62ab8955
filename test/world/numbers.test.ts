import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { sautikit } from "../cli/sautikit.ts";
import { eventually } from "../peers/waiting.ts";
import { VoiceServer } from "../peers/voice-server.ts";
import { startEmbedded, type Embedded } from "./embedded.ts";

const run = promisify(execFile);

describe("numbers on a bare machine", function () {
  this.timeout(60_000);
  let product: Embedded;
  let voice: VoiceServer;
  before(async () => {
    product = await startEmbedded();
    voice = await VoiceServer.open();
  });
  after(async () => {
    await product.end();
    await voice.close();
  });

  /** The page's command, with another number where it is the demo workspace's own. */
  async function onThePage(command: "GET" | "POST", number: string): Promise<Record<string, unknown>> {
    const page = await readFile(new URL("../fixtures/product-page.txt", import.meta.url), "utf8");
    const section = page.slice(page.indexOf("\nProvisioning via API\n"));
    const start = section.indexOf(`curl -X ${command}`);
    const text = section
      .slice(start, section.indexOf(command === "GET" ? "# Purchase" : "Response:", start))
      .replaceAll("https://api.sautikit.com", product.baseUrl)
      .replace("+254200000001", number)
      .replace("https://yourapp.example.com/voice", voice.url());
    const { stdout } = await run("sh", ["-c", text], {
      env: { ...process.env, SAUTIKIT_API_KEY: product.demo.api_key },
    });
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  it("are listed and purchased by the product page's curl lines, and place and receive calls at once", async () => {
    const { data } = (await onThePage("GET", "")) as { data: { number: string }[] };
    assert.equal(data.length, 5);
    assert.ok(
      data.every(({ number }) => number !== product.demo.number),
      "the demo's own is the demo's",
    );
    const { number } = data[0]!;
    const bought = await onThePage("POST", number);
    assert.deepEqual(
      [bought["number"], bought["status"], bought["monthly_rate_kes"]],
      [number, "active", 100],
    );

    voice.answer("call.started", [{ getDigits: { numDigits: 1, timeout: 10 } }]);
    voice.answer("call.digits", [{ hangup: {} }]);
    const { customer, demo } = product;
    const id = await customer.place({ from: number, to: "+254700000001" });
    const rung = await fetch(`${demo.carrier_status}/calls`, {
      ...{ method: "POST", body: JSON.stringify({ from: "+254733000001", to: number, digits: "1" }) },
    });
    assert.equal(rung.status, 201);
    await customer.until(id, "its answer", ({ status }) => status === "answered");
    await customer.hangUp(id);
    await customer.ended(id);
    await eventually("the caller's call, answered and over", async () => {
      const { body } = await customer.ask(
        "GET",
        `/v1/calls?direction=inbound&number=${encodeURIComponent(number)}`,
      );
      return body.data[0]?.status === "completed" ? true : undefined;
    });
    const taken = await onThePage("POST", demo.number);
    assert.equal((taken["error"] as { code: string }).code, "numbers.already_claimed");
  });

  it("that are to move here have their papers shown to the operator", async () => {
    const { customer, demo, baseUrl, env } = product;
    const { body: port } = await customer.ask("POST", "/v1/ports", {
      body: { number: "+254207654321", current_carrier: "Telkom Kenya", account_reference: "TKL-0042" },
    });
    const paper = "%PDF-1.7 an account confirmation";
    const uploaded = await fetch(`${baseUrl}/v1/ports/${port.id}/document`, {
      ...{ method: "POST", body: paper, headers: { authorization: `Bearer ${demo.api_key}` } },
    });
    assert.equal(uploaded.status, 200);
    const { stdout, stderr } = await sautikit(["ports", "show", port.id], env);
    assert.equal(stderr, "");
    const { document_link } = JSON.parse(stdout) as { document_link: string };
    assert.equal(await (await fetch(document_link)).text(), paper);
  });
});
