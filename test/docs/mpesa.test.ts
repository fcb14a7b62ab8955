import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { magicPhones } from "../../engine/simulator/daraja/behaviours.ts";
import { forbiddenWords } from "../../engine/wallet/mpesa/callback-urls.ts";
import { pushFailures, resultCodes } from "../../engine/wallet/mpesa/result-codes.ts";

const page = (name: string) => readFileSync(join(import.meta.dirname, "../../docs", name), "utf8");
const after = (text: string, mark: string) => text.split(mark)[1] ?? "";
const rowsOf = (text: string) =>
  [...text.split(/\n[^|\n]/)[0]!.matchAll(/^\| (.+) \|$/gm)]
    .map(([, row = ""]) => row.split(" | ").map((cell) => cell.trim()))
    .filter(([first = ""]) => first.startsWith("`"));

describe("the pages about M-Pesa", () => {
  it("tell of each result code what the customer is told", () => {
    const rows = rowsOf(after(page("mpesa.md"), "<!-- result codes").replace(/^.*?-->\n/s, ""));
    assert.deepEqual(
      rows.sort(),
      Object.entries(resultCodes)
        .map(([code, { state, expired, reason }]) => {
          const shown = expired ? "expired" : state === "unknown" ? "pending" : "failed";
          return [`\`${code}\``, `\`${shown}\``, reason];
        })
        .sort(),
    );
    const failures = after(page("mpesa.md"), "<!-- push failures -->");
    for (const words of Object.values(pushFailures)) assert.ok(failures.includes(`- ${words}\n`), words);
  });

  it("list the phones that behave, as they do", () => {
    const rows = rowsOf(after(page("simulator.md"), "<!-- magic phones").replace(/^.*?-->\n/s, ""));
    assert.deepEqual(
      rows,
      Object.entries(magicPhones).map(([phone, { description }]) => [`\`${phone}\``, description]),
    );
  });

  it("name the words that Daraja forbids in an address", () => {
    const { length } = forbiddenWords.filter((word) => page("mpesa.md").includes(word));
    assert.equal(length, forbiddenWords.length);
  });
});
