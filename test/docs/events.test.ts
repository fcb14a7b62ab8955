import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventKinds } from "../../api/schemas/webhook.ts";
import { webhookEvents } from "../../api/schemas/event.ts";
import { callEventKinds } from "../../engine/calls/event-kinds.ts";
import { eventsPage } from "./events-page.ts";

const root = join(import.meta.dirname, "../..");
const pageFile = join(root, "docs/events.md");

/** Everything in the engine, but for the list of kinds itself and the simulator. */
const engine = readdirSync(join(root, "engine"), { recursive: true, encoding: "utf8" })
  .filter(
    (name) => name.endsWith(".ts") && !name.startsWith("simulator/") && !name.endsWith("event-kinds.ts"),
  )
  .map((name) => readFileSync(join(root, "engine", name), "utf8"))
  .join("\n");

describe("the description of events", () => {
  it("is docs/events.md, as the schemas have it now (WRITE_DOCS=yes writes it)", () => {
    if (process.env["WRITE_DOCS"] === "yes") writeFileSync(pageFile, eventsPage());
    assert.equal(readFileSync(pageFile, "utf8"), eventsPage());
  });

  it("knows no kind that the engine does not tell", () => {
    for (const kind of [...callEventKinds, ...Object.keys(webhookEvents)])
      assert.ok(engine.includes(`"${kind}"`), `${kind} is told by nobody`);
  });

  it("covers all that can be subscribed to and comes today", () => {
    for (const kind of callEventKinds.filter((one) => one.startsWith("call.")))
      assert.ok((eventKinds as readonly string[]).includes(kind), kind);
  });
});
