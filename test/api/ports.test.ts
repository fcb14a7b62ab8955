import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { dayMs } from "../../engine/clock.ts";
import { isError } from "../../engine/errors.ts";
import type { PortId } from "../../engine/ids.ts";
import { PortDocuments, type DocumentStorage } from "../../engine/numbers/port-documents.ts";
import { movePort, portOut, type PortMove } from "../../engine/numbers/ports.ts";
import { walletBalanceMinor } from "../../engine/store/ledger.ts";
import { insertMember, upsertUser } from "../../engine/store/members.ts";
import { verifyLedger } from "../../engine/wallet/verify.ts";
import type { Storage } from "../../recordings/storage.ts";
import { eventsOf } from "../numbers/world.ts";
import { startObjectStorage, type ObjectStorage } from "../peers/object-storage.ts";
import { world, type World } from "./world.ts";

const pdf = Buffer.from("%PDF-1.7\nAccount confirmation of Wanjiru's shop\n%%EOF\n");
const png = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex");

describe("porting requests", () => {
  let objectStorage: ObjectStorage;
  let storage: Storage;
  let api: World;
  let wanjiru: Awaited<ReturnType<World["workspace"]>>;
  let otieno: Awaited<ReturnType<World["workspace"]>>;
  before(async () => {
    objectStorage = await startObjectStorage();
    storage = objectStorage.storage;
    // Nobody may ask the customer's link: there is nothing here that could.
    api = await world({ checkUrl: () => Promise.resolve() }, { storage });
    wanjiru = await api.workspace({ number: "+254200000901" });
    otieno = await api.workspace({ name: "Otieno", number: "+254200000902" });
    await api.store.write(async (tx) => {
      const createdAtMs = api.clock.nowMs();
      const owner = { id: api.ids.next("usr"), email: "wanjiru@shop.example", createdAtMs };
      const { id: userId } = await upsertUser(tx, owner);
      await insertMember(tx, { workspaceId: wanjiru.id, userId, role: "owner", createdAtMs });
    });
    await api.ask("POST", "/v1/webhooks", {
      ...{ key: wanjiru.key, body: { url: "https://wanjiru.example/hooks", events: ["*"] } },
    });
  });
  after(async () => {
    const findings = await api.store.read(verifyLedger);
    await api.end();
    await objectStorage.close();
    assert.deepEqual(
      findings.filter(({ ok }) => !ok),
      [],
    );
  });

  const ask = (method: string, path: string, body?: unknown, key = wanjiru.key) =>
    api.ask(method, path, { key, ...(body === undefined ? {} : { body }) });
  const upload = (id: string, body: Uint8Array, key = wanjiru.key) =>
    api.ask("POST", `/v1/ports/${id}/document`, { key, body, headers: { "content-type": "text/html" } });
  let next = 0;
  const request = (more: object = {}) => ({
    number: `+25420720${String(next++).padStart(4, "0")}`,
    current_carrier: "Telkom Kenya",
    account_reference: "TKL-0042",
    ...more,
  });
  const move = (id: PortId, to: PortMove["to"], more: Partial<PortMove> = {}, parts = api.numbers) =>
    api.store.write((tx) => movePort(tx, parts, id, { to, ...more }));
  const told = async (id: string) =>
    (await eventsOf(api.store, wanjiru.id))
      .filter(({ kind, data }) => kind === "port.updated" && data["port_id"] === id)
      .map(({ data }) => data["status"]);
  const mailsOf = (id: string) =>
    api.store.read((tx) =>
      tx.all<{ subject: string; body: string }>(
        "SELECT subject, body FROM mails WHERE once_key LIKE ? ORDER BY id",
        [`${id} %`],
      ),
    );

  it("a number is asked for, and is expected within 2 to 5 working days", async () => {
    const document_url = "https://shop.example/confirmation.pdf";
    const asked = request();
    const { status, body } = await ask("POST", "/v1/ports", { ...asked, document_url });
    assert.equal(status, 201);
    assert.match(body.id, /^port_[0-9a-z]{26}$/);
    assert.deepEqual(
      [body.status, body.number, body.country, body.document_url, body.document],
      ["submitted", asked.number, "ke", document_url, null],
    );
    const days = (Date.parse(body.expected_by) - Date.parse(body.expected_from)) / dayMs;
    assert.ok(days >= 3 && days <= 5, `${body.expected_from} to ${body.expected_by}`);
    assert.deepEqual((await ask("GET", `/v1/ports/${body.id}`)).body, body);
    assert.deepEqual((await ask("GET", "/v1/ports?limit=1")).body.data, [body]);
    assert.deepEqual(await told(body.id), ["submitted"]);
  });

  it("moves from step to step by the operator's hand, each told and mailed, and the number is here at the end", async () => {
    const voice = "https://shop.example/voice";
    const { body: port } = await ask("POST", "/v1/ports", request({ voice_callback_url: voice }));
    const before = await api.store.read((tx) => walletBalanceMinor(tx, wanjiru.id));
    await move(port.id, "in_review");
    const nowMs = api.numbers.clock.nowMs();
    const atOnce = { ...api.numbers, clock: { ...api.numbers.clock, nowMs: () => nowMs } };
    for (const day of ["2026-07-01T06:00:00Z", "2026-07-02T06:00:00Z"])
      await move(port.id, "scheduled", { scheduledForMs: Date.parse(day) }, atOnce);
    const refused = await ask("POST", "/v1/calls", { from: port.number, to: "+254712345678" });
    assert.equal(refused.body.error.code, "calls.caller_id_not_owned", "not yet");
    await move(port.id, "completed");

    const { body: done } = await ask("GET", `/v1/ports/${port.id}`);
    assert.deepEqual([done.status, done.scheduled_for], ["completed", "2026-07-02T06:00:00Z"]);
    const { body: number } = await ask("GET", `/v1/numbers/${done.number_id}`);
    assert.deepEqual(
      [number.number, number.status, number.voice_callback_url, number.monthly_rate_kes],
      [port.number, "active", voice, 100],
    );
    assert.equal(before - (await api.store.read((tx) => walletBalanceMinor(tx, wanjiru.id))), 11_600);
    const placed = await ask("POST", "/v1/calls", { from: port.number, to: "+254712345678" });
    assert.equal(placed.status, 201);
    assert.deepEqual(await told(port.id), ["submitted", "in_review", "scheduled", "scheduled", "completed"]);
    const provisioned = (await eventsOf(api.store, wanjiru.id)).filter(
      ({ kind }) => kind === "number.provisioned",
    );
    assert.deepEqual(
      provisioned.map(({ data }) => [data["number"], data["by"]]),
      [[port.number, "port"]],
    );
    const mails = await mailsOf(port.id);
    assert.equal(mails.length, 4);
    assert.match(mails[1]!.body, /typically under 30 minutes/);
    assert.match(mails[3]!.subject, /has moved to Sautikit/);
  });

  it("a number that came without money for its month is suspended, as any other", async () => {
    const poor = await api.workspace({ name: "Njoroge", number: "+254200000903", balanceMinor: 11_599 });
    const { body: port } = await ask("POST", "/v1/ports", request(), poor.key);
    await move(port.id, "in_review");
    await move(port.id, "scheduled", { scheduledForMs: api.clock.nowMs() });
    const { after } = await move(port.id, "completed");
    const { body: number } = await ask("GET", `/v1/numbers/${after.numberId}`, undefined, poor.key);
    assert.deepEqual([number.status, number.suspended_by], ["suspended", "unpaid"]);
  });

  it("goes no way that it cannot go", async () => {
    const { body: port } = await ask("POST", "/v1/ports", request());
    for (const to of ["submitted", "scheduled", "completed"] as const)
      await assert.rejects(move(port.id, to), /is submitted; it cannot become/);
    await move(port.id, "rejected", { reason: "The account is under contract until August." });
    const { body: rejected } = await ask("GET", `/v1/ports/${port.id}`);
    assert.equal(rejected.reason, "The account is under contract until August.");
    assert.match((await mailsOf(port.id))[0]!.body, /under contract until August/);
    await assert.rejects(move(port.id, "in_review"), /is rejected/);
    const cancel = await ask("POST", `/v1/ports/${port.id}/cancel`);
    assert.deepEqual([cancel.status, cancel.body.error.code], [409, "ports.closed"]);
  });

  it("is canceled by its customer, who may then ask anew", async () => {
    const asked = request();
    const { body: port } = await ask("POST", "/v1/ports", asked);
    const twice = await ask("POST", "/v1/ports", asked);
    assert.deepEqual([twice.status, twice.body.error.code], [409, "ports.already_open"]);
    const { status, body } = await ask("POST", `/v1/ports/${port.id}/cancel`);
    assert.deepEqual([status, body.status], [200, "canceled"]);
    assert.deepEqual(await told(port.id), ["submitted", "canceled"]);
    assert.equal((await ask("POST", "/v1/ports", asked)).status, 201);
  });

  it("only a Kenyan number that is not here yet can be asked for", async () => {
    for (const [number, status, code] of [
      ["+256414000001", 422, "ports.not_portable"],
      ["+254900123456", 422, "ports.not_portable"],
      ["+2542072", 422, "ports.not_portable"],
      [wanjiru.number, 409, "ports.number_here"],
      [otieno.number, 409, "ports.number_here"],
    ] as const) {
      const answer = await ask("POST", "/v1/ports", request({ number }));
      assert.deepEqual([answer.status, answer.body.error.code], [status, code], number);
    }
    await api.stock("+254 20 731 0000-0001");
    const inStock = await ask("POST", "/v1/ports", request({ number: "+254207310000" }));
    assert.deepEqual([inStock.status, inStock.body.error.code], [409, "ports.in_inventory"]);
    const { body } = await ask("POST", "/v1/ports", request({ current_carrier: "Tel\nkom" }));
    assert.equal(body.error.fields[0].field, "current_carrier");
  });

  it("a number that came here meanwhile is nobody's to take", async () => {
    const asked = request();
    const { body: hers } = await ask("POST", "/v1/ports", asked);
    const { body: his } = await ask("POST", "/v1/ports", asked, otieno.key);
    for (const { id } of [hers, his]) {
      await move(id, "in_review");
      await move(id, "scheduled", { scheduledForMs: api.clock.nowMs() });
    }
    await move(his.id, "completed");
    await assert.rejects(move(hers.id, "completed"), /in service here already/);
    assert.equal((await ask("GET", `/v1/ports/${hers.id}`)).body.status, "scheduled", "nothing was done");
  });

  it("takes a document into the object storage, told by its content, and gives it back", async () => {
    const { body: port } = await ask("POST", "/v1/ports", request());
    const { status, body } = await upload(port.id, pdf);
    assert.equal(status, 200);
    const sha256 = createHash("sha256").update(pdf).digest("hex");
    assert.deepEqual(
      [body.document.content_type, body.document.size_bytes, body.document.sha256],
      ["application/pdf", pdf.length, sha256],
    );
    const replaced = await upload(port.id, png);
    assert.equal(replaced.body.document.content_type, "image/png");
    const link = await ask("GET", `/v1/ports/${port.id}/document`);
    assert.equal(link.status, 302);
    const file = await fetch(link.headers.get("location")!);
    assert.equal(file.headers.get("content-type"), "image/png");
    assert.match(file.headers.get("content-disposition") ?? "", /^attachment; filename="port_\w+\.png"$/);
    assert.deepEqual(Buffer.from(await file.arrayBuffer()), png);
  });

  it("refuses what is no document, too large, another's, or too late", async () => {
    const { body: port } = await ask("POST", "/v1/ports", request());
    const large = Buffer.concat([pdf, Buffer.alloc(10 * 1024 * 1024)]);
    for (const [bytes, status, code] of [
      [Buffer.from("<html><script>"), 415, "ports.document_unsupported"],
      [Buffer.alloc(0), 415, "ports.document_unsupported"],
      [large, 413, "ports.document_too_large"],
    ] as const) {
      const answer = await upload(port.id, bytes);
      assert.deepEqual([answer.status, answer.body.error.code], [status, code]);
    }
    for (const [method, path] of [
      ["GET", ""],
      ["GET", "/document"],
      ["POST", "/cancel"],
    ] as const) {
      const answer = await ask(method, `/v1/ports/${port.id}${path}`, undefined, otieno.key);
      assert.deepEqual([answer.status, answer.body.error.code], [404, "ports.not_found"], path);
    }
    assert.equal((await upload(port.id, pdf, otieno.key)).status, 404);
    assert.equal((await ask("GET", `/v1/ports/${port.id}/document`)).status, 404, "there is none");
    assert.equal((await upload("Nairobi", pdf)).status, 404);
    await ask("POST", `/v1/ports/${port.id}/cancel`);
    assert.equal((await upload(port.id, pdf)).body.error.code, "ports.closed");
    const reads = await api.key(wanjiru.id, { scopes: ["numbers.read"] });
    assert.equal((await ask("POST", "/v1/ports", request(), reads)).status, 403);
    assert.equal((await upload(port.id, pdf, reads)).status, 403);
    const { body: list } = await ask("GET", "/v1/ports?limit=100", undefined, otieno.key);
    assert.ok(!list.data.some((one: { id: string }) => one.id === port.id));
  });

  it("a document goes from the storage 90 days after its request has ended", async () => {
    const { body: port } = await ask("POST", "/v1/ports", request());
    await upload(port.id, pdf);
    await ask("POST", `/v1/ports/${port.id}/cancel`);
    const [key = ""] = await objectsOf(port.id);
    const documents = documentsOf();
    try {
      api.clock.offsetMs = 89 * dayMs;
      await documents.sweep();
      assert.ok(await storage.head(key));
      api.clock.offsetMs = 91 * dayMs;
      await documents.sweep();
      await documents.sweep();
    } finally {
      api.clock.offsetMs = 0;
    }
    assert.equal(await storage.head(key), null);
    assert.equal((await ask("GET", `/v1/ports/${port.id}`)).body.document, null);
  });

  /** By what the bucket says, whatever the rows do. */
  const objectsOf = (id: string) => objectStorage.keys(`${wanjiru.id}/ports/${id}`);
  const documentsOf = (over: Partial<DocumentStorage> = {}) => {
    const through: DocumentStorage = {
      putBytes: (...put) => storage.putBytes(...put),
      presignGet: (...link) => storage.presignGet(...link),
      delete: (...key) => storage.delete(...key),
      ...over,
    };
    return new PortDocuments({ store: api.store, storage: through, clock: api.clock, ids: api.ids });
  };
  const sweptLater = async () => {
    api.clock.offsetMs = 16 * 60_000;
    await documentsOf()
      .sweep()
      .finally(() => (api.clock.offsetMs = 0));
  };

  it("a document whose upload died before it was the request's is gone from the storage a quarter of an hour later", async () => {
    const { body: port } = await ask("POST", "/v1/ports", request());
    const put = (documents: PortDocuments) => documents.put(wanjiru.id, port.id, pdf);
    // Killed once it has arrived; and before, with its answer lost.
    await put(documentsOf());
    const lost = async (...bytes: Parameters<Storage["putBytes"]>) => {
      await storage.putBytes(...bytes);
      throw new Error("the answer was lost");
    };
    await assert.rejects(put(documentsOf({ putBytes: lost })), /lost/);
    assert.equal((await objectsOf(port.id)).length, 2);
    await documentsOf().sweep();
    assert.equal(
      (await objectsOf(port.id)).length,
      2,
      "one may still become the request's, and the other come again",
    );
    await sweptLater();
    assert.deepEqual(await objectsOf(port.id), []);
    assert.equal((await upload(port.id, pdf)).status, 200);
    await sweptLater();
    assert.equal((await objectsOf(port.id)).length, 1);
  });

  it("a second document takes the first one's place, in the storage too; one that dies leaves the first as it is", async () => {
    const { body: port } = await ask("POST", "/v1/ports", request());
    await upload(port.id, pdf);
    await documentsOf().put(wanjiru.id, port.id, png);
    await sweptLater();
    const { headers } = await ask("GET", `/v1/ports/${port.id}/document`);
    const kept = Buffer.from(await (await fetch(headers.get("location")!)).arrayBuffer());
    assert.deepEqual(kept, pdf, "of which the row tells the type and the hash");
    await upload(port.id, png);
    await sweptLater();
    assert.equal((await objectsOf(port.id)).length, 1);
    assert.equal((await ask("GET", `/v1/ports/${port.id}`)).body.document.content_type, "image/png");
  });

  it("a document that comes as its request ends is refused, and gone", async () => {
    const { body: port } = await ask("POST", "/v1/ports", request());
    const facts = await documentsOf().put(wanjiru.id, port.id, pdf);
    await ask("POST", `/v1/ports/${port.id}/cancel`);
    await assert.rejects(
      api.store.write((tx) => documentsOf().keep(tx, wanjiru.id, port.id, facts)),
      (error) => isError(error, "ports.closed"),
    );
    await sweptLater();
    assert.deepEqual(await objectsOf(port.id), []);
  });

  it("a number may not leave in its first 30 days; then it does, and is nobody's to claim", async () => {
    const number = "+254207300000";
    await api.stock("+254 20 730 0000-0000");
    const { body: claimed } = await ask("POST", "/v1/numbers", { number });
    const out = () => api.store.write((tx) => portOut(tx, api.numbers, number));
    try {
      api.clock.offsetMs = 30 * dayMs - 10_000;
      const early = await out();
      assert.ok(!early.ok && early.why === "too_early");
      api.clock.offsetMs = 30 * dayMs;
      assert.equal((await out()).ok, true);
    } finally {
      api.clock.offsetMs = 0;
    }
    const { body: gone } = await ask("GET", `/v1/numbers/${claimed.id}`);
    assert.equal(gone.status, "released");
    const released = (await eventsOf(api.store, wanjiru.id)).filter(({ kind }) => kind === "number.released");
    assert.deepEqual(
      [released.at(-1)!.data["number"], released.at(-1)!.data["reason"]],
      [number, "ported_out"],
    );
    const again = await ask("POST", "/v1/numbers", { number });
    assert.equal(again.body.error.code, "numbers.not_in_inventory");
    const nowhere = await out();
    assert.ok(!nowhere.ok && nowhere.why === "not_here");
  });
});
