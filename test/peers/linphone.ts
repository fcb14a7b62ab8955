import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseWav } from "../../engine/simulator/media/wav.ts";
import { wav } from "../media/wav.ts";
import { startProcess, type Child } from "./child.ts";
import type { Login } from "./sip-device.ts";
import { eventually } from "./waiting.ts";

/** Why there is none here; undefined: there is. */
export const linphoneMissing: string | undefined =
  spawnSync("linphonec", ["-v"]).error === undefined
    ? undefined
    : "linphonec (Debian: linphone-cli) is not on this machine";

/** Linphone's console client: it registers, calls and answers at once, says a tone of its own, and keeps what it hears. */
export class Linphone {
  readonly #child: Child;
  readonly #folder: string;

  static async open(options: {
    folder: string;
    login: Login;
    realm: string;
    server: { host: string; port: number; transport: "udp" | "tcp" | "tls" };
    hz: number;
  }): Promise<Linphone> {
    const { folder, login, realm, server, hz } = options;
    // It makes its database where that is there only.
    mkdirSync(join(folder, ".local/share/linphone"), { recursive: true });
    const { host, port, transport } = server;
    const config = [
      // Free ports; a certificate that nobody knows.
      ...["[sip]", "sip_port=-1", "sip_tcp_port=-1", "sip_tls_port=-1", "use_ipv6=0", "default_proxy=0"],
      ...["verify_server_certs=0", "verify_server_cn=0", "[rtp]", "audio_rtp_port=-1"],
      ...["[proxy_0]", `reg_identity=sip:${login.username}@${realm}`, "reg_expires=300"],
      ...[`reg_proxy=<sip:${host}:${port};transport=${transport}>`, "reg_sendregister=1", "publish=0"],
      `reg_route=<sip:${host}:${port};transport=${transport};lr>`,
      ...["[auth_info_0]", `username=${login.username}`, `passwd=${login.password}`, `realm=${realm}`],
    ];
    writeFileSync(join(folder, "linphonerc"), `${config.join("\n")}\n`);
    writeFileSync(join(folder, "says.wav"), wav({ hz, seconds: 20 }));
    const child = startProcess("linphonec", ["-a", "-c", join(folder, "linphonerc")], {
      outputFile: join(folder, "log"),
      env: { HOME: folder },
    });
    const phone = new Linphone(child, folder);
    try {
      await phone.says("linphonec>");
    } catch (error) {
      await phone.close();
      throw error;
    }
    child.type("soundcard use files");
    child.type(`record ${join(folder, "hears.wav")}`);
    return phone;
  }

  private constructor(child: Child, folder: string) {
    this.#child = child;
    this.#folder = folder;
  }

  /** Until it has written that, past or to come. */
  async says(text: string, withinMs = 10_000): Promise<void> {
    await eventually(`"${text}" of linphonec`, () => this.#child.output().includes(text) || undefined, {
      withinMs,
    }).catch((error: unknown) => {
      throw new Error(`linphonec said:\n${this.#child.output()}`, { cause: error });
    });
  }

  dial(number: string): void {
    this.#child.type(`call ${number}`);
  }

  /** In a call: its own tone, from now on. */
  async talk(): Promise<void> {
    await this.says("Media streams established");
    this.#child.type(`play ${join(this.#folder, "says.wav")}`);
  }

  hangUp(): void {
    this.#child.type("terminate");
  }

  /** What it heard in its call, once that is over. */
  heard(): Int16Array {
    const file = join(this.#folder, "hears.wav");
    return existsSync(file) ? parseWav(readFileSync(file)).channels[0]! : new Int16Array();
  }

  output(): string {
    return this.#child.output();
  }

  async close(): Promise<void> {
    if (this.#child.running) this.#child.type("quit");
    await this.#child.stop(5_000);
  }
}
