import type { Child } from "./child.ts";
import { startRealSwitch } from "./real-switch.ts";
import { startSimulatedSwitchProcess } from "./simulated-switch-process.ts";

/** A switch in a process of its own: the simulated one, or a real FreeSWITCH with freeswitch-conf/. */
export interface SwitchUnderTest {
  readonly kind: SwitchKind;
  readonly child: Child;
  readonly esl: { readonly host: string; readonly port: number; readonly password: string };
  readonly sip: { readonly host: string; readonly port: number };
  /** Where customers' devices log in, by UDP and TCP; null unless asked for. */
  readonly devices: Devices | null;
  /** Holds `recordings/`, `cdr/` and `media/`; the same for the switch and for us. */
  readonly spoolDir: string;
  /** SIGTERM, SIGKILL if it hangs; then its folders go, but for a spool that was given. Twice is fine. */
  stop(): Promise<void>;
}

/** What a box is called everywhere: as FREESWITCH_URLS names it. */
export const boxName = ({ esl }: Pick<SwitchUnderTest, "esl">): string => `${esl.host}:${esl.port}`;

export interface Devices {
  readonly host: string;
  readonly port: number;
  readonly realm: string;
}

export interface SwitchOptions {
  /** Where the gateway `carrier` leads. */
  carrier: { host: string; port: number };
  /** The trunk edge, by way of which that is reached. */
  edge?: { host: string; port: number };
  /** For a switch that comes back after its end. */
  spoolDir?: string;
  eslPort?: number;
  /** It serves customers' devices too; a binding lasts a second at least. */
  devices?: boolean;
  /** So many seconds without sound, and a device's leg ends; default 300. */
  mediaTimeoutS?: number;
  /** Of a simulated switch that comes back after its end: where they knew it. */
  devicesPort?: number | undefined;
  /** A command and arguments that it is started by, its own behind them. */
  within?: readonly string[];
  /** Where it sends the SIP that it captures. */
  hep?: { host: string; port: number };
  /** Of a real switch: more variables of freeswitch-conf/README.md. */
  env?: Record<string, string>;
}

export const switchKinds = ["simulator", "freeswitch"] as const;
export type SwitchKind = (typeof switchKinds)[number];

/** A suite runs over one of them: `SAUTIKIT_SWITCH=simulator` (default) or `freeswitch`. */
export const switchKind: SwitchKind = kindOf(process.env["SAUTIKIT_SWITCH"] || "simulator");

/** Why the switch asked for cannot be had here; undefined: it can. */
export const switchMissing: string | undefined =
  switchKind === "freeswitch" && !process.env["FREESWITCH_BIN"]
    ? "FREESWITCH_BIN does not name a freeswitch"
    : undefined;

export const startSwitchUnderTest = (options: SwitchOptions, kind = switchKind): Promise<SwitchUnderTest> =>
  kind === "freeswitch" ? startRealSwitch(options) : startSimulatedSwitchProcess(options);

/** `describe` for a suite that holds for any switch; where the one asked for is not there, its name says why not. */
export function describeOnSwitch(title: string, suite: (this: Mocha.Suite) => void): void {
  if (switchMissing === undefined) describe(`${title} (${switchKind})`, suite);
  else describe.skip(`${title} (${switchKind}: skipped, ${switchMissing})`, suite);
}

function kindOf(text: string): SwitchKind {
  const kind = switchKinds.find((known) => known === text);
  if (!kind) throw new Error(`SAUTIKIT_SWITCH is one of ${switchKinds.join(", ")}, not "${text}"`);
  return kind;
}
