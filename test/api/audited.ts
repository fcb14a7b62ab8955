import { routes } from "../../api/routes.ts";

/** Changes that stand elsewhere, or are none of a workspace's: all others leave an entry in the audit log. */
export const notAudited: Readonly<Record<string, string>> = {
  createCall: "the call's own events",
  originateCall: "the call's own events",
  hangUpCall: "the call's own events",
  directCall: "the call's own events",
  sendDigits: "the call's own events",
  setCallRecording: "the call's own events",
  commandConference: "the events of the calls in the room",
  createSignInLink: "nothing is changed: a mail goes out, to whoever reads it",
  patchSession: "what somebody looks at is nobody else's business",
};

export const changingRoutes = routes.filter(
  ({ run }) => run.kind === "change" || run.kind === "open" || run.kind === "personChange",
);

const patterns = changingRoutes.map(({ method, path, operationId }) => ({
  operationId,
  method: method.toUpperCase(),
  plain: !path.includes("{"),
  pattern: new RegExp(`^${path.replace(/\{\w+\}/g, "[^/]+")}$`),
}));

/** The operation that changes something there; undefined: none does. */
export function changingOperation(method: string, path: string): string | undefined {
  const asked = path.split("?")[0] ?? path;
  const fitting = patterns.filter((one) => one.method === method && one.pattern.test(asked));
  return (fitting.find((one) => one.plain) ?? fitting[0])?.operationId;
}
