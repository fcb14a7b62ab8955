import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startSautikit, type Child } from "./child.ts";
import { eventually } from "./waiting.ts";

/** What the carrier says of one call that reached it. */
export interface CarrierCallView {
  sip_call_id: string;
  number: string;
  from: string;
  invited_at: string;
  answered_at: string | null;
  ended_at: string | null;
  ended_by: "carrier" | "caller" | null;
  status: number | null;
  q850: number | null;
  digits: string;
  heard: { hz: number | null; level_dbfs: number | null; seconds: number }[];
  packets: { received: number; sent: number; lost: number; jitter_ms: number } | null;
}

/** What the carrier says of one call that somebody placed there. */
export interface PlacedCallView {
  sip_call_id: string;
  from: string;
  to: string;
  ringing_at: string | null;
  early_media_at: string | null;
  answered_at: string | null;
  ended_at: string | null;
  ended_by: "caller" | "callee" | null;
  status: number | null;
  q850: number | null;
  digits: string;
  heard: { hz: number | null; level_dbfs: number | null; seconds: number }[];
}

/** As docs/simulator.md describes the body of `POST /calls`. */
export interface Placing {
  from: string;
  to: string;
  switch: string;
  privacy?: "id" | "user" | "header" | null;
  tone_hz?: number | null;
  digits?: string;
  digits_after_ms?: number;
  hang_up_after_ms?: number;
  give_up_after_ms?: number;
}

export interface CarrierProcess {
  readonly child: Child;
  readonly host: string;
  readonly port: number;
  readonly statusUrl: string;
  calls(): Promise<CarrierCallView[]>;
  /** All that somebody placed there. */
  placings(): Promise<PlacedCallView[]>;
  /** Waits for the call that shows this CLI, and for it to be as `when` says. */
  callFrom(cli: string, when?: (call: CarrierCallView) => boolean): Promise<CarrierCallView>;
  /** Somebody calls the switch; their call's SIP Call-ID. */
  place(placing: Placing): Promise<string>;
  /** They hang up, or give up. */
  hangUp(sipCallId: string): Promise<void>;
  /** Waits for a placed call to be as `when` says. */
  placed(sipCallId: string, when?: (call: PlacedCallView) => boolean): Promise<PlacedCallView>;
  stop(): Promise<void>;
}

/** The simulated carrier as `sautikit simulator carrier`: magic-numbers.ts says how each number behaves. */
export async function startCarrierProcess(port = 0): Promise<CarrierProcess> {
  const folder = mkdtempSync(join(tmpdir(), "carrier-"));
  const { child, ready } = await startSautikit(
    ["simulator", "carrier", "--exit-with-parent", "--port", String(port)],
    { folder },
  );
  const [host = "", sipPort = ""] = String(ready["sip"]).split(":");
  const statusUrl = String(ready["status"]);
  const calls = async () => {
    const response = await fetch(`${statusUrl}/calls`);
    return ((await response.json()) as { calls: CarrierCallView[] }).calls;
  };
  return {
    child,
    host,
    port: Number(sipPort),
    statusUrl,
    calls,
    async placings() {
      const response = await fetch(`${statusUrl}/calls`);
      return ((await response.json()) as { placed: PlacedCallView[] }).placed;
    },
    callFrom: (cli, when = () => true) =>
      eventually(`the carrier's account of the call from ${cli}`, async () => {
        const found = (await calls()).filter(({ from }) => from === cli);
        assert.ok(found.length < 2, `two INVITEs with the CLI ${cli}`);
        return found[0] && when(found[0]) ? found[0] : undefined;
      }),
    async place(placing) {
      const response = await fetch(`${statusUrl}/calls`, { method: "POST", body: JSON.stringify(placing) });
      const answer = (await response.json()) as { sip_call_id: string };
      assert.equal(response.status, 201, JSON.stringify(answer));
      return answer.sip_call_id;
    },
    async hangUp(sipCallId) {
      const at = `${statusUrl}/calls/${encodeURIComponent(sipCallId)}`;
      assert.equal((await fetch(at, { method: "DELETE" })).status, 200);
    },
    async placed(sipCallId, when = () => true) {
      let last: PlacedCallView | undefined;
      return eventually("the caller's account of their call", async () => {
        const response = await fetch(`${statusUrl}/calls`);
        const { placed } = (await response.json()) as { placed: PlacedCallView[] };
        last = placed.find((call) => call.sip_call_id === sipCallId);
        return last && when(last) ? last : undefined;
      }).catch((error: unknown) => {
        throw new Error(`${String(error)}; it was ${JSON.stringify(last)}`);
      });
    },
    async stop() {
      await child.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
