import { connect } from "node:net";
import { controlVariable, type Order } from "./failpoints.ts";

const preload = new URL("preload.ts", import.meta.url).pathname;

/** With what `sautikit start` is started, to take orders at that socket: to die at a failpoint, to have its clock stepped. */
export const takesOrdersAt = (socketPath: string): Record<string, string> => ({
  NODE_OPTIONS: `--import=${preload}`,
  [controlVariable]: socketPath,
});

/** Resolves once the process has taken the order; rejects where it is not there. */
export function order(socketPath: string, order: Order): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    socket.setTimeout(2_000, () => socket.destroy(new Error(`no order is taken at ${socketPath}`)));
    socket.once("error", reject);
    socket.once("data", () => {
      resolve();
      socket.destroy();
    });
    socket.write(`${JSON.stringify(order)}\n`);
  });
}
