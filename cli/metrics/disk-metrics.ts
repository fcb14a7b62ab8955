import { statfs } from "node:fs/promises";
import { Gauge, type Registry } from "prom-client";

/** How full the disks of these folders are; of a folder that is not there, nothing. */
export function showDisks(registry: Registry, folders: Readonly<Record<string, string>>): void {
  const gauge = (
    name: string,
    help: string,
    read: (disk: { bsize: number; blocks: number; bavail: number }) => number,
  ) =>
    new Gauge({
      name,
      help,
      labelNames: ["folder"],
      registers: [registry],
      async collect() {
        this.reset();
        for (const [folder, path] of Object.entries(folders)) {
          const disk = await statfs(path).catch(() => null);
          if (disk !== null) this.set({ folder }, read(disk));
        }
      },
    });
  gauge(
    "sautikit_disk_size_bytes",
    "Size of the disk that a folder is on; folder: data or spool.",
    ({ blocks, bsize }) => blocks * bsize,
  );
  gauge(
    "sautikit_disk_free_bytes",
    "What is free of it for Sautikit.",
    ({ bavail, bsize }) => bavail * bsize,
  );
}
