import { CallTraces } from "../../engine/calls/call-traces.ts";
import { strict as assert } from "node:assert";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../engine/clock.ts";
import { CallChange } from "../../engine/calls/call-change.ts";
import { noPeers, type ChangeParts } from "../../engine/calls/change-parts.ts";
import { DocumentRun } from "../../engine/calls/document-run.ts";
import { takeLegNews } from "../../engine/calls/leg-progress.ts";
import type { CallId } from "../../engine/ids.ts";
import { legsOfCall } from "../../engine/store/calls.ts";
import { scopes } from "../../engine/workspaces/scopes.ts";
import { loneTrunk } from "../../engine/sip/trunks/trunks.ts";
import { nairobi, world } from "../api/world.ts";
import { sautikit } from "../cli/sautikit.ts";
import { testDatabase } from "../store/test-database.ts";

export { nairobi };
export const minutes = (count: number) => count * 60_000;
export const hours = (count: number) => count * 3_600_000;
/** A moment of a day in Nairobi, in December 2026; the 1st is a Tuesday. */
export const december = (day: number, time: string) =>
  Date.parse(`2026-12-${String(day).padStart(2, "0")}T${time}:00+03:00`);

/** A `POST /v1/calls` of a workspace, which nobody carries out; the API and the operator's commands over one database. */
export async function policyWorld(atMs = december(1, "10:00")) {
  const folder = await mkdtemp(join(tmpdir(), "sautikit-policy-"));
  const database = await testDatabase();
  const store = await database.open();
  /** It stands still until it is moved. */
  const clock = {
    ...systemClock,
    offsetMs: 0,
    nowMs() {
      return atMs + this.offsetMs;
    },
    nowUs() {
      return this.nowMs() * 1000;
    },
    steadyMs() {
      return this.nowMs();
    },
  };
  const api = await world({ checkUrl: () => Promise.resolve() }, { store, clock });
  const parts: ChangeParts = {
    ...api,
    trunks: loneTrunk("carrier", api.ids),
    changed: () => undefined,
    traces: new CallTraces(),
    peers: noPeers,
  };
  const document = new DocumentRun(() => Promise.reject(new Error("no second leg here")));

  /** What the switch says of every leg of a call. */
  const news = (callId: CallId, what: "answered" | "hungUp", sinceUs: number | null = null) =>
    store.write(async (tx) => {
      const change = (await CallChange.load(parts, tx, callId))!;
      const atUs = api.clock.nowUs();
      const ended = {
        ...{ createdAtUs: sinceUs ?? atUs, ringingAtUs: null, answeredAtUs: sinceUs, endedAtUs: atUs },
        ...{
          cause: "NORMAL_CLEARING" as const,
          q850: 16,
          sipStatus: null,
          quality: null,
          audio: null,
          sipCallId: null,
        },
      };
      for (const { id, box } of await legsOfCall(tx, callId)) {
        const told = { box, leg: id, atUs };
        await takeLegNews(
          change,
          what === "answered"
            ? { kind: "answered", ...told }
            : { kind: "hungUp", ...told, ...ended, endedBy: "event" },
          document,
        );
      }
      await change.save();
    });

  /** Each command is a process. */
  const operator = async (...args: string[]) => {
    const { code, stdout, stderr } = await sautikit(
      args,
      { DATA_DIR: folder, DATABASE_URL: database.url },
      // Many of them one after another, on a machine that may be busy.
      { withinMs: 60_000 },
    );
    return {
      code,
      stderr,
      lines: stdout
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    };
  };

  return {
    ...api,
    operator,
    /** DATA_DIR of the commands. */
    folder,
    /** The one line of a command that goes well. */
    async told(...args: string[]): Promise<Record<string, unknown>> {
      const { code, stderr, lines } = await operator(...args);
      assert.equal(code, 0, stderr);
      return lines[0] ?? {};
    },
    later(ms: number): void {
      api.clock.offsetMs += ms;
    },
    goTo(ms: number): void {
      assert.ok(ms >= api.clock.nowMs(), "time goes on");
      api.clock.offsetMs = ms - atMs;
    },
    async owner(facts: Parameters<typeof api.workspace>[0] = {}) {
      const workspace = await api.workspace({ key: { scopes }, ...facts });
      // All that a test does may be within one second.
      await store.write((tx) =>
        tx.run("UPDATE workspaces SET calls_per_second = 1000 WHERE id = ?", [workspace.id]),
      );
      return {
        ...workspace,
        place: (to: string | string[], more: object = {}) =>
          api.ask("POST", "/v1/calls", { key: workspace.key, body: { from: workspace.number, to, ...more } }),
        patch: (body: object) => api.ask("PATCH", "/v1/workspace", { key: workspace.key, body }),
        get: async (path: string) => (await api.ask("GET", path, { key: workspace.key })).body,
        refusals: async () => (await api.ask("GET", "/v1/refusals", { key: workspace.key })).body.data,
        events: async (kind: string) =>
          (
            await store.read((tx) =>
              tx.all<{ body: string }>(
                "SELECT body FROM deliveries WHERE workspace_id = ? AND kind = ? ORDER BY id",
                [workspace.id, kind],
              ),
            )
          ).map(({ body }) => (JSON.parse(body) as { data: Record<string, unknown> }).data),
        listen: () =>
          api.ask("POST", "/v1/webhooks", {
            key: workspace.key,
            body: { url: "https://203.0.113.7/hook", events: ["*"] },
          }),
      };
    },
    answer: (callId: CallId) => news(callId, "answered"),
    /** A call that was answered `seconds` ago, and was spoken on since. */
    end: (callId: CallId, answeredUs: number | null) => news(callId, "hungUp", answeredUs),
    /** Speaks so long, and hangs up. */
    async talk(callId: CallId, seconds: number): Promise<void> {
      const answeredUs = api.clock.nowUs();
      await news(callId, "answered");
      api.clock.offsetMs += seconds * 1000;
      await news(callId, "hungUp", answeredUs);
    },
    async close() {
      await api.end();
      await database.remove();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
export type PolicyWorld = Awaited<ReturnType<typeof policyWorld>>;
export type Owner = Awaited<ReturnType<PolicyWorld["owner"]>>;

/** A refused answer: its status, code, and the field at fault. */
export const refused = ({ status, body }: { status: number; body: Refusal }) => [
  ...[status, body.error?.code],
  ...(body.error?.fields ?? []).map(({ field }) => field),
];
interface Refusal {
  error?: { code: string; fields?: { field: string }[] };
}
