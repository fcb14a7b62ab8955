import { readdirSync, watch } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { keep, type KeeperMessage, type KeepOrder } from "./end-records.ts";

// The thread of EndRecordKeeper: a second name for each file of the folder as it appears.
const order = workerData as KeepOrder;
const tell = (message: KeeperMessage): void => parentPort?.postMessage(message);

watch(order.folder, (_, name) => {
  if (name === null || keep(order, name)) return;
  tell({ kind: "missed", file: name });
});
for (const name of readdirSync(order.folder)) keep(order, name);
tell({ kind: "watching" });
