import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { parseWav } from "../../engine/simulator/media/wav.ts";
import { startProcess, type Child } from "./child.ts";
import { freePort } from "./free-ports.ts";
import type { Login } from "./sip-device.ts";
import { eventually } from "./waiting.ts";

const host = "127.0.0.1";
const modules = "/usr/lib/baresip/modules";

/** Why there is none here; undefined: there is. */
export const baresipMissing: string | undefined =
  spawnSync("baresip", ["-h"]).error === undefined
    ? undefined
    : "baresip (Debian: baresip-core) is not on this machine";

interface BaresipEvent {
  event?: boolean;
  type?: string;
  param?: string;
}

/** baresip, a softphone: it registers, calls and answers at once, says a tone of its own, and keeps what it says and hears. */
export class Baresip {
  readonly #child: Child;
  readonly #control: Socket;
  readonly #folder: string;
  readonly events: BaresipEvent[] = [];

  static async open(options: {
    folder: string;
    login: Login;
    realm: string;
    server: { host: string; port: number; transport: "udp" | "tcp" | "tls" };
    hz: number;
  }): Promise<Baresip> {
    const { folder, login, realm, server, hz } = options;
    mkdirSync(folder, { recursive: true });
    const controlPort = await freePort();
    const config = [
      ...["poll_method epoll", `sip_listen ${host}:0`, `audio_source ausine,${hz}`],
      ...["audio_player none", "ausrc_srate 48000", "auplay_srate 8000", "ausrc_channels 2"],
      ...["auplay_channels 1", "audio_buffer 20-160", `snd_path ${folder}`, `module_path ${modules}`],
      ...[
        "module g711.so",
        "module ausine.so",
        "module aufile.so",
        "module sndfile.so",
        "module_tmp account.so",
      ],
      ...["module_app menu.so", "module_app ctrl_tcp.so", `ctrl_tcp_listen ${host}:${controlPort}`],
    ];
    const { transport } = server;
    const account =
      `<sip:${login.username}@${realm};transport=${transport}>;auth_pass=${login.password};answermode=auto;regint=60` +
      `;outbound="sip:${server.host}:${server.port};transport=${transport}"`;
    for (const [name, text] of [
      ["config", config.join("\n")],
      ["accounts", account],
      ["contacts", ""],
    ] as const)
      writeFileSync(join(folder, name), `${text}\n`);
    const child = startProcess("baresip", ["-f", folder, "-v"], { outputFile: join(folder, "log") });
    const control = await eventually("baresip's control port", () => opened(controlPort), {
      withinMs: 10_000,
    }).catch(async (error: unknown) => {
      await child.stop(5_000);
      throw new Error(`baresip did not start:\n${child.output()}`, { cause: error });
    });
    return new Baresip(child, control, folder);
  }

  private constructor(child: Child, control: Socket, folder: string) {
    this.#child = child;
    this.#control = control;
    this.#folder = folder;
    let read = "";
    control.setEncoding("utf8").on("data", (chunk: string) => {
      read += chunk;
      // Netstrings: `<length>:<JSON>,`.
      for (let match = /^([0-9]+):/.exec(read); match; match = /^([0-9]+):/.exec(read)) {
        const from = match[0].length;
        const to = from + Number(match[1]);
        if (read.length <= to) return;
        this.events.push(JSON.parse(read.slice(from, to)) as BaresipEvent);
        read = read.slice(to + 1);
      }
    });
    control.on("error", () => undefined);
  }

  /** The first event of that type, past or to come. */
  async event(type: string, withinMs = 10_000): Promise<BaresipEvent> {
    return eventually(`${type} of baresip`, () => this.events.find((one) => one.type === type), { withinMs });
  }

  dial(number: string): void {
    this.#command("dial", number);
  }

  hangUp(): void {
    this.#command("hangup", "");
  }

  /** What it heard in its calls. */
  heard(): Int16Array {
    const files = readdirSync(this.#folder).filter((name) => /-dec\.wav$/.test(name));
    const channels = files.map((name) => parseWav(readFileSync(join(this.#folder, name))).channels[0]!);
    return Int16Array.from(channels.flatMap((samples) => [...samples]));
  }

  output(): string {
    return this.#child.output();
  }

  async close(): Promise<void> {
    this.#control.destroy();
    await this.#child.stop(5_000);
  }

  #command(command: string, params: string): void {
    const text = JSON.stringify({ command, params, token: "1" });
    this.#control.write(`${text.length}:${text},`);
  }
}

async function opened(port: number): Promise<Socket | undefined> {
  const socket = connect({ host, port });
  try {
    await once(socket, "connect");
    return socket;
  } catch {
    return undefined;
  }
}
