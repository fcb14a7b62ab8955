import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { startProcess, type Child } from "../peers/child.ts";
import { freePort } from "../peers/free-ports.ts";
import { eventually } from "../peers/waiting.ts";

const root = join(import.meta.dirname, "../..");
const run = promisify(execFile);

/**
 * A page of docs/recipes/ in the hands of a developer: what it says to save is saved in `folder`, what it says to type is
 * run there. Nothing of it is changed but the two addresses.
 */
export class Recipe {
  readonly #text: string;
  readonly #folder: string;
  readonly #port: number;
  readonly #servers: Child[] = [];
  /** Of its shell. */
  readonly #variables: Record<string, string> = {};

  private constructor(text: string, folder: string, port: number) {
    this.#text = text;
    this.#folder = folder;
    this.#port = port;
  }

  static async read(page: string, { folder, api }: { folder: string; api: string }): Promise<Recipe> {
    const text = await readFile(join(root, "docs/recipes", page), "utf8");
    const port = await freePort();
    const moved = text
      .replaceAll("http://127.0.0.1:8080", api)
      .replaceAll("127.0.0.1:3000", `127.0.0.1:${port}`)
      .replaceAll(".listen(3000,", `.listen(${port},`);
    return new Recipe(moved, folder, port);
  }

  /** Every block of that language, in order. */
  blocks(language: string): string[] {
    return [...this.#text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(([, of, code = ""]) =>
      of === language ? [code] : [],
    );
  }

  /** Saves each file that the page names right before its block: "as `people.csv`: …". */
  async save(): Promise<void> {
    const saved = this.#text.matchAll(/`([\w-]+\.\w+)`[^`]*?:\n\n```\w+\n([\s\S]*?)^```$/gm);
    for (const [, name = "", content = ""] of saved) await writeFile(join(this.#folder, name), content);
  }

  /** Runs the block that ends with `node …`, until its server listens, and refuses (401) what has no signature of ours. */
  async serve(env: Record<string, string> = {}, unsigned = 401): Promise<Child> {
    const block = this.blocks("sh").find((code) => /^node .*$/m.test(code)) ?? "false";
    // In the shell's place, so that it is the server that a signal reaches.
    const script = `cd '${this.#folder}'\n${block.replace(/^node /m, "exec node ")}`;
    const child = startProcess("bash", ["-ec", script], {
      env: { ...this.#env(), ...env },
      outputFile: join(this.#folder, `server-${this.#port}-${this.#servers.length}.log`),
    });
    this.#servers.push(child);
    const { status } = await eventually("the recipe's server", () => {
      if (!child.running) throw new Error(child.output());
      return fetch(`http://127.0.0.1:${this.#port}/`, { method: "POST", body: "{}" });
    });
    assert.equal(status, unsigned);
    return child;
  }

  /** Runs a block, and gives what it printed; what it assigned is there for the next one. */
  async sh(code = "false"): Promise<string> {
    const kept = join(this.#folder, `variables-${this.#port}`);
    const { stdout } = await run("bash", ["-c", `set -ea\n${code}\nenv -0 > '${kept}'`], {
      cwd: this.#folder,
      env: this.#env(),
      timeout: 20_000,
    });
    for (const variable of (await readFile(kept, "utf8")).split("\0")) {
      const [, name, value = ""] = /^([A-Z_]+)=(.*)$/s.exec(variable) ?? [];
      if (name !== undefined) this.#variables[name] = value;
    }
    return stdout;
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) await server.stop();
  }

  /** `npx` is the one in the folder, `node` the one that runs this. */
  #env(): Record<string, string> {
    const path = `${this.#folder}:${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`;
    return { ...(process.env as Record<string, string>), ...this.#variables, PATH: path };
  }
}
