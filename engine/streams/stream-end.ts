/** Why a stream is over, as `call.stream_ended` tells: by the bot, by the call, by us; the last are why it was not opened. */
export const streamReasons = [
  "bot_closed",
  "connection_lost",
  "bot_silent",
  "flooded",
  "hangup",
  "replaced",
  "media_failed",
  "media_lost",
  "blocked",
  "dns",
  "refused",
  "unreachable",
  "tls",
  "timeout",
  "reset",
  "protocol",
] as const;
export type StreamReason = (typeof streamReasons)[number];

/** That a stream is over, and why: thrown by what finds it out. */
export class StreamEnd extends Error {
  override readonly name = "StreamEnd";
  readonly reason: StreamReason;
  /** As the bot gave it (RFC 6455 §7.4). */
  readonly closeCode: number | null;
  /** HTTP's, in place of a WebSocket. */
  readonly status: number | null;

  constructor(
    reason: StreamReason,
    { closeCode = null, status = null }: { closeCode?: number | null; status?: number | null } = {},
  ) {
    super(reason);
    this.reason = reason;
    this.closeCode = closeCode;
    this.status = status;
  }
}
