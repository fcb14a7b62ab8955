import type { Timer } from "../../clock.ts";
import type { Channel } from "./channel.ts";
import type { Core } from "./core.ts";
import { localStamp } from "./event-bus.ts";

const columns = [
  "uuid",
  "direction",
  "created",
  "created_epoch",
  "name",
  "state",
  "cid_name",
  "cid_num",
  "ip_addr",
  "dest",
  "application",
  "application_data",
  "dialplan",
  "context",
  "read_codec",
  "read_rate",
  "read_bit_rate",
  "write_codec",
  "write_rate",
  "write_bit_rate",
  "secure",
  "hostname",
  "presence_id",
  "presence_data",
  "accountcode",
  "callstate",
  "callee_name",
  "callee_num",
  "callee_direction",
  "call_uuid",
  "sent_callee_name",
  "sent_callee_num",
  "initial_cid_name",
  "initial_cid_num",
  "initial_ip_addr",
  "initial_dest",
  "initial_dialplan",
  "initial_context",
] as const;
type Row = Record<(typeof columns)[number], string>;

/** How far `show channels` is behind the channels: the real one's core database is written asynchronously. */
const lagMs = 500;

/** What `show channels` lists: the channels as they were a moment ago. */
export class ChannelListing {
  #rows: Row[] = [];
  #refresh: Timer | null = null;

  constructor(core: Core) {
    core.events.subscribe((event) => {
      if (!event.name.startsWith("CHANNEL_") || this.#refresh !== null) return;
      this.#refresh = core.clock.after(lagMs, () => {
        this.#refresh = null;
        this.#rows = [...core.channels.values()].map((channel) => rowOf(core, channel));
      });
    });
  }

  /** The words after `show channels`: nothing, `count`, `like <text>`, each perhaps with `as json`. */
  show(words: readonly string[]): string {
    const json = words.slice(-2).join(" ") === "as json";
    const [kind, pattern] = words;
    if (kind === "count")
      return json ? `{"row_count": ${this.#rows.length}}\n` : `\n${this.#rows.length} total.\n`;
    const rows = kind === "like" ? this.#rows.filter((row) => matches(row, pattern ?? "")) : this.#rows;
    if (rows.length === 0) return json ? '{"row_count": 0}\n' : "\n0 total.\n";
    if (json) return `${JSON.stringify({ row_count: rows.length, rows })}\n`;
    const lines = rows.map((row) => columns.map((column) => row[column]).join(","));
    return `${[columns.join(","), ...lines].join("\n")}\n\n${rows.length} total.\n`;
  }
}

const matches = (row: Row, pattern: string): boolean =>
  [row.uuid, row.name, row.cid_name, row.cid_num, row.presence_data, row.accountcode].some((value) =>
    value.includes(pattern),
  );

function rowOf(core: Core, channel: Channel): Row {
  const codec = channel.media.attached
    ? { name: "PCMU", rate: "8000", bits: "64000" }
    : { name: "", rate: "", bits: "" };
  const variable = (name: string) => channel.variables.get(name) ?? "";
  return {
    uuid: channel.uuid,
    direction: channel.direction,
    created: localStamp(channel.stamps.createdUs),
    created_epoch: String(Math.floor(channel.stamps.createdUs / 1_000_000)),
    name: channel.name,
    state: channel.state,
    cid_name: channel.callerName,
    cid_num: channel.callerNumber,
    ip_addr: channel.networkAddress,
    dest: channel.destination,
    application: variable("current_application"),
    application_data: variable("current_application_data"),
    dialplan: channel.direction === "inbound" ? "XML" : "",
    context: channel.context,
    read_codec: codec.name,
    read_rate: codec.rate,
    read_bit_rate: codec.bits,
    write_codec: codec.name,
    write_rate: codec.rate,
    write_bit_rate: codec.bits,
    secure: "",
    hostname: core.events.hostname,
    presence_id: variable("presence_id"),
    presence_data: variable("presence_data"),
    accountcode: variable("accountcode"),
    callstate: channel.callState,
    callee_name: "",
    callee_num: channel.direction === "outbound" ? channel.destination : "",
    callee_direction: "",
    call_uuid: channel.uuid,
    sent_callee_name: "",
    sent_callee_num: "",
    initial_cid_name: channel.callerName,
    initial_cid_num: channel.callerNumber,
    initial_ip_addr: channel.networkAddress,
    initial_dest: channel.destination,
    initial_dialplan: channel.direction === "inbound" ? "XML" : "",
    initial_context: channel.context,
  };
}
