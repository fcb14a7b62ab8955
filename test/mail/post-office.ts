import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";

/** A mail server that keeps what it is given, and refuses whom it is told to. */
export class PostOffice {
  readonly received: { to: string[]; text: string }[] = [];
  readonly refusals = new Map<string, number>();
  readonly #server = new SMTPServer({
    disabledCommands: ["STARTTLS"],
    authOptional: true,
    logger: false,
    onAuth: ({ password }, _session, done) =>
      password === "right" ? done(null, { user: "sautikit" }) : done(new Error("wrong password")),
    onRcptTo: ({ address }, _session, done) => {
      const responseCode = this.refusals.get(address);
      done(responseCode ? Object.assign(new Error("refused"), { responseCode }) : null);
    },
    onData: (stream, { envelope }, done) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        this.received.push({ to: envelope.rcptTo.map(({ address }) => address), text });
        done();
      });
    },
  });
  port = 0;

  async open(): Promise<void> {
    const server = this.#server.listen(0, "127.0.0.1");
    await once(server, "listening");
    this.port = (server.address() as AddressInfo).port;
  }

  url = (password = "right") => `smtp://sautikit:${password}@127.0.0.1:${this.port}`;
  close = () => new Promise<void>((closed) => this.#server.close(closed));
}
