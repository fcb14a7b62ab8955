/**
 * Why a request got no answer. `blocked`: we would not send it; `unreachable`: no route; `reset`: the other side closed
 * early; `protocol`: what came back is not HTTP.
 */
export type EgressFault =
  "blocked" | "dns" | "refused" | "unreachable" | "tls" | "timeout" | "reset" | "protocol" | "aborted";

export class EgressError extends Error {
  override readonly name = "EgressError";
  readonly fault: EgressFault;
  /** HTTP's, where it was not the answer that was wanted; else null. */
  readonly status: number | null;

  constructor(
    fault: EgressFault,
    message: string,
    { status, ...options }: { cause?: unknown; status?: number } = {},
  ) {
    super(message, options);
    this.fault = fault;
    this.status = status ?? null;
  }
}

/** What Node says of a failed socket, in our words. */
export function faultOf(error: NodeJS.ErrnoException, during: { handshake: boolean }): EgressFault {
  switch (error.code) {
    case "ECONNREFUSED":
      return "refused";
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "EADDRNOTAVAIL":
    case "EHOSTDOWN":
    case "EACCES":
      return "unreachable";
    case "ECONNRESET":
    case "ECONNABORTED":
    case "EPIPE":
      return "reset";
    case "ETIMEDOUT":
      return "timeout";
    default:
      // OpenSSL has hundreds of codes; what they share is that the handshake was not over.
      return during.handshake ? "tls" : "protocol";
  }
}
