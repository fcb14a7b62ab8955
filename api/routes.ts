import type { Route } from "./route.ts";
import { cancelPortRoute } from "./routes/cancel-port.ts";
import { claimInventory, createNumber } from "./routes/claim-number.ts";
import { createSipCredential } from "./routes/create-sip-credential.ts";
import { listSipCredentials } from "./routes/list-sip-credentials.ts";
import { getSipCredential } from "./routes/get-sip-credential.ts";
import { changeSipCredential } from "./routes/change-sip-credential.ts";
import { deleteSipCredential } from "./routes/delete-sip-credential.ts";
import { rotateSipCredential } from "./routes/rotate-sip-credential.ts";
import { listSipRegistrations } from "./routes/list-sip-registrations.ts";
import { createSipDestination } from "./routes/create-sip-destination.ts";
import { listSipDestinations } from "./routes/list-sip-destinations.ts";
import { deleteSipDestination } from "./routes/delete-sip-destination.ts";
import { createPort } from "./routes/create-port.ts";
import { getNumber } from "./routes/get-number.ts";
import { getPort } from "./routes/get-port.ts";
import { getPortDocument } from "./routes/get-port-document.ts";
import { listAvailableNumbers } from "./routes/list-available-numbers.ts";
import { listNumbers } from "./routes/list-numbers.ts";
import { listPorts } from "./routes/list-ports.ts";
import { releaseNumberRoute } from "./routes/release-number.ts";
import { routeNumberRoute } from "./routes/route-number.ts";
import { uploadPortDocument } from "./routes/upload-port-document.ts";
import { commandConference } from "./routes/command-conference.ts";
import { createCall, originateCall } from "./routes/create-call.ts";
import { createTopUp } from "./routes/create-topup.ts";
import { createWebhook } from "./routes/create-webhook.ts";
import { deleteRecording } from "./routes/delete-recording.ts";
import { deleteMedia } from "./routes/delete-media.ts";
import { deleteWebhook } from "./routes/delete-webhook.ts";
import { exportTransactions } from "./routes/export-transactions.ts";
import { getCall } from "./routes/get-call.ts";
import { getCallRecording } from "./routes/get-call-recording.ts";
import { getCallStats } from "./routes/get-call-stats.ts";
import { getConference } from "./routes/get-conference.ts";
import { getDelivery } from "./routes/get-delivery.ts";
import { getOpenApi } from "./routes/get-openapi.ts";
import { getMedia } from "./routes/get-media.ts";
import { getMediaFile } from "./routes/get-media-file.ts";
import { getPublicPricing } from "./routes/get-public-pricing.ts";
import { getRates } from "./routes/get-rates.ts";
import { getRecording } from "./routes/get-recording.ts";
import { getTopUp } from "./routes/get-topup.ts";
import { patchWallet } from "./routes/patch-wallet.ts";
import { getWallet, getWalletBalance } from "./routes/get-wallet.ts";
import { getStorage } from "./routes/get-storage.ts";
import { getSipTrace } from "./routes/get-sip-trace.ts";
import { getStatement } from "./routes/get-statement.ts";
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
import { listPricingChanges } from "./routes/list-pricing-changes.ts";
import { listRecordings } from "./routes/list-recordings.ts";
import { listRefusals } from "./routes/list-refusals.ts";
import { listStatements } from "./routes/list-statements.ts";
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
import { createSignInLink } from "./routes/create-sign-in-link.ts";
import { createSession } from "./routes/create-session.ts";
import { getSession } from "./routes/get-session.ts";
import { patchSession } from "./routes/patch-session.ts";
import { deleteSession } from "./routes/delete-session.ts";
import { listSessions } from "./routes/list-sessions.ts";
import { revokeSession } from "./routes/revoke-session.ts";
import { createWorkspace } from "./routes/create-workspace.ts";
import { listMembers } from "./routes/list-members.ts";
import { patchMember } from "./routes/patch-member.ts";
import { deleteMember } from "./routes/delete-member.ts";
import { acceptInvitation } from "./routes/accept-invitation.ts";
import { createInvitation } from "./routes/create-invitation.ts";
import { listInvitations } from "./routes/list-invitations.ts";
import { deleteInvitation } from "./routes/delete-invitation.ts";
import { createApiKey } from "./routes/create-api-key.ts";
import { listApiKeys } from "./routes/list-api-keys.ts";
import { getApiKey } from "./routes/get-api-key.ts";
import { deleteApiKey } from "./routes/delete-api-key.ts";
import { listAudit } from "./routes/list-audit.ts";
import { createExport } from "./routes/create-export.ts";
import { listExports } from "./routes/list-exports.ts";
import { getExport } from "./routes/get-export.ts";
import { createErasure } from "./routes/create-erasure.ts";
import { listErasures } from "./routes/list-erasures.ts";
import { getErasure } from "./routes/get-erasure.ts";
import { listRecordingAccesses } from "./routes/list-recording-accesses.ts";

/** Every route there is, in the order in which they are tried. Adding one is its file and a line here. */
export const routes: readonly Route[] = [
  createCall,
  originateCall,
  listCalls,
  getCallStats,
  getCall,
  getSipTrace,
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
  getStorage,
  uploadMedia,
  listMedia,
  getMedia,
  getMediaFile,
  deleteMedia,
  getWallet,
  getWalletBalance,
  patchWallet,
  listStatements,
  getStatement,
  exportTransactions,
  listTransactions,
  createTopUp,
  listTopUps,
  getTopUp,
  getRates,
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
  listAvailableNumbers,
  createNumber,
  claimInventory,
  listNumbers,
  getNumber,
  routeNumberRoute,
  releaseNumberRoute,
  rotateNumberSecret,
  createSipCredential,
  listSipCredentials,
  getSipCredential,
  changeSipCredential,
  deleteSipCredential,
  rotateSipCredential,
  listSipRegistrations,
  createSipDestination,
  listSipDestinations,
  deleteSipDestination,
  createPort,
  listPorts,
  getPort,
  uploadPortDocument,
  getPortDocument,
  cancelPortRoute,
  listRefusals,
  getWorkspace,
  patchWorkspace,
  createSignInLink,
  createSession,
  getSession,
  patchSession,
  deleteSession,
  listSessions,
  revokeSession,
  createWorkspace,
  listMembers,
  patchMember,
  deleteMember,
  acceptInvitation,
  createInvitation,
  listInvitations,
  deleteInvitation,
  createApiKey,
  listApiKeys,
  getApiKey,
  deleteApiKey,
  listAudit,
  createExport,
  listExports,
  getExport,
  createErasure,
  listErasures,
  getErasure,
  listRecordingAccesses,
  getPublicPricing,
  listPricingChanges,
  getOpenApi(() => routes),
];
