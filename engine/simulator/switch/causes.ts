/** FreeSWITCH's names of hang-up causes. Those of its own, above 127, are told to the outside as Q.850 16. */
const q850ByCause: Readonly<Record<string, number>> = {
  UNALLOCATED_NUMBER: 1,
  NO_ROUTE_TRANSIT_NET: 2,
  NO_ROUTE_DESTINATION: 3,
  NORMAL_CLEARING: 16,
  USER_BUSY: 17,
  NO_USER_RESPONSE: 18,
  NO_ANSWER: 19,
  SUBSCRIBER_ABSENT: 20,
  CALL_REJECTED: 21,
  NUMBER_CHANGED: 22,
  EXCHANGE_ROUTING_ERROR: 25,
  DESTINATION_OUT_OF_ORDER: 27,
  INVALID_NUMBER_FORMAT: 28,
  FACILITY_REJECTED: 29,
  NORMAL_UNSPECIFIED: 31,
  NORMAL_CIRCUIT_CONGESTION: 34,
  NETWORK_OUT_OF_ORDER: 38,
  NORMAL_TEMPORARY_FAILURE: 41,
  SWITCH_CONGESTION: 42,
  REQUESTED_CHAN_UNAVAIL: 44,
  OUTGOING_CALL_BARRED: 52,
  INCOMING_CALL_BARRED: 54,
  BEARERCAPABILITY_NOTAVAIL: 58,
  SERVICE_UNAVAILABLE: 63,
  CHAN_NOT_IMPLEMENTED: 66,
  FACILITY_NOT_IMPLEMENTED: 69,
  SERVICE_NOT_IMPLEMENTED: 79,
  INCOMPATIBLE_DESTINATION: 88,
  RECOVERY_ON_TIMER_EXPIRE: 102,
  PROTOCOL_ERROR: 111,
  INTERWORKING: 127,
  ORIGINATOR_CANCEL: 16,
  LOSE_RACE: 16,
  MANAGER_REQUEST: 16,
  ALLOTTED_TIMEOUT: 16,
  MEDIA_TIMEOUT: 16,
  PICKED_OFF: 16,
  SYSTEM_SHUTDOWN: 16,
  INVALID_GATEWAY: 16,
};

/** Of FreeSWITCH alone: a caller who is refused with one is told no Q.850 number. */
export const isOwn = (cause: string): boolean => q850Of(cause) === 16 && cause !== "NORMAL_CLEARING";

export const q850Of = (cause: string): number => q850ByCause[cause] ?? 16;

/** A cause as somebody wrote it. An unknown word silently becomes NORMAL_CLEARING, as on the real switch. */
export function causeNamed(word: string | undefined): string {
  const name = (word ?? "").toUpperCase();
  if (Object.hasOwn(q850ByCause, name)) return name;
  return /^\d+$/.test(name) ? causeOfQ850(Number(name)) : "NORMAL_CLEARING";
}

const causeOfQ850 = (q850: number): string =>
  Object.entries(q850ByCause).find(([, number]) => number === q850)?.[0] ?? "NORMAL_CLEARING";

const causeBySipStatus: Readonly<Record<number, string>> = {
  // As with outbound_redirect_fatal, which every dial string of ours has: the simulator follows no redirect.
  300: "REQUESTED_CHAN_UNAVAIL",
  301: "REQUESTED_CHAN_UNAVAIL",
  302: "REQUESTED_CHAN_UNAVAIL",
  305: "REQUESTED_CHAN_UNAVAIL",
  401: "CALL_REJECTED",
  402: "CALL_REJECTED",
  403: "CALL_REJECTED",
  404: "UNALLOCATED_NUMBER",
  405: "SERVICE_UNAVAILABLE",
  406: "SERVICE_NOT_IMPLEMENTED",
  407: "CALL_REJECTED",
  408: "RECOVERY_ON_TIMER_EXPIRE",
  410: "NUMBER_CHANGED",
  415: "SERVICE_NOT_IMPLEMENTED",
  480: "NO_USER_RESPONSE",
  482: "EXCHANGE_ROUTING_ERROR",
  483: "EXCHANGE_ROUTING_ERROR",
  484: "INVALID_NUMBER_FORMAT",
  485: "NO_ROUTE_DESTINATION",
  486: "USER_BUSY",
  487: "ORIGINATOR_CANCEL",
  488: "INCOMPATIBLE_DESTINATION",
  501: "SERVICE_NOT_IMPLEMENTED",
  502: "NETWORK_OUT_OF_ORDER",
  504: "RECOVERY_ON_TIMER_EXPIRE",
  600: "USER_BUSY",
  603: "CALL_REJECTED",
  604: "NO_ROUTE_DESTINATION",
  606: "INCOMPATIBLE_DESTINATION",
  608: "CALL_REJECTED",
};
const temporaryFailures = new Set([400, 481, 500, 503]);
const interworking = new Set([413, 414, 416, 420, 421, 423, 505, 513]);

/** Why the far end ended: its Reason header's Q.850 number (RFC 3326) before the SIP status. */
export function causeOfFarEnd(status: number | null, q850: number | null): string {
  if (q850 !== null && q850 > 0) return causeOfQ850(q850);
  if (status === null || status < 300) return "NORMAL_CLEARING";
  if (temporaryFailures.has(status)) return "NORMAL_TEMPORARY_FAILURE";
  if (interworking.has(status)) return "INTERWORKING";
  return causeBySipStatus[status] ?? "NORMAL_UNSPECIFIED";
}

const sipStatusByCause: Readonly<Record<string, number>> = {
  UNALLOCATED_NUMBER: 404,
  NO_ROUTE_TRANSIT_NET: 404,
  NO_ROUTE_DESTINATION: 404,
  USER_BUSY: 486,
  NO_USER_RESPONSE: 408,
  NO_ANSWER: 480,
  SUBSCRIBER_ABSENT: 480,
  CALL_REJECTED: 603,
  NUMBER_CHANGED: 410,
  DESTINATION_OUT_OF_ORDER: 502,
  INVALID_NUMBER_FORMAT: 484,
  INVALID_GATEWAY: 484,
  FACILITY_REJECTED: 501,
  REQUESTED_CHAN_UNAVAIL: 503,
  NORMAL_CIRCUIT_CONGESTION: 503,
  NETWORK_OUT_OF_ORDER: 503,
  NORMAL_TEMPORARY_FAILURE: 503,
  SWITCH_CONGESTION: 503,
  OUTGOING_CALL_BARRED: 403,
  INCOMING_CALL_BARRED: 403,
  BEARERCAPABILITY_NOTAVAIL: 503,
  INCOMPATIBLE_DESTINATION: 488,
  FACILITY_NOT_IMPLEMENTED: 501,
  SERVICE_NOT_IMPLEMENTED: 501,
  RECOVERY_ON_TIMER_EXPIRE: 504,
  ORIGINATOR_CANCEL: 487,
  EXCHANGE_ROUTING_ERROR: 483,
};

/** The refusal of an inbound call that was never answered. */
export const sipStatusOf = (cause: string): number => sipStatusByCause[cause] ?? 480;
