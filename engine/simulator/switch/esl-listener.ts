import type { Socket } from "node:net";
import { causeNamed } from "./causes.ts";
import { hangUp } from "./hang-up.ts";
import { liveChannel, newUuid, tickMs, type Core } from "./core.ts";
import { CommandReader, eventFrame, type EslCommand, type EslEvent } from "./esl-frames.ts";
import { splitOnce } from "./hooks.ts";
import { startPark, unpark } from "./parking.ts";
import { startUnicast } from "./unicast.ts";

/** A client that does not read loses its connection once this many events wait for it, as on the real switch. */
const waitingEventsMax = 100_000;
const eventName = /^[A-Z][A-Z_]+$/;

/** One ESL connection in inbound mode: commands in, replies and events out. */
export class EslListener {
  readonly #core: Core;
  readonly #socket: Socket;
  readonly #password: string;
  readonly #reader = new CommandReader();
  readonly #events = new Set<string>();
  /** Of CUSTOM events: those of the modules named behind that word. */
  readonly #subclasses = new Set<string>();
  #filters: { header: string; value: string }[] = [];
  #format: "plain" | "json" = "plain";
  #authenticated = false;
  #unsubscribe: () => void;
  #waitingEvents = 0;
  /** `api` answers before the next command is looked at. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: { core: Core; socket: Socket; password: string }) {
    this.#core = options.core;
    this.#socket = options.socket;
    this.#password = options.password;
    this.#unsubscribe = this.#core.events.subscribe((event) => this.#deliver(event));
    this.#socket.on("data", (chunk) => this.#received(chunk));
    // A reset by the client is its way to leave.
    this.#socket.on("error", () => this.#socket.destroy());
    this.#socket.on("close", () => this.#unsubscribe());
    this.#send("Content-Type: auth/request\n\n");
  }

  #received(chunk: Buffer): void {
    let commands: EslCommand[];
    try {
      commands = this.#reader.push(chunk);
    } catch {
      this.#socket.destroy();
      return;
    }
    for (const command of commands) {
      this.#turn = this.#turn.then(() => (this.#socket.destroyed ? undefined : this.#run(command)));
    }
  }

  async #run(command: EslCommand): Promise<void> {
    const [word, argument] = splitOnce(command.line.trim(), / /);
    if (word === "exit" || word.startsWith("...")) {
      this.#reply("+OK bye");
      return this.#disconnect("Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n");
    }
    if (!this.#authenticated) return this.#auth(word, argument);
    switch (word) {
      case "auth":
        return this.#auth(word, argument);
      case "api":
        return argument === "" ? this.#reply("-ERR command not found") : await this.#api(argument);
      case "bgapi":
        return argument === ""
          ? this.#reply("-ERR command not found")
          : this.#backgroundApi(command, argument);
      case "event":
        return this.#subscribe(argument);
      case "nixevent":
        return this.#unsubscribeFrom(argument);
      case "noevents":
        return this.#noEvents();
      case "filter":
        return this.#filter(argument);
      case "sendmsg":
        return this.#sendMessage(command, argument);
      case "log":
      case "nolog":
        return this.#reply(word === "log" ? `+OK log level ${argument} [7]` : "+OK no longer logging");
      case "linger":
      case "nolinger":
        return this.#reply("-ERR not controlling a session");
      default:
        return this.#reply("-ERR command not found");
    }
  }

  #auth(word: string, password: string): void {
    if (word !== "auth") return this.#reply("-ERR command not found");
    if (password !== this.#password) {
      this.#reply("-ERR invalid");
      return this.#disconnect("Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n");
    }
    this.#authenticated = true;
    this.#reply("+OK accepted");
  }

  async #api(line: string): Promise<void> {
    const text = (await this.#core.api(line)) || "-ERR no reply\n";
    this.#send(`Content-Type: api/response\nContent-Length: ${Buffer.byteLength(text)}\n\n${text}`);
  }

  #backgroundApi(command: EslCommand, line: string): void {
    const jobUuid = command.headers.get("job-uuid") ?? newUuid(this.#core.ids);
    this.#reply(`+OK Job-UUID: ${jobUuid}`, [["Job-UUID", jobUuid]]);
    const [name, argument] = splitOnce(line.trim(), / /);
    void this.#core.api(line).then((text) => {
      this.#core.events.publish(
        "BACKGROUND_JOB",
        [
          ["Job-UUID", jobUuid],
          ["Job-Command", name],
          ...(argument === "" ? [] : [["Job-Command-Arg", argument] satisfies [string, string]]),
        ],
        text,
      );
    });
  }

  #subscribe(argument: string): void {
    const words = argument.split(/\s+/).filter((word) => word !== "");
    const format = words[0]?.toLowerCase();
    if (format === "json" || format === "plain") {
      this.#format = format;
      words.shift();
    } else if (words.length > 1) {
      // Any other word in the format's place is taken for `plain`.
      this.#format = "plain";
      words.shift();
    }
    const custom = words.findIndex((word) => word.toUpperCase() === "CUSTOM");
    for (const subclass of custom < 0 ? [] : words.splice(custom + 1)) this.#subclasses.add(subclass);
    const names = words
      .map((word) => word.toUpperCase())
      .filter((word) => eventName.test(word) && word !== "NOPE");
    if (names.length === 0) return this.#reply("-ERR no keywords supplied");
    for (const name of names) this.#events.add(name);
    this.#reply(`+OK event listener enabled ${this.#format}`);
  }

  #unsubscribeFrom(argument: string): void {
    const names = argument
      .toUpperCase()
      .split(/\s+/)
      .filter((word) => word !== "");
    if (names.length === 0) return this.#reply("-ERR no keywords supplied");
    if (names.includes("ALL")) this.#events.clear();
    for (const name of names) this.#events.delete(name);
    this.#reply("+OK events nixed");
  }

  #noEvents(): void {
    if (this.#events.size === 0) return this.#reply("-ERR not listening for events");
    this.#events.clear();
    this.#reply("+OK no longer listening for events");
  }

  #filter(argument: string): void {
    const [first, rest] = splitOnce(argument, / /);
    if (first === "") return this.#reply("-ERR command not found");
    if (first === "delete") {
      const [header, value] = splitOnce(rest, / /);
      const kept = (filter: { header: string; value: string }) =>
        header !== "all" && (filter.header !== header || (value !== "" && filter.value !== value));
      this.#filters = this.#filters.filter(kept);
      return this.#reply(`+OK filter deleted. [${header}][${value}]`);
    }
    if (rest === "") return this.#reply("-ERR invalid syntax");
    this.#filters.push({ header: first, value: rest });
    this.#reply(`+OK filter added. [${first}]=[${rest}]`);
  }

  #sendMessage(command: EslCommand, uuid: string): void {
    const channel = liveChannel(this.#core, uuid);
    if (channel === null) return this.#reply(`-ERR invalid session id [${uuid}]`);
    const { headers } = command;
    const order = headers.get("call-command");
    if (order === "hangup") hangUp(this.#core, channel, causeNamed(headers.get("hangup-cause")));
    if (order === "execute") {
      const argument = headers.get("execute-app-arg") ?? command.body;
      channel.applications.queue(headers.get("execute-app-name") ?? "", argument, {
        uuid: headers.get("event-uuid") ?? newUuid(this.#core.ids),
        loops: Number.parseInt(headers.get("loops") ?? "1", 10) || 1,
        locked: headers.get("event-lock") === "true",
      });
    }
    const argument = (name: string) => headers.get(name) ?? "";
    // In the channel's own thread, at its next tick.
    if (order === "unicast")
      this.#core.clock.after(tickMs, () => {
        startUnicast(channel, {
          local: { host: argument("local-ip"), port: Number(argument("local-port")) },
          remote: { host: argument("remote-ip"), port: Number(argument("remote-port")) },
        });
      });
    if (order === "xferext" && argument("application") === "park")
      this.#core.clock.after(tickMs, () => {
        if (channel.cause !== null) return;
        unpark(this.#core, channel);
        startPark(this.#core, channel);
      });
    this.#reply("+OK");
  }

  #deliver(event: EslEvent): void {
    if (!this.#authenticated || !(this.#events.has("ALL") || this.#wants(event))) return;
    const wanted = ({ header, value }: { header: string; value: string }) =>
      event.headers.get(header) === value;
    if (this.#filters.length > 0 && !this.#filters.some(wanted)) return;
    this.#waitingEvents += 1;
    if (this.#waitingEvents > waitingEventsMax) {
      this.#socket.destroy();
      return;
    }
    this.#socket.write(eventFrame(event, this.#format), () => (this.#waitingEvents -= 1));
  }

  #wants({ name, headers }: EslEvent): boolean {
    if (!this.#events.has(name)) return false;
    return name !== "CUSTOM" || this.#subclasses.has(headers.get("Event-Subclass") ?? "");
  }

  #reply(text: string, more: [string, string][] = []): void {
    const lines = [["Content-Type", "command/reply"], ["Reply-Text", text], ...more];
    this.#send(`${lines.map(([name, value]) => `${name ?? ""}: ${value ?? ""}`).join("\n")}\n\n`);
  }

  #disconnect(farewell: string): void {
    this.#unsubscribe();
    this.#send(
      `Content-Type: text/disconnect-notice\nContent-Length: ${Buffer.byteLength(farewell)}\n\n${farewell}`,
    );
    this.#socket.end();
  }

  #send(text: string): void {
    if (!this.#socket.destroyed && this.#socket.writable) this.#socket.write(text);
  }
}
