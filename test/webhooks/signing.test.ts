import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { signedHeaders, verifySautikit, verifyStandard } from "../../engine/webhooks/signing.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/webhooks.md"), "utf8");

/** The first block of a language on the page, as its readers copy it. */
function snippet(language: string): string {
  const found = new RegExp("```" + language + "\\n([\\s\\S]*?)```").exec(page)?.[1];
  assert(found, `no ${language} on the page`);
  return found;
}

/** A row of the page's table of vectors. */
function vector(name: string): string {
  const rows = page
    .slice(page.indexOf("### Test vectors"))
    .split("\n")
    .map((line) => /^\| (\S+) +\| `(.*)` +\|$/.exec(line));
  const found = rows.find((row) => row?.[1] === name)?.[2];
  assert(found, `no vector ${name} on the page`);
  return found;
}

const secret = vector("secret");
const body = vector("body");
const header = vector("`X-Sautikit-Signature`");
const eventId = vector("`webhook-id`");
const at = Number(vector("`webhook-timestamp`"));
const standard = vector("`webhook-signature`");
const other = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;

/** What every verifier of X-Sautikit-Signature says: body, header, secret, now, and whether it is ours. */
const verdicts: [string, string, string, string, number, boolean][] = [
  ["the vector", body, header, secret, at, true],
  ["the vector, 300 s late", body, header, secret, at + 300, true],
  ["the vector, 300 s early", body, header, secret, at - 300, true],
  ["the vector, 301 s late", body, header, secret, at + 301, false],
  ["the vector, 301 s early", body, header, secret, at - 301, false],
  ["another body", `${body} `, header, secret, at, false],
  ["another secret", body, header, other, at, false],
  ["another time", body, header.replace(String(at), String(at + 1)), secret, at, false],
  [
    "two signatures, the second ours",
    body,
    header.replace(",v1=", `,v1=${"0".repeat(64)},v1=`),
    secret,
    at,
    true,
  ],
  ["a signature cut short", body, header.slice(0, -2), secret, at, false],
  ["no signature", body, `t=${at}`, secret, at, false],
  ["no time", body, header.slice(header.indexOf(",") + 1), secret, at, false],
  ["a time that is no number", body, header.replace(String(at), "soon"), secret, at, false],
  ["nothing", body, "", secret, at, false],
  ["letters beyond ASCII", body, "t=1,v1=é", secret, 1, false],
];

describe("webhooks: signing", () => {
  it("the page's vectors are what is sent", () => {
    const sent = signedHeaders({ eventId, kind: "call.completed", body }, [secret], at);
    assert.equal(sent["X-Sautikit-Signature"], header);
    assert.equal(sent["webhook-signature"], standard);
    assert.deepEqual([sent["webhook-id"], sent["webhook-timestamp"]], [eventId, String(at)]);
  });

  for (const [what, ...args] of verdicts) {
    it(`ours says ${String(args[4])} to ${what}`, () => {
      const [text, given, key, now, expected] = args;
      assert.equal(verifySautikit(given, text, key, now), expected);
    });
  }

  it("the page's Node verifier says the same", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sautikit-docs-"));
    try {
      const file = join(folder, "verify.mjs");
      await writeFile(file, snippet("js"));
      const { verify } = await import(pathToFileURL(file).href);
      for (const [what, text, given, key, now, expected] of verdicts) {
        assert.equal(verify(text, given, key, now), expected, what);
        assert.equal(verify(Buffer.from(text), given, key, now), expected, what);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("the page's Python verifier says the same", function () {
    if (spawnSync("python3", ["-c", "import sys; sys.exit(sys.version_info < (3, 10))"]).status !== 0)
      this.skip();
    const program = `import json, sys\n${snippet("python")}\nprint(json.dumps([verify(b.encode(), h, s, n) for b, h, s, n in json.load(sys.stdin)]))`;
    const input = JSON.stringify(verdicts.map(([, ...args]) => args.slice(0, 4)));
    const said = execFileSync("python3", ["-c", program], { input, encoding: "utf8" });
    assert.deepEqual(
      JSON.parse(said),
      verdicts.map((row) => row[5]),
    );
  });

  it("the Standard Webhooks headers are checked likewise", () => {
    const headers = { "webhook-id": eventId, "webhook-timestamp": String(at), "webhook-signature": standard };
    assert(verifyStandard(headers, body, secret, at));
    assert(!verifyStandard(headers, body, secret, at + 301));
    assert(!verifyStandard(headers, `${body} `, secret, at));
    assert(!verifyStandard(headers, body, other, at));
    assert(!verifyStandard({ ...headers, "webhook-id": "evt_x" }, body, secret, at));
    assert(!verifyStandard({ ...headers, "webhook-signature": standard.slice(3) }, body, secret, at));
  });

  it("during a rotation either secret verifies, by ours and by an off-the-shelf library", () => {
    const now = Math.floor(Date.now() / 1000);
    const sent = signedHeaders({ eventId, kind: "call.completed", body }, [other, secret], now);
    assert.match(sent["X-Sautikit-Signature"]!, /^t=\d+,v1=[0-9a-f]{64},v1=[0-9a-f]{64}$/);
    assert.match(sent["webhook-signature"]!, /^v1,\S+ v1,\S+$/);
    for (const key of [other, secret]) {
      assert(verifySautikit(sent["X-Sautikit-Signature"]!, body, key, now));
      new Webhook(key).verify(body, sent);
    }
  });

  it("any body is verified, and any other is not", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (sent, received) => {
        const { "X-Sautikit-Signature": given = "" } = signedHeaders(
          { eventId, kind: "x", body: sent },
          [secret],
          at,
        );
        assert.equal(
          verifySautikit(given, received, secret, at),
          Buffer.from(sent).equals(Buffer.from(received)),
        );
        assert(verifySautikit(given, sent, secret, at));
      }),
    );
  });
});
