import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { leastRole, roles, scopesOf } from "../../engine/people/roles.ts";
import type { Role } from "../../engine/store/members.ts";
import { scopes, type Scope } from "../../engine/workspaces/scopes.ts";
import { nairobi, otienosPhone, world, type World } from "../api/world.ts";
import { eventually } from "../peers/waiting.ts";
import { databaseKind } from "../store/test-database.ts";

/** A row of the table in docs/people.md: what, from which role on, and a request that shows it. */
interface Deed {
  what: string;
  least: Role;
  ask?: [method: string, path: string, body?: object];
}

const call = "call_01j00000000000000000000001";
const someone = "usr_01j00000000000000000000001";
/** Of a scope that no route asks for yet there is no request. */
const askOf: Partial<Record<Scope, Deed["ask"]>> = {
  "calls.read": ["GET", "/v1/calls"],
  "calls.write": ["POST", "/v1/calls", { from: nairobi, to: otienosPhone }],
  "numbers.write": ["POST", "/v1/numbers/num_01j00000000000000000000001/rotate-signing-secret"],
  "wallet.read": ["GET", "/v1/wallet"],
  "wallet.write": ["PATCH", "/v1/wallet", { on_zero_balance: "continue" }],
  "webhooks.manage": ["GET", "/v1/webhooks"],
  "recordings.read": ["GET", `/v1/calls/${call}/recording`],
  "recordings.delete": ["DELETE", "/v1/recordings/rec_01j00000000000000000000001"],
  "audit.read": ["GET", "/v1/audit"],
};
const withOwner = { phone_e164: "+254799999999" };
const deeds: Deed[] = [
  ...scopes
    .filter((scope) => scope !== "keys.manage")
    .map((scope): Deed => {
      const ask = askOf[scope];
      return { what: `\`${scope}\``, least: leastRole[scope], ...(ask ? { ask } : {}) };
    }),
  { what: "see who is in the workspace", least: "member", ask: ["GET", "/v1/members"] },
  {
    what: "see, make and revoke API keys",
    least: "admin",
    ask: ["POST", "/v1/api-keys", { name: "a key", scopes: ["calls.read"] }],
  },
  {
    what: "invite members and admins, revoke invitations",
    least: "admin",
    ask: ["POST", "/v1/invitations", { email: "new@example.co.ke", role: "admin" }],
  },
  {
    what: "change and remove members and admins",
    least: "admin",
    ask: ["PATCH", `/v1/members/${someone}`, { role: "member" }],
  },
  { what: "export a person's data", least: "admin", ask: ["POST", "/v1/privacy/exports", withOwner] },
  {
    what: "invite owners",
    least: "owner",
    ask: ["POST", "/v1/invitations", { email: "o@example.co.ke", role: "owner" }],
  },
  { what: "make, change and remove owners", least: "owner" },
  {
    what: "make and revoke API keys with `keys.manage`",
    least: "owner",
    ask: ["POST", "/v1/api-keys", { name: "a key", scopes: ["keys.manage"] }],
  },
  {
    what: "change `allowed_countries`",
    least: "owner",
    ask: ["PATCH", "/v1/workspace", { allowed_countries: ["KE"] }],
  },
  {
    what: "change where, when and for how much calls go",
    least: "owner",
    ask: ["PATCH", "/v1/workspace", { refused_prefixes: [] }],
  },
  { what: "erase a person's data", least: "owner", ask: ["POST", "/v1/privacy/erasures", withOwner] },
];

describe(`people, on ${databaseKind}`, () => {
  let api: World;
  let ws: Awaited<ReturnType<World["workspace"]>>;
  const people = {} as Record<Role, Awaited<ReturnType<World["person"]>>>;
  let ownerKey: string;
  before(async () => {
    api = await world();
    ws = await api.workspace();
    for (const role of roles) people[role] = await api.person(`${role}@example.co.ke`, { [ws.id]: role });
    ownerKey = await api.key(ws.id, { scopes });
  });
  after(() => api.end());

  type Who = { headers: Record<string, string> } | { key: string };
  const ask = (who: Who, method: string, path: string, body?: unknown) =>
    api.ask(method, path, { ...who, ...(body === undefined ? {} : { body }) });
  const roleOf = async (id: string) =>
    (await ask({ key: ownerKey }, "GET", "/v1/members?limit=100")).body.data.find(
      (one: { id: string }) => one.id === id,
    )?.role;

  describe("the table of docs/people.md", () => {
    for (const { what, least, ask: request } of deeds) {
      for (const role of roles) {
        const may = roles.indexOf(role) >= roles.indexOf(least);
        it(`${role}: ${may ? "may" : "may not"} ${what}`, async () => {
          const scope = scopes.find((one) => what === `\`${one}\``);
          if (scope) assert.equal(scopesOf(role).includes(scope), may);
          if (!request) return;
          const [method, path, body] = request;
          const { status, body: answer } = await ask(people[role], method, path, body);
          const refused = status === 403 && /^auth\.(role|scope)$/.test(answer.error.code as string);
          assert.equal(refused, !may, `${status} ${JSON.stringify(answer)}`);
        });
      }
    }

    it("is these rows, and no others", () => {
      const page = readFileSync(join(import.meta.dirname, "../../docs/people.md"), "utf8");
      const rows = [...page.matchAll(/^\| (.+?) +\| (yes|) *\| (yes|) *\| (yes|) *\|$/gm)].map(
        ([, what, ...cells]) => [what, ...cells],
      );
      const yes = (least: Role) =>
        roles.map((role) => (roles.indexOf(role) >= roles.indexOf(least) ? "yes" : ""));
      assert.deepEqual(
        rows,
        deeds.map(({ what, least }) => [what, ...yes(least)]),
      );
    });
  });

  describe("members", () => {
    it("an admin makes nobody an owner, and no owner anything else; an owner does both", async () => {
      const kamau = await api.person("kamau@example.co.ke", { [ws.id]: "member" });
      const set = (who: Who, id: string, role: Role) => ask(who, "PATCH", `/v1/members/${id}`, { role });

      assert.equal((await set(people.admin, kamau.id, "owner")).body.error.code, "auth.role");
      assert.equal((await set(people.admin, people.owner.id, "member")).body.error.code, "auth.role");
      assert.equal(
        (await ask(people.admin, "DELETE", `/v1/members/${people.owner.id}`)).body.error.code,
        "auth.role",
      );
      assert.equal((await set(people.admin, kamau.id, "admin")).body.role, "admin");
      assert.equal((await set(people.owner, kamau.id, "owner")).body.role, "owner");
      assert.equal((await set({ key: ownerKey }, kamau.id, "member")).body.role, "member");
    });

    it("who is removed, or has another role, is so from the next request on; anybody may leave", async () => {
      const achieng = await api.person("achieng@example.co.ke", { [ws.id]: "admin" });
      assert.equal((await ask(achieng, "GET", "/v1/audit")).status, 200);
      await ask(people.owner, "PATCH", `/v1/members/${achieng.id}`, { role: "member" });
      assert.equal((await ask(achieng, "GET", "/v1/audit")).body.error.code, "auth.role");
      assert.equal(
        (await ask(achieng, "DELETE", `/v1/members/${people.member.id}`)).body.error.code,
        "auth.role",
      );
      assert.equal((await ask(achieng, "DELETE", `/v1/members/${achieng.id}`)).status, 204);
      assert.equal((await ask(achieng, "GET", "/v1/wallet")).body.error.code, "auth.no_workspace");
    });

    it("the last owner neither goes nor is made anything else, whoever asks", async () => {
      for (const who of [people.owner, { key: ownerKey }]) {
        const down = await ask(who, "PATCH", `/v1/members/${people.owner.id}`, { role: "admin" });
        const out = await ask(who, "DELETE", `/v1/members/${people.owner.id}`);
        for (const { status, body } of [down, out])
          assert.deepEqual([status, body.error.code], [409, "members.last_owner"]);
      }
      assert.equal(await roleOf(people.owner.id), "owner");
    });

    it("of two owners who make each other members at once, one stays an owner", async () => {
      for (let round = 0; round < 5; round++) {
        const duka = await api.workspace({ name: "Duka", number: `+25420000010${round}` });
        const [one, other] = await Promise.all(
          ["one", "other"].map((name) => api.person(`${name}${round}@example.co.ke`, { [duka.id]: "owner" })),
        );
        const answers = await Promise.all([
          ask(one!, "PATCH", `/v1/members/${other!.id}`, { role: "member" }),
          ask(other!, "PATCH", `/v1/members/${one!.id}`, { role: "member" }),
        ]);
        assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 403]);
      }
    });

    it("another workspace's members, invitations and keys are not there", async () => {
      const njeri = await api.workspace({ name: "Njeri", number: "+254200000009" });
      const key = await api.key(njeri.id, { scopes });
      const invited = await ask({ key: ownerKey }, "POST", "/v1/invitations", {
        email: "i@example.co.ke",
        role: "member",
      });
      const rows: [string, string, object?][] = [
        ["PATCH", `/v1/members/${people.member.id}`, { role: "admin" }],
        ["DELETE", `/v1/members/${people.member.id}`],
        ["DELETE", `/v1/invitations/${invited.body.id}`],
        ["GET", `/v1/api-keys/${ws.keyId}`],
        ["DELETE", `/v1/api-keys/${ws.keyId}`],
      ];
      for (const [method, path, body] of rows)
        assert.equal((await ask({ key }, method, path, body)).status, 404, path);
      for (const path of ["/v1/members", "/v1/invitations"])
        assert.deepEqual((await ask({ key }, "GET", path)).body.data, []);
      const keys = (await ask({ key }, "GET", "/v1/api-keys")).body.data;
      assert.ok(keys.every(({ id }: { id: string }) => id !== ws.keyId));
      assert.deepEqual((await ask({ key }, "GET", "/v1/audit")).body.data, []);
    });
  });

  describe("invitations", () => {
    const invite = async (email: string, role: Role = "member") => {
      const made = await ask(people.owner, "POST", "/v1/invitations", { email, role });
      assert.equal(made.status, 201, made.text);
      const token = /\/invitation\?token=(\S{43})/.exec((await api.mails()).at(-1)!.body)![1]!;
      return { ...made.body, token };
    };
    const accept = (token: string) => api.ask("POST", "/v1/invitations/accept", { body: { token } });

    it("is mailed, looked at by scanners for nothing, accepted once, and makes a member of that role", async () => {
      const { id, token, status } = await invite("otieno@example.co.ke", "admin");
      assert.equal(status, "pending");
      for (let times = 0; times < 2; times++)
        assert.match(
          (await api.ask("GET", `/invitation?token=${token}`)).text,
          /otieno@example\.co\.ke is invited/,
        );

      const answers = await Promise.all([accept(token), accept(token), accept(token)]);

      assert.deepEqual(answers.map((one) => one.status).sort(), [200, 410, 410]);
      const { body } = answers.find((one) => one.status === 200)!;
      assert.deepEqual([body.workspace_id, body.email, body.role], [ws.id, "otieno@example.co.ke", "admin"]);
      assert.equal(
        answers.every(({ headers }) => headers.get("set-cookie") === null),
        true,
        "nobody is signed in by it",
      );
      const { data } = (await ask(people.owner, "GET", "/v1/invitations")).body;
      assert.equal(data.find((one: { id: string }) => one.id === id).status, "accepted");
      const members = (await ask(people.member, "GET", "/v1/members")).body.data;
      assert.equal(
        members.find((one: { email: string }) => one.email === "otieno@example.co.ke").role,
        "admin",
      );
    });

    it("works for seven days, until it is revoked, and until there is another for that address", async () => {
      const [old, revoked, first] = [
        await invite("a@example.co.ke"),
        await invite("b@example.co.ke"),
        await invite("c@example.co.ke"),
      ];
      assert.equal((await ask(people.admin, "DELETE", `/v1/invitations/${revoked.id}`)).status, 204);
      const second = await invite("c@example.co.ke");
      assert.equal((await accept(revoked.token)).body.error.code, "invitations.link_invalid");
      assert.equal((await accept(first.token)).status, 410);
      assert.equal((await accept(second.token)).status, 200);
      const accepted = await ask(people.admin, "DELETE", `/v1/invitations/${second.id}`);
      assert.equal(accepted.body.error.code, "invitations.accepted");
      api.clock.offsetMs += 7 * 86_400_000;
      assert.equal((await accept(old.token)).status, 410);
      api.clock.offsetMs -= 7 * 86_400_000;
    });

    it("of a member, of an owner by an admin, and of more than a hundred in a day, is refused", async () => {
      const member = await ask(people.owner, "POST", "/v1/invitations", {
        email: "MEMBER@example.co.ke",
        role: "admin",
      });
      assert.equal(member.body.error.code, "invitations.already_member");
      const busy = await api.workspace({ name: "Busy", number: "+254200000008" });
      const key = await api.key(busy.id, { scopes });
      for (let index = 0; index < 100; index++)
        await ask({ key }, "POST", "/v1/invitations", { email: `w${index}@example.co.ke`, role: "member" });
      const last = await ask({ key }, "POST", "/v1/invitations", {
        email: "w@example.co.ke",
        role: "member",
      });
      assert.deepEqual([last.status, last.body.error.code], [429, "invitations.too_many"]);
    });

    it("of whoever may not invite any more is withdrawn: removed, left, demoted, or a key that was revoked", async () => {
      const duka = await api.workspace({ name: "Duka", number: "+254200000020" });
      const key = await api.key(duka.id, { scopes });
      const owner = await api.person("duka@example.co.ke", { [duka.id]: "owner" });
      const invited = async (who: Who, email: string, role: Role = "member") => {
        const made = await ask(who, "POST", "/v1/invitations", { email, role });
        assert.equal(made.status, 201, made.text);
        const token = /\/invitation\?token=(\S{43})/.exec((await api.mails()).at(-1)!.body)![1]!;
        return { id: made.body.id as string, token };
      };
      const statusOf = async (id: string) =>
        (await ask({ key }, "GET", "/v1/invitations?limit=100")).body.data.find(
          (one: { id: string }) => one.id === id,
        ).status as string;
      const admin = (name: string) => api.person(`${name}@duka.example`, { [duka.id]: "admin" });
      const [removed, left, demoted] = [await admin("removed"), await admin("left"), await admin("demoted")];
      const second = await api.person("second@duka.example", { [duka.id]: "owner" });
      const madeKey = (await ask(owner, "POST", "/v1/api-keys", { name: "invites", scopes })).body;
      const gone = [
        await invited(removed, "a1@example.co.ke"),
        await invited(left, "a2@example.co.ke"),
        await invited(demoted, "a3@example.co.ke"),
        await invited(second, "a4@example.co.ke", "owner"),
        await invited({ key: madeKey.key as string }, "a5@example.co.ke"),
      ];
      const stays = [
        await invited(second, "b1@example.co.ke"),
        await invited(owner, "b2@example.co.ke", "owner"),
      ];

      await ask(owner, "DELETE", `/v1/members/${removed.id}`);
      await ask(left, "DELETE", `/v1/members/${left.id}`);
      await ask(owner, "PATCH", `/v1/members/${demoted.id}`, { role: "member" });
      await ask(owner, "PATCH", `/v1/members/${second.id}`, { role: "admin" });
      await ask(owner, "DELETE", `/v1/api-keys/${madeKey.id}`);

      for (const { id, token } of gone) {
        assert.equal(await statusOf(id), "revoked");
        assert.equal((await api.ask("GET", `/invitation?token=${token}`)).status, 410);
        assert.equal((await accept(token)).body.error.code, "invitations.link_invalid");
      }
      for (const { token } of stays) assert.equal((await accept(token)).status, 200);
    });

    it("of somebody who went before that was so is refused when it is accepted", async () => {
      const duka = await api.workspace({ name: "Duka", number: "+254200000021" });
      const admin = await api.person("went@duka.example", { [duka.id]: "admin" });
      await ask(admin, "POST", "/v1/invitations", { email: "late@example.co.ke", role: "member" });
      const token = /\/invitation\?token=(\S{43})/.exec((await api.mails()).at(-1)!.body)![1]!;
      await api.store.write((tx) => tx.run("DELETE FROM members WHERE user_id = ?", [admin.id]));
      assert.equal((await api.ask("GET", `/invitation?token=${token}`)).status, 410);
      assert.equal((await accept(token)).body.error.code, "invitations.link_invalid");
    });

    it("are so many of one person in a day, in all their workspaces, and so many to one address, whoever invites", async () => {
      const shops = await Promise.all(
        [0, 1].map((index) => api.workspace({ name: "Shop", number: `+25420000003${index}` })),
      );
      const roles = Object.fromEntries(shops.map(({ id }) => [id, "owner" as const]));
      const busy = await api.person("busy@example.co.ke", roles);
      const inviteTo = (index: number, email: string) =>
        api.ask("POST", "/v1/invitations", {
          headers: { ...busy.headers, "x-sautikit-workspace": shops[index]!.id },
          body: { email, role: "member" },
        });
      for (let index = 0; index < 100; index++)
        assert.equal((await inviteTo(index % 2, `p${index}@example.co.ke`)).status, 201);
      const tooMany = await inviteTo(1, "p100@example.co.ke");
      assert.deepEqual([tooMany.status, tooMany.body.error.code], [429, "invitations.too_many"]);
      assert.ok(Number(tooMany.headers.get("retry-after")) > 0);

      const answers = [];
      for (let index = 0; index < 6; index++) {
        const shop = await api.workspace({ name: "Shop", number: `+25420000004${index}` });
        const key = await api.key(shop.id, { scopes });
        answers.push(
          await ask({ key }, "POST", "/v1/invitations", { email: "victim@example.co.ke", role: "member" }),
        );
      }
      assert.deepEqual(
        answers.map(({ status }) => status),
        [201, 201, 201, 201, 201, 429],
      );
      assert.equal(answers.at(-1)!.body.error.code, "invitations.address_limit");
      const key = await api.key(shops[1]!.id, { scopes });
      api.clock.offsetMs += 86_400_000;
      const nextDay = await ask({ key }, "POST", "/v1/invitations", {
        email: "victim@example.co.ke",
        role: "member",
      });
      api.clock.offsetMs -= 86_400_000;
      assert.equal(nextDay.status, 201);
    }).timeout(60_000);

    it("is mailed with the workspace's name only where that is no message and no link", async () => {
      const rows: [name: string, mailed: boolean][] = [
        ["Duka & Co", true],
        ["Wanjiru's Shop Ltd.", true],
        ["Duka la Mama Njeri 2", true],
        ["evil.example", false],
        ["Win at www.evil.example/x", false],
        ["https://evil.example", false],
        ["hxxp evil [dot] example", false],
        ["mail me@evil.example", false],
        ["Call 0712345678", false],
        ["Your account is closed, confirm who you are at once", false],
      ];
      for (const [index, [name, mailed]] of rows.entries()) {
        const shop = await api.workspace({ name, number: `+2542000005${String(index).padStart(2, "0")}` });
        const key = await api.key(shop.id, { scopes });
        await ask({ key }, "POST", "/v1/invitations", { email: `n${index}@example.co.ke`, role: "member" });
        const { body, subject } = (await api.mails()).at(-1)!;
        assert.equal(`${subject} ${body}`.includes(name), mailed, body);
        assert.doesNotMatch(body, /evil|0712345678|account/);
      }
    });

    it("only the hash of its token is kept, and a workspace's name cannot break its mail", async () => {
      const { token } = await invite("hash@example.co.ke");
      const kept = await api.store.read(async (tx) =>
        JSON.stringify([
          await tx.all("SELECT * FROM invitations"),
          await tx.all("SELECT * FROM audit_entries"),
        ]),
      );
      assert.ok(!kept.includes(token));
      const named = await ask(people.owner, "PATCH", "/v1/workspace", { name: "<b>Duka & Co" });
      assert.equal(named.status, 200);
      assert.match((await api.ask("GET", `/invitation?token=${token}`)).text, /&#60;b&#62;Duka &#38; Co/);
    });
  });

  describe("API keys over the API", () => {
    it("is shown once, works, and is refused from its revocation on", async () => {
      const headers = { ...people.owner.headers, "idempotency-key": "k1" };
      const made = await api.ask("POST", "/v1/api-keys", { headers, body: { name: "shop" } });
      const replay = await api.ask("POST", "/v1/api-keys", { headers, body: { name: "shop" } });
      assert.deepEqual([made.status, made.body.created_by], [201, people.owner.id]);
      assert.deepEqual(
        made.body.scopes,
        scopes.filter((scope) => scope !== "keys.manage"),
      );
      assert.deepEqual([replay.body.key, replay.body.secret_omitted], [undefined, true]);
      const { id, key } = made.body;
      const look = (await ask(people.admin, "GET", `/v1/api-keys/${id}`)).text;
      assert.ok(!look.includes(key.slice(11, -4)) && look.includes(key.slice(-4)));

      assert.equal((await api.ask("GET", "/v1/wallet", { key })).status, 200);
      assert.equal((await ask(people.admin, "DELETE", `/v1/api-keys/${id}`)).status, 204);
      assert.equal((await ask(people.admin, "DELETE", `/v1/api-keys/${id}`)).status, 204);
      assert.equal((await api.ask("GET", "/v1/wallet", { key })).body.error.code, "auth.invalid");
    });

    it("never may more, nor longer, than who makes it", async () => {
      const limited = await api.key(ws.id, {
        scopes: ["keys.manage", "calls.read"],
        expiresAtMs: api.clock.nowMs() + 3_600_000,
      });
      const make = (who: Who, body: object) => ask(who, "POST", "/v1/api-keys", { name: "child", ...body });
      const inTwoHours = new Date(api.clock.nowMs() + 7_200_000).toISOString();

      assert.equal((await make({ key: limited }, {})).body.error.code, "auth.scope");
      assert.equal((await make({ key: limited }, { scopes: ["calls.write"] })).body.error.code, "auth.scope");
      assert.equal(
        (await make({ key: limited }, { scopes: ["calls.read"], expires_at: inTwoHours })).body.error
          .fields[0].field,
        "expires_at",
      );
      const child = (await make({ key: limited }, { scopes: ["calls.read"] })).body;
      assert.ok(Date.parse(child.expires_at) <= api.clock.nowMs() + 3_600_000, "it ends with its maker");
      assert.equal((await make(people.admin, { scopes: ["keys.manage"] })).body.error.code, "auth.scope");
      assert.equal((await make(people.owner, { expires_at: "2020-01-01T00:00:00Z" })).status, 400);
      const owners = (await make(people.owner, { scopes: ["keys.manage"] })).body;
      assert.equal(
        (await ask(people.admin, "DELETE", `/v1/api-keys/${owners.id}`)).body.error.code,
        "auth.scope",
      );
    });

    it("says when it was last used, written at most once a minute", async () => {
      const made = (await ask(people.owner, "POST", "/v1/api-keys", { name: "used" })).body;
      const lastUsed = async (): Promise<string | null> =>
        (await ask(people.owner, "GET", `/v1/api-keys/${made.id}`)).body.last_used_at;
      // It is written down beside the request, which does not wait for it.
      const lastUsedOtherThan = (before: string | null) =>
        eventually("the last use", async () => {
          const now = await lastUsed();
          return now === null || now === before ? undefined : now;
        });
      assert.equal(await lastUsed(), null);
      const use = () =>
        Promise.all(Array.from({ length: 5 }, () => api.ask("GET", "/v1/wallet", { key: made.key })));
      await use();
      const first = await lastUsedOtherThan(null);
      assert.ok(Date.parse(first) >= api.clock.nowMs() - 60_000);
      api.clock.offsetMs += 30_000;
      await use();
      assert.equal(await lastUsed(), first);
      api.clock.offsetMs += 31_000;
      await use();
      assert.ok((await lastUsedOtherThan(first)) > first);
    });
  });

  describe("lists", () => {
    it("a page of each goes on where the one before it ended", async () => {
      for (const path of ["/v1/members", "/v1/invitations", "/v1/api-keys", "/v1/audit"]) {
        const whole = (await ask({ key: ownerKey }, "GET", `${path}?limit=100`)).body.data;
        const first = (await ask({ key: ownerKey }, "GET", `${path}?limit=2`)).body;
        const next = (await ask({ key: ownerKey }, "GET", `${path}?limit=2&cursor=${first.next_cursor}`))
          .body;
        const ids = (list: { id: string }[]) => list.map(({ id }) => id);
        assert.deepEqual([...ids(first.data), ...ids(next.data)], ids(whole).slice(0, 4), path);
      }
    });
  });
});
