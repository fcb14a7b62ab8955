import type { Registry } from "prom-client";
import type { Calls } from "../engine/calls/calls.ts";
import type { Conferences } from "../engine/calls/conferences.ts";
import type { Clock } from "../engine/clock.ts";
import type { StoredPrompts } from "../engine/media/stored-prompts.ts";
import type { Ids } from "../engine/ids.ts";
import type { Log } from "../engine/log.ts";
import type { Invitations } from "../engine/people/invitations.ts";
import type { SignIn } from "../engine/people/sign-in.ts";
import type { Erasures } from "../engine/privacy/erasures.ts";
import type { Exports } from "../engine/privacy/exports.ts";
import type { NumberParts } from "../engine/numbers/claims.ts";
import type { PortDocuments } from "../engine/numbers/port-documents.ts";
import type { Policy } from "../engine/policy/policy.ts";
import type { Secrets } from "../engine/secrets.ts";
import type { Store } from "../engine/store/store.ts";
import type { Callbacks } from "../engine/wallet/mpesa/callbacks.ts";
import type { TopUps } from "../engine/wallet/mpesa/top-ups.ts";
import type { Deliverer } from "../engine/webhooks/deliverer.ts";
import type { WebhookEndpoints } from "../engine/webhooks/endpoints.ts";
import type { Recordings } from "../recordings/recordings.ts";

/** What the API is given to work with, by the composition root. */
export interface ApiParts {
  store: Store;
  clock: Clock;
  ids: Ids;
  log: Log;
  /** What /metrics shows; the API adds its own to it. */
  registry: Registry;
  calls: Pick<Calls, "originate" | "hangUp" | "direct" | "sendDigits" | "setRecording" | "moneyChanged">;
  /** Keeps whom it refused. */
  policy: Pick<Policy, "note">;
  conferences: Pick<Conferences, "command" | "list" | "get">;
  recordings: Pick<Recordings, "forCall" | "listForCall" | "list" | "get" | "delete">;
  prompts: Pick<StoredPrompts, "urls" | "put" | "publish" | "get" | "list" | "link" | "delete">;
  /** What claims, releases and porting requests take. */
  numbers: NumberParts;
  portDocuments: Pick<PortDocuments, "put" | "keep" | "link">;
  topUps: Pick<TopUps, "create" | "get" | "list">;
  /** What Safaricom's callbacks reach; null: M-Pesa is not set up here. */
  callbacks: Pick<Callbacks, "admits" | "keep" | "validate"> | null;
  /** Customers' devices; null: they are not let in here. */
  sip: { access: () => SipAccess; changed: () => void } | null;
  webhooks: WebhookEndpoints;
  /** Seals signing secrets. */
  secrets: Secrets;
  /** Told of deliveries that are to be made at once. */
  deliverer: Pick<Deliverer, "wake">;
  /** Throws `webhooks.url_not_allowed` at `field`. Asks DNS. */
  checkUrl: (url: string, field: string) => Promise<void>;
  /** The same of a ws or wss URL. */
  checkSocketUrl: (url: string, field: string) => Promise<void>;
  /** Throws `sip.host_not_allowed` at `field`. Asks DNS. */
  checkSipHost: (host: string, field: string) => Promise<void>;
  invitations: Invitations;
  signIn: SignIn;
  exports: Pick<Exports, "request" | "get" | "list" | "link">;
  erasures: Pick<Erasures, "request" | "get" | "list">;
  /** Where customers and their browsers reach us; without a slash at the end. */
  publicUrl: () => string;
  /** The M-Pesa Paybill that wallets are filled through; null where there is none. */
  paybill: string | null;
  /** Where the bucket of recordings stands, in the operator's words; null: nobody said. */
  storageLocation: string | null;
  /** What /readyz asks, by name; one that throws is not ready. */
  readiness: Readonly<Record<string, () => Promise<void>>>;
  /** True once the process is to end: no new calls. */
  isDraining: () => boolean;
  /** How many proxies stand before us, whose X-Forwarded-For counts. */
  trustedProxies: number;
}

/** How customers' devices reach the media servers. */
export interface SipAccess {
  realm: string;
  domain: string;
  /** By transport; one that is absent is not to be had. */
  ports: Readonly<Partial<Record<"udp" | "tcp" | "tls" | "wss", number>>>;
}
