import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, type Clock } from "../../engine/clock.ts";
import { createEgress, type EgressOptions } from "../../engine/egress/egress.ts";
import { systemIds, type CallId, type EventId, type NumberId, type WorkspaceId } from "../../engine/ids.ts";
import type { JsonObject } from "../../engine/json.ts";
import type { Log } from "../../engine/log.ts";
import { aesSecrets, newSigningSecret } from "../../engine/secrets.ts";
import { Deliverer } from "../../engine/webhooks/deliverer.ts";
import { getDelivery, listDeliveries } from "../../engine/webhooks/deliveries.ts";
import { WebhookEndpoints } from "../../engine/webhooks/endpoints.ts";
import { createOutbox } from "../../engine/webhooks/outbox.ts";
import { openTestStore } from "../store/test-database.ts";

export const quiet: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** A store on disk with two workspaces and a number, and the webhooks over it, which can be stopped and begun anew. */
export async function world(options: { clock?: Clock; egress?: Partial<EgressOptions>; log?: Log } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "sautikit-webhooks-"));
  const clock = options.clock ?? systemClock;
  const ids = systemIds(clock);
  const store = await openTestStore();
  const secrets = aesSecrets(Buffer.alloc(32, 7), ids);
  const egress = createEgress({ clock, allowPrivate: true, ...options.egress });

  const wanjiru = ids.next("ws");
  const otieno = ids.next("ws");
  const number = ids.next("num");
  const numberSecret = newSigningSecret(ids);
  await store.write(async (tx) => {
    for (const id of [wanjiru, otieno]) {
      await tx.run(
        "INSERT INTO workspaces (id, name, created_at_ms, mpesa_account_ref) VALUES (?, ?, ?, ?)",
        [id, id, clock.nowMs(), id],
      );
    }
    await tx.run(
      `INSERT INTO numbers (id, workspace_id, e164, country, status, voice_signing_secret, provisioned_at_ms)
       VALUES (?, ?, '+254700000001', 'KE', 'active', ?, ?)`,
      [number, wanjiru, secrets.seal(numberSecret), clock.nowMs()],
    );
  });

  const deliverers: Deliverer[] = [];
  const wake = (destination: Parameters<Deliverer["wake"]>[0]) => deliverers.at(-1)?.wake(destination);
  const parts = { clock, ids, secrets, wake };
  const outbox = createOutbox(parts);

  return {
    clock,
    ids,
    store,
    secrets,
    egress,
    outbox,
    wanjiru,
    otieno,
    number,
    numberSecret,
    endpoints: new WebhookEndpoints(parts),
    wake,
    /** A new deliverer, as after a restart. */
    start(): Deliverer {
      const log = options.log ?? quiet;
      const deliverer = new Deliverer({ store, egress, secrets, clock, ids, log });
      deliverers.push(deliverer);
      deliverer.start();
      return deliverer;
    },
    async tell(
      event: Partial<{
        workspaceId: WorkspaceId;
        kind: string;
        callId: CallId | null;
        data: JsonObject;
        eventId: EventId;
      }>,
      target?: { url: string; numberId: NumberId },
    ): Promise<EventId> {
      const eventId = event.eventId ?? ids.next("evt");
      const told = {
        workspaceId: wanjiru,
        kind: "wallet.low_balance",
        callId: null,
        data: {},
        ...event,
        eventId,
        occurredAtMs: clock.nowMs(),
      };
      await store.write((tx) => outbox.tell(tx, told, target));
      return eventId;
    },
    deliveries: async (workspaceId = wanjiru) =>
      (await store.read((tx) => listDeliveries(tx, workspaceId, {}, { limit: 100 }))).data,
    delivery: (id: Parameters<typeof getDelivery>[2], workspaceId = wanjiru) =>
      store.read((tx) => getDelivery(tx, workspaceId, id)),
    async end(): Promise<void> {
      for (const deliverer of deliverers) await deliverer.stop();
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
}
