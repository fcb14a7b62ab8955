import { strict as assert } from "node:assert";
import { requireSameSite } from "../../api/same-site.ts";
import { noSessionCookie, sessionCookie } from "../../api/session-cookie.ts";
import { createMailQueue } from "../../engine/mail/mail-queue.ts";
import { normalEmail } from "../../engine/people/email.ts";
import { SignIn } from "../../engine/people/sign-in.ts";
import type { Tx } from "../../engine/store/store.ts";
import { eventually } from "../peers/waiting.ts";
import { publicUrl, world, type World } from "../api/world.ts";
import { databaseKind } from "../store/test-database.ts";

describe(`signing in by mail, on ${databaseKind}`, () => {
  let api: World;
  beforeEach(async () => {
    api = await world();
  });
  afterEach(() => api.end());

  const browser = { origin: publicUrl, "sec-fetch-site": "same-origin" };
  const askFor = (email: string) => api.ask("POST", "/v1/sign-in-links", { body: { email } });
  const linkIn = (body: string) => /https:\/\/sautikit\.example(\/\S+token=(\S{43}))/.exec(body)!;
  const lastToken = async () => linkIn((await api.mails()).at(-1)!.body)[2]!;
  const form = (path: string, fields: Record<string, string>, headers: Record<string, string> = browser) =>
    api.ask("POST", path, {
      body: new URLSearchParams(fields).toString(),
      headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
    });
  const signIn = async (email: string) => {
    await askFor(email);
    const answer = await api.ask("POST", "/v1/sessions", { body: { token: await lastToken() } });
    assert.equal(answer.status, 201, answer.text);
    const cookie = answer.headers.get("set-cookie")!;
    return { ...answer.body, cookie, headers: { cookie: cookie.split(";")[0]!, origin: publicUrl } };
  };
  const session = (headers: Record<string, string>) => api.ask("GET", "/v1/session", { headers });

  it("the first time it signs up: a user, who owns a workspace of their own and can work in it", async () => {
    const wanjiru = await signIn(" Wanjiru@Example.CO.KE ");

    assert.equal(wanjiru.user.email, "wanjiru@example.co.ke");
    assert.deepEqual(
      wanjiru.workspaces.map(({ name, role }: { name: string; role: string }) => [name, role]),
      [["wanjiru", "owner"]],
    );
    const wallet = await api.ask("GET", "/v1/wallet", { headers: wanjiru.headers });
    assert.deepEqual([wallet.status, wallet.body.balance_minor], [200, 0]);
    const again = await signIn("wanjiru@example.co.ke");
    assert.deepEqual([again.user.id, again.workspaces.length], [wanjiru.user.id, 1]);
  });

  it("the answer is the same whether the address is known or not, and so is all that is done for it", async () => {
    await signIn("wanjiru@example.co.ke");
    const [known, unknown] = [await askFor("wanjiru@example.co.ke"), await askFor("otieno@example.co.ke")];
    assert.deepEqual([known.status, known.text], [unknown.status, unknown.text]);
    const mails = (await api.mails()).slice(-2);
    assert.deepEqual(
      mails.map(({ recipient }) => recipient),
      ["wanjiru@example.co.ke", "otieno@example.co.ke"],
    );

    // With sign-up closed too, where an unknown address gets a mail of another text.
    const closed = new SignIn({ ...api, mails: mailQueue(), publicUrl: api.publicUrl }, "invited");
    const statements = (email: string) =>
      api.store.write(async (tx) => {
        const seen: string[] = [];
        const watched: Tx = {
          get: (sql, params) => (seen.push(sql), tx.get(sql, params)),
          all: (sql, params) => (seen.push(sql), tx.all(sql, params)),
          run: (sql, params) => (seen.push(sql), tx.run(sql, params)),
          afterCommit: (fn) => tx.afterCommit(fn),
        };
        await closed.mailLink(watched, { email, network: "10.0.0.1" });
        return seen;
      });
    assert.deepEqual(await statements("wanjiru@example.co.ke"), await statements("nobody@example.co.ke"));
    assert.match((await api.mails()).at(-1)!.body, /no account for it here/);
  });

  it("a mail scanner that opens the link uses nothing up: only the button does, once", async () => {
    await askFor("wanjiru@example.co.ke");
    const [, path, token] = linkIn((await api.mails())[0]!.body);

    for (let times = 0; times < 3; times++) {
      const page = await api.ask("GET", path!);
      assert.equal(page.status, 200);
      assert.match(page.text, /<form method="post" action="\/sign-in">/);
      assert.match(page.text, /wanjiru@example\.co\.ke/, "whom the button signs in");
      assert.equal(page.headers.get("cache-control"), "no-store");
      assert.equal(page.headers.get("set-cookie"), null);
    }
    assert.equal((await api.ask("HEAD", path!)).status, 200);
    const pressed = await form("/sign-in", { token: token! });
    const again = await form("/sign-in", { token: token! });

    assert.equal(pressed.status, 200);
    const cookie = pressed.headers.get("set-cookie")!;
    assert.match(
      cookie,
      /^__Host-sautikit=[\w-]{43}; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Lax; Secure$/,
    );
    assert.deepEqual([again.status, again.headers.get("set-cookie")], [410, null]);
    const used = await api.ask("GET", path!);
    assert.deepEqual([used.status, /<form method="post" action="\/sign-in">/.test(used.text)], [410, false]);
    assert.equal((await session({ cookie: cookie.split(";")[0]! })).body.user.email, "wanjiru@example.co.ke");
  });

  it("of one link used ten times at once, one signs in", async () => {
    await askFor("wanjiru@example.co.ke");
    const token = await lastToken();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => api.ask("POST", "/v1/sessions", { body: { token } })),
    );
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, ...Array<number>(9).fill(410)]);
  });

  it("a link works for 15 minutes and no longer; one that was made up never does", async () => {
    await askFor("wanjiru@example.co.ke");
    const token = await lastToken();
    api.clock.offsetMs += 15 * 60_000;
    const late = await api.ask("POST", "/v1/sessions", { body: { token } });
    const madeUp = await api.ask("POST", "/v1/sessions", { body: { token: "x".repeat(43) } });
    for (const { status, body } of [late, madeUp])
      assert.deepEqual([status, body.error.code], [410, "sign_in.link_invalid"]);
  });

  it("neither a link's token nor a session's is kept, but for their hashes", async () => {
    const { headers } = await signIn("wanjiru@example.co.ke");
    const linkToken = await lastToken();
    const sessionToken = headers.cookie.split("=")[1]!;
    const kept = await api.store.read(async (tx) =>
      JSON.stringify([
        await tx.all("SELECT * FROM sign_in_links"),
        await tx.all("SELECT * FROM sessions"),
        await tx.all("SELECT * FROM audit_entries"),
      ]),
    );
    assert.ok(!kept.includes(linkToken) && !kept.includes(sessionToken));
  });

  it("an address gets five links in 15 minutes, however many are asked for at once; others are not held back", async () => {
    const answers = await Promise.all(Array.from({ length: 9 }, () => askFor("wanjiru@example.co.ke")));
    assert.equal(answers.filter(({ status }) => status === 202).length, 5);
    const refused = answers.find(({ status }) => status === 429)!;
    assert.equal(refused.body.error.code, "sign_in.too_many");
    const wait = Number(refused.headers.get("retry-after"));
    assert.ok(wait > 890 && wait <= 900, `${wait}`);
    assert.equal((await askFor("otieno@example.co.ke")).status, 202);
    api.clock.offsetMs += 15 * 60_000;
    assert.equal((await askFor("wanjiru@example.co.ke")).status, 202);
  });

  it("one network asks for twenty links in an hour, whoever they are for", async () => {
    for (let index = 0; index < 20; index++)
      assert.equal((await askFor(`w${index}@example.co.ke`)).status, 202);
    assert.equal((await askFor("w20@example.co.ke")).status, 429);
    const page = await form("/sign-in/link", { email: "w21@example.co.ke" });
    assert.equal(page.status, 429);
    api.clock.offsetMs += 3_600_000;
    assert.equal((await askFor("w20@example.co.ke")).status, 202);
  });

  it("a session ends after a day unused, after 30 days whatever, by signing out, and when it is revoked", async () => {
    const used = await signIn("wanjiru@example.co.ke");
    api.clock.offsetMs += 24 * 3_600_000 + 60_000;
    assert.equal((await session(used.headers)).body.error.code, "auth.session");

    const kept = await signIn("wanjiru@example.co.ke");
    for (let hours = 0; hours < 30 * 24 - 12; hours += 12) {
      api.clock.offsetMs += 12 * 3_600_000;
      assert.equal((await session(kept.headers)).status, 200, `after ${hours} h`);
      await seenBy(kept.session.id);
    }
    api.clock.offsetMs += 12 * 3_600_000;
    assert.equal((await session(kept.headers)).status, 401);

    const [phone, laptop] = [await signIn("wanjiru@example.co.ke"), await signIn("wanjiru@example.co.ke")];
    const { body } = await api.ask("GET", "/v1/sessions", { headers: laptop.headers });
    assert.deepEqual(
      body.data.map(({ id, current }: { id: string; current: boolean }) => [id, current]),
      [
        [laptop.session.id, true],
        [phone.session.id, false],
      ],
    );
    const gone = await api.ask("DELETE", `/v1/sessions/${phone.session.id}`, { headers: laptop.headers });
    assert.deepEqual([gone.status, (await session(phone.headers)).status], [204, 401]);
    const out = await api.ask("DELETE", "/v1/session", { headers: laptop.headers });
    assert.equal(out.status, 204);
    assert.match(out.headers.get("set-cookie")!, /^__Host-sautikit=; Path=\/; Max-Age=0/);
    assert.equal((await session(laptop.headers)).status, 401);
  });

  it("nobody ends another's session", async () => {
    const [wanjiru, otieno] = [await signIn("wanjiru@example.co.ke"), await signIn("otieno@example.co.ke")];
    const { status } = await api.ask("DELETE", `/v1/sessions/${wanjiru.session.id}`, {
      headers: otieno.headers,
    });
    assert.deepEqual([status, (await session(wanjiru.headers)).status], [404, 200]);
  });

  it("what another site's page sends with somebody's session changes nothing", async () => {
    const { headers, workspace_id: id } = await signIn("wanjiru@example.co.ke");
    const { cookie } = headers;
    const rename = (more: Record<string, string>) =>
      api.ask("PATCH", "/v1/workspace", { body: { name: "Theirs" }, headers: { cookie, ...more } });
    const foreign: Record<string, string>[] = [
      {},
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: `${publicUrl}.evil.example` },
      { origin: "http://sautikit.example" },
      { origin: publicUrl, "sec-fetch-site": "cross-site" },
      { origin: publicUrl, "sec-fetch-site": "same-site" },
    ];
    for (const more of foreign) {
      const { status, body } = await rename(more);
      assert.deepEqual([status, body.error.code], [403, "auth.cross_site"], JSON.stringify(more));
    }
    const out = await api.ask("DELETE", "/v1/session", {
      headers: { cookie, origin: "https://evil.example" },
    });
    assert.equal(out.body.error.code, "auth.cross_site");
    assert.equal(
      (await form("/sign-in", { token: "x".repeat(43) }, { origin: "https://evil.example" })).status,
      403,
    );
    assert.equal((await rename({ origin: publicUrl })).body.name, "Theirs");
    assert.equal((await api.ask("GET", "/v1/workspace", { headers: { cookie } })).body.id, id);
  });

  it("somebody in two workspaces works in the one that they chose, or that a request names, and in no other", async () => {
    const wanjiru = await signIn("wanjiru@example.co.ke");
    const otieno = await signIn("otieno@example.co.ke");
    const second = await api.ask("POST", "/v1/workspaces", {
      body: { name: "Duka" },
      headers: wanjiru.headers,
    });
    const where = async (more = {}) =>
      (await api.ask("GET", "/v1/workspace", { headers: { ...wanjiru.headers, ...more } })).body;

    assert.equal((await where()).id, wanjiru.workspace_id);
    assert.equal((await where({ "x-sautikit-workspace": second.body.id })).id, second.body.id);
    const chosen = await api.ask("PATCH", "/v1/session", {
      body: { workspace_id: second.body.id },
      headers: wanjiru.headers,
    });
    assert.equal(chosen.body.workspace_id, second.body.id);
    assert.equal((await where()).id, second.body.id);
    for (const id of [otieno.workspace_id, "ws_01j00000000000000000000001", "x"]) {
      assert.equal((await where({ "x-sautikit-workspace": id })).error.code, "auth.no_workspace");
      const refused = await api.ask("PATCH", "/v1/session", {
        body: { workspace_id: id },
        headers: wanjiru.headers,
      });
      assert.equal(refused.body.error.code, "auth.no_workspace");
    }
  });

  it("nobody owns more than ten workspaces, however many they ask for at once", async () => {
    const { headers } = await signIn("wanjiru@example.co.ke");
    const make = (_: unknown, index: number) =>
      api.ask("POST", "/v1/workspaces", { body: { name: `Duka ${index}` }, headers });
    const made = await Promise.all(Array.from({ length: 20 }, make));

    const refused = made.filter(({ status }) => status !== 201);
    assert.deepEqual([...new Set(refused.map(({ body }) => body.error.code))], ["workspaces.too_many"]);
    const { body } = await api.ask("GET", "/v1/session", { headers });
    assert.equal(body.workspaces.length, 10);
  });

  it("with SIGN_UP=invited nobody opens an account, and who was invited signs in", async () => {
    await api.end();
    const parts = { mails: mailQueue(), publicUrl: () => publicUrl };
    const { clock, ids } = api;
    api = await world({ signIn: new SignIn({ ...parts, clock, ids }, "invited") });
    const wanjiru = await api.workspace();
    const person = await api.person("wanjiru@example.co.ke", { [wanjiru.id]: "owner" });
    assert.equal((await askFor("otieno@example.co.ke")).status, 202);
    assert.doesNotMatch((await api.mails())[0]!.body, /token=/);
    const refused = await api.ask("POST", "/v1/workspaces", { body: { name: "x" }, headers: person.headers });
    assert.equal(refused.body.error.code, "sign_up.closed");
    assert.equal((await signIn("wanjiru@example.co.ke")).workspaces[0].id, wanjiru.id);
  });

  it("mail addresses are written in one way, and what is none is refused", async () => {
    const rows: [string, string | undefined][] = [
      ["Wanjiru@Example.co.ke", "wanjiru@example.co.ke"],
      [" a.b+c@example.com ", "a.b+c@example.com"],
      ["mail@bücher.example", "mail@xn--bcher-kva.example"],
      ["no", undefined],
      ["a@b", undefined],
      ["a@@example.com", undefined],
      ["a b@example.com", undefined],
      ["a@example.com\r\nBcc: x@example.com", undefined],
      ["a@example.com,b@example.com", undefined],
      ["<a@example.com>", undefined],
      [`${"a".repeat(65)}@example.com`, undefined],
    ];
    for (const [text, email] of rows) assert.equal(normalEmail(text), email, text);
    assert.equal((await askFor("a@example.com\r\nBcc: x@example.com")).body.error.fields[0].code, "email");
  });

  it("where PUBLIC_URL is https a page of plain http is another site, whatever its host", () => {
    const rows: [publicUrl: string, origin: string, host: string, ours: boolean][] = [
      ["https://sautikit.example", "https://sautikit.example", "127.0.0.1:8080", true],
      ["https://sautikit.example", "http://sautikit.example", "sautikit.example", false],
      ["http://127.0.0.1:8080", "http://localhost:8080", "localhost:8080", true],
      ["http://127.0.0.1:8080", "http://evil.example", "localhost:8080", false],
    ];
    for (const [at, origin, host, ours] of rows) {
      const headers: Record<string, string> = { Origin: origin, Host: host };
      const check = () => requireSameSite({ method: "POST", get: (name) => headers[name] }, at);
      if (ours) check();
      else assert.throws(check, /another site/);
    }
  });

  it("the cookie is Secure where PUBLIC_URL is https, and only there", () => {
    assert.match(
      sessionCookie("https://sautikit.example", "t"),
      /^__Host-sautikit=t; .*HttpOnly; SameSite=Lax; Secure$/,
    );
    assert.match(sessionCookie("http://127.0.0.1:8080", "t"), /^sautikit=t; .*HttpOnly; SameSite=Lax$/);
    assert.match(noSessionCookie("http://127.0.0.1:8080"), /Max-Age=0/);
  });

  /** It is written down beside the request, which does not wait for it. */
  const seenBy = (id: string) =>
    eventually("the last use", async () => {
      const session = await api.store.read((tx) =>
        tx.get<{ seenAtMs: number }>("SELECT seen_at_ms FROM sessions WHERE id = ?", [id]),
      );
      return session!.seenAtMs > api.clock.nowMs() - 60_000 ? true : undefined;
    });
  const mailQueue = () => createMailQueue({ ids: api.ids, clock: api.clock, wake: () => undefined });
});
