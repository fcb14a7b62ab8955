import { spawnSync } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const loopback = "127.0.0.1";
const typeAaaa = 28;

/** Its `/etc/hosts` and `/etc/resolv.conf` are the two named first. */
const script = 'mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"';

/** Over UDP: knows one name, which has an IPv6 address alone. */
export class NameServer {
  readonly name = "lamu.example";
  /** RFC 3849: it leads nowhere. Not the loopback, which the C library hands out as 127.0.0.1 too. */
  readonly address = "2001:db8::5060";
  readonly #socket: Socket;
  readonly #folder: string;
  /** What a program is started by whose names are this one's, in a mount namespace of its own. */
  readonly within: readonly string[];

  static async open(): Promise<NameServer> {
    const socket = createSocket("udp4").bind(0, loopback);
    await once(socket, "listening");
    return new NameServer(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("message", (question, { address: host, port }) => {
      const answer = this.#answer(question);
      if (answer) socket.send(answer, port, host);
    });
    this.#folder = mkdtempSync(join(tmpdir(), "name-server-"));
    const [hosts, resolver] = [join(this.#folder, "hosts"), join(this.#folder, "resolv.conf")];
    // The C library reads the first, and asks port 53 whatever the second says; sofia-sip reads the second alone.
    writeFileSync(hosts, `${readFileSync("/etc/hosts", "utf8")}\n${this.address} ${this.name}\n`);
    writeFileSync(resolver, `nameserver ${loopback}\nport ${socket.address().port}\n`);
    this.within = [...unshare, "sh", "-c", script, hosts, resolver];
  }

  close(): void {
    this.#socket.close();
    rmSync(this.#folder, { recursive: true });
  }

  /** RFC 1035 §4.1; undefined: it asks nothing. */
  #answer(question: Buffer): Buffer | undefined {
    const labels: string[] = [];
    let at = 12;
    for (let length = question[at]; length; length = question[at]) {
      labels.push(question.toString("latin1", at + 1, at + 1 + length));
      at += 1 + length;
    }
    if (question.length < at + 5) return undefined;
    const type = question.readUInt16BE(at + 1);
    const name = labels.join(".").toLowerCase();
    const has = name === this.name && type === typeAaaa;
    const header = Buffer.alloc(12);
    question.copy(header, 0, 0, 2);
    // An authoritative answer; NXDOMAIN for other names.
    header.writeUInt16BE(0x8400 | (name === this.name ? 0 : 3), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(has ? 1 : 0, 6);
    const asked = question.subarray(12, at + 5);
    // The name by its place in the question, AAAA, IN, 60 s, 16 bytes.
    const record = Buffer.from("c00c001c00010000003c0010" + addressHex, "hex");
    return Buffer.concat([header, asked, ...(has ? [record] : [])]);
  }
}

const addressHex = "20010db8000000000000000000005060";
const unshare = ["unshare", ...(process.getuid?.() === 0 ? [] : ["--map-root-user"]), "--mount"];

/** Why no program can have names of its own here; undefined: it can. */
export function ownNamesMissing(): string | undefined {
  const [command = "", ...args] = unshare;
  const { status, stderr, error } = spawnSync(
    command,
    [...args, "sh", "-c", "mount --bind /etc/hosts /etc/hosts"],
    { encoding: "utf8" },
  );
  if (status === 0) return undefined;
  // Where there is no such command nothing was said either.
  return error?.message ?? (stderr.trim() || "unshare failed");
}
