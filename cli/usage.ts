/** Every command: how it is typed, and what it does. */
const commands: readonly (readonly [synopsis: string, purpose: string])[] = [
  ["start [--role api,controller,spool]", "Runs Sautikit; all roles by default."],
  ["spool", "Runs the spool role alone, on a FreeSWITCH box."],
  [
    "demo [--keep] [--carrier URL]",
    "Shows a call out and a call in, on the embedded default; --keep leaves it running. Beside a real FreeSWITCH " +
      "--carrier is the status page of the simulated carrier, whose people it takes.",
  ],
  ["version", "Prints the version, as --version does."],
  ["config", "Prints every setting and its value."],
  [
    "firewall [--controller ADDRESS]",
    "Prints the nftables rules of the trunk edge's host, of TRUNKS_FILE, EDGE_SIP and the boxes (docs/edge.md). --controller, perhaps " +
      "several times: who may reach its admin port from another machine.",
  ],
  [
    "doctor",
    "Looks at each part: reachable, its version, what is wrong, how to mend it; fails where one is broken.",
  ],
  [
    "backup DIR [--spool-only [--after-database]]",
    "Saves this installation into a new folder while it runs: database, keys, spool, and the embedded storage; or a box's spool alone, " +
      "with --after-database only where the database was saved in the last 24 hours (docs/backup.md).",
  ],
  [
    "restore DIR [--spool-only]",
    "Makes it again from there: into a DATA_DIR, SPOOL_DIR and database that have nothing yet; or a box's spool alone.",
  ],
  [
    "workspace create NAME [--owner MAIL]",
    "Makes a workspace, and its first owner, who signs in by a link to that address.",
  ],
  [
    "workspace find [TEXT]",
    "Lists workspaces: by a piece of the name, the account number (SK…), or a member's mail address.",
  ],
  ["workspace show WORKSPACE", "Shows its limits, and whether it is frozen."],
  [
    "workspace limits WORKSPACE [--requests-per-minute N] [--cps N] [--concurrent N] [--daily-spend-cap-kes KES|none] " +
      "[--highest-rate-kes KES|none] [--short-calls N|none] [--numbers-per-range N|none] [--new-country-watch yes|no]",
    "Changes what is named, from the next call on (docs/limits.md); an owner's own cap and rate count where they are lower.",
  ],
  [
    'workspace freeze WORKSPACE [--reason "…"] [--end-calls]',
    "No calls, claims or top-ups from then on; calls that run go on, unless --end-calls.",
  ],
  ["workspace unfreeze WORKSPACE", "Ends that."],
  ['prefixes refuse +PREFIX [--reason "…"]', "From the next call on nobody's goes to numbers that begin so."],
  ["prefixes allow +PREFIX", "Ends that."],
  [
    "box list",
    "Lists the boxes: which controller leads each, when it last answered, its live legs, and since when it is drained (docs/many.md).",
  ],
  [
    "box drain BOX",
    "New calls go to the other boxes from the next second on, and are refused where all are drained; those that run there go on.",
  ],
  ["box undrain BOX", "Ends that."],
  [
    "trunk list",
    "Lists the trunks: where each leads, its live calls, and its state at each box; fails where the file is wrong (docs/trunks.md).",
  ],
  [
    "trunk test NAME NUMBER [--from NUMBER]",
    "Places one call over that trunk alone, through the running server: 2 s of a tone, billed to nobody. Fails unless it is " +
      "answered. --from: the number to show; default: the one that is called.",
  ],
  ["prefixes list", "Lists the prefixes that the operator has refused."],
  [
    "bans list",
    "Lists the addresses and SIP credentials that are banned just now, the latest first (docs/bans.md).",
  ],
  [
    'bans add ADDRESS|CREDENTIAL --for 30m|6h|7d [--reason "…"]',
    "Bans an IPv4 address, or a SIP credential (sip_…), for so long.",
  ],
  ["bans lift ADDRESS|CREDENTIAL", "Ends a ban within seconds, and forgets the failed logins."],
  [
    "bans firewall [--scanners]",
    "Prints the rules of the media server's box for nft: banned addresses, and what one address may send. --scanners: those for iptables, " +
      "which drop known scanners.",
  ],
  [
    "privacy export WORKSPACE E164 [--from TIME] [--to TIME]",
    "Puts together what is held of a person, by phone number: a ZIP, with a link of an hour. Of calls created between the times.",
  ],
  [
    "privacy erase WORKSPACE E164",
    "Erases a person, by phone number: recordings, events, labels, the number itself; money stays.",
  ],
  [
    "privacy reached FROM TO [--workspace WS]",
    "Lists who was at the other end of calls between two times (RFC 3339): whom to tell of a breach.",
  ],
  [
    "key create WORKSPACE [--name N] [--scopes a,b]",
    "Makes an API key, shown once. Default: all scopes but keys.manage.",
  ],
  ["key list WORKSPACE", "Lists its keys, revoked ones too."],
  ["key revoke KEY", "Ends a key, by its id; it is refused at once."],
  [
    "number add WORKSPACE E164 [--voice-url URL] [--fallback-url URL] [--events-url URL]",
    "Gives a number to a workspace. The voice URL is asked what a call does.",
  ],
  [
    "number route E164 [--voice-url URL] [--fallback-url URL] [--events-url URL]",
    'Where its next calls ask and tell. What is left out stays, "" takes it away.',
  ],
  ["number suspend E164", "Takes a number out of service until it is resumed; its rent goes on."],
  ["number resume E164", "Ends that."],
  [
    "numbers import FILE.csv|BLOCK [--dry-run] [--any-range]",
    "Adds numbers to be claimed: one, or a block like +254 20 700 0000-0999, a line. --dry-run only says what it would add. " +
      "Nairobi's (+254 20) alone, unless --any-range.",
  ],
  ["ports list [--status STATUS]", "Lists porting requests: those that are open, or in that status."],
  ["ports show PORT", "Shows one, with a link to its document that lives for an hour."],
  [
    'ports move PORT STATUS [--at TIME] [--reason "…"] [--force]',
    "Moves it: in_review, scheduled (--at), completed, rejected (--reason), canceled. Completed, the number is here: not before the scheduled " +
      "time, unless --force.",
  ],
  ["ports out NUMBER", "Releases a number that has gone to another carrier; not in its first 30 days."],
  [
    "credit WORKSPACE KES [--reference R] [--description D]",
    "Puts money into a wallet: 500 or 49.50. The same reference pays once.",
  ],
  [
    "topup find RECEIPT",
    "Says where the money of an M-Pesa receipt is; one that never came is looked for at Safaricom.",
  ],
  ["suspense list", "Lists M-Pesa payments that nobody could be credited with, oldest first."],
  ["suspense assign PAYMENT WORKSPACE", "Credits one (pay_…) to a workspace."],
  [
    "mpesa unreadable",
    "Lists what Safaricom told and nobody could read, as it came, oldest first; it is kept for 90 days.",
  ],
  [
    "mpesa register-urls",
    "Tells Safaricom where payments by Paybill are to be told; in production it takes it once.",
  ],
  [
    "rates import FILE.csv [--dry-run] [--force]",
    "Takes a deck as everybody's, and prints what changes (docs/rates.md). What customers pay changes after 30 days; " +
      "--force: sooner. --dry-run changes nothing.",
  ],
  [
    "rates list [--workspace WORKSPACE]",
    "Lists the rates in effect and to come: everybody's, or a workspace's own.",
  ],
  ["rates export", "Writes everybody's deck as CSV, as `rates import` takes it."],
  [
    "rates set WORKSPACE PREFIX KES [--from DATE]",
    "What a workspace alone pays a minute to a prefix; none: what everybody does.",
  ],
  [
    "prices set NAME AMOUNT --from DATE [--force]",
    "number_monthly, recording_gb_month (KES), recording_free_gb (GB), vat_basis_points (1600: 16 %).",
  ],
  ["prices list", "Lists those prices with their dates."],
  [
    "invoices export YYYY-MM",
    "Prints the invoices and credit notes of a closed month, one line of JSON each (docs/wallet.md).",
  ],
  [
    "recordings verify [--checksums]",
    "Holds every recording against the bucket, and the bucket against them; a line for each that differs, then a summary. " +
      "Fails where one does. --checksums: reads each object. Embedded storage: while the server runs.",
  ],
  [
    "ledger verify",
    "Checks every invariant of the ledger, a line of text for each; fails where one is broken.",
  ],
  [
    'ledger correct TRANSACTION --reason "…"',
    "Takes a whole transaction back by a new one that names it; the customer reads the reason.",
  ],
  [
    "simulator switch --cdr-dir DIR [--esl-port P] [--sip-port P] [--gateway carrier=HOST:PORT] [options]",
    "Runs the simulated FreeSWITCH; its password is ESL_PASSWORD. --gateway: where calls go, TRUNK_GATEWAY and a carrier. With --devices-port P --devices-realm DOMAIN --devices-spool DIR it serves SIP devices, with --trunks-spool DIR the gateways that are in its folder trunks.",
  ],
  ["simulator carrier [--port P] [options]", "Runs the simulated carrier."],
  [
    "simulator edge [--sip-port P] [--admin-port P] [options]",
    "Runs the simulated drachtio-server; its secret is DRACHTIO_SECRET.",
  ],
  [
    "simulator daraja [--port P]",
    "Runs the stand-in of Safaricom's Daraja; its secrets are those of DARAJA_….",
  ],
];

/** Of the commands that begin like `words`; of all where none does. */
export function usage(words: readonly string[] = []): string {
  const wanted = words.filter((word) => !word.startsWith("-"));
  const begin = (synopsis: string, count: number) =>
    wanted.slice(0, count).every((word, index) => synopsis.split(" ")[index] === word);
  const fitting = [2, 1].map((count) =>
    wanted.length < count ? [] : commands.filter(([synopsis]) => begin(synopsis, count)),
  );
  const found = fitting.find((some) => some.length > 0) ?? commands;
  const lines = found.map(([synopsis, purpose]) => `  ${synopsis}\n      ${purpose}\n`).join("");
  const all =
    found === commands
      ? "\nThe operator's commands (workspace to ledger) print one line of JSON for each thing; `ledger verify` prints text.\n"
      : "";
  return `Usage: npx sautikit <command>\n\n${lines}${all}`;
}

/** A command that was typed wrongly: the usage follows. */
export class UsageError extends Error {}

/** What node:util's parseArgs refused; the rest of its text is about parseArgs. */
export function asUsageError(error: unknown): unknown {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  if (!(error instanceof Error) || code?.startsWith("ERR_PARSE_ARGS_") !== true) return error;
  const [first = ""] = error.message.split(/\. |\n/);
  return new UsageError(`${first.replace(/\.$/, "")}.`, { cause: error });
}
