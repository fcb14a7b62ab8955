import type { Route } from "./route.ts";
import { commandConference } from "./routes/command-conference.ts";
import { createCall, originateCall } from "./routes/create-call.ts";
import { createTopUp } from "./routes/create-topup.ts";
import { createWebhook } from "./routes/create-webhook.ts";
import { deleteRecording } from "./routes/delete-recording.ts";
import { deleteMedia } from "./routes/delete-media.ts";
import { deleteWebhook } from "./routes/delete-webhook.ts";
import { getCall } from "./routes/get-call.ts";
import { getCallRecording } from "./routes/get-call-recording.ts";
import { getCallStats } from "./routes/get-call-stats.ts";
import { getConference } from "./routes/get-conference.ts";
import { getDelivery } from "./routes/get-delivery.ts";
import { getOpenApi } from "./routes/get-openapi.ts";
import { getMedia } from "./routes/get-media.ts";
import { getMediaFile } from "./routes/get-media-file.ts";
import { getPublicPricing } from "./routes/get-public-pricing.ts";
import { getRecording } from "./routes/get-recording.ts";
import { getTopUp } from "./routes/get-topup.ts";
import { patchWallet } from "./routes/patch-wallet.ts";
import { getWallet, getWalletBalance } from "./routes/get-wallet.ts";
import { getWebhook } from "./routes/get-webhook.ts";
import { getWorkspace } from "./routes/get-workspace.ts";
import { directCall } from "./routes/direct-call.ts";
import { hangUpCall } from "./routes/hang-up-call.ts";
import { listCallEvents } from "./routes/list-call-events.ts";
import { listCallRecordings } from "./routes/list-call-recordings.ts";
import { listCalls } from "./routes/list-calls.ts";
import { listConferences } from "./routes/list-conferences.ts";
import { listDeliveries } from "./routes/list-deliveries.ts";
import { listMedia } from "./routes/list-media.ts";
import { listRecordings } from "./routes/list-recordings.ts";
import { listTopUps } from "./routes/list-topups.ts";
import { listTransactions } from "./routes/list-transactions.ts";
import { listWebhooks } from "./routes/list-webhooks.ts";
import { patchWebhook } from "./routes/patch-webhook.ts";
import { patchWorkspace } from "./routes/patch-workspace.ts";
import { replayDelivery } from "./routes/replay-delivery.ts";
import { rotateNumberSecret } from "./routes/rotate-number-secret.ts";
import { rotateWebhookSecret } from "./routes/rotate-webhook-secret.ts";
import { sendDigits } from "./routes/send-digits.ts";
import { setCallRecording } from "./routes/set-call-recording.ts";
import { testWebhook } from "./routes/test-webhook.ts";
import { uploadMedia } from "./routes/upload-media.ts";

/** Every route there is, in the order in which they are tried. Adding one is its file and a line here. */
export const routes: readonly Route[] = [
  createCall,
  originateCall,
  listCalls,
  getCallStats,
  getCall,
  listCallEvents,
  hangUpCall,
  directCall,
  sendDigits,
  setCallRecording,
  getCallRecording,
  listCallRecordings,
  listConferences,
  getConference,
  commandConference,
  listRecordings,
  getRecording,
  deleteRecording,
  uploadMedia,
  listMedia,
  getMedia,
  getMediaFile,
  deleteMedia,
  getWallet,
  getWalletBalance,
  patchWallet,
  listTransactions,
  createTopUp,
  listTopUps,
  getTopUp,
  createWebhook,
  listWebhooks,
  listDeliveries,
  getDelivery,
  replayDelivery,
  getWebhook,
  patchWebhook,
  deleteWebhook,
  rotateWebhookSecret,
  testWebhook,
  rotateNumberSecret,
  getWorkspace,
  patchWorkspace,
  getPublicPricing,
  getOpenApi(() => routes),
];
