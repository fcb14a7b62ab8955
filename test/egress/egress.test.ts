import { gzipSync } from "node:zlib";
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createTlsServer, type Server } from "node:https";
import { createServer, type AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { systemClock } from "../../engine/clock.ts";
import { EgressError, type EgressFault } from "../../engine/egress/egress-error.ts";
import { createEgress, type EgressRequest } from "../../engine/egress/egress.ts";
import { isError } from "../../engine/errors.ts";
import { hanging, ok, Receiver } from "../webhooks/receiver.ts";
import { until } from "../webhooks/until.ts";

const clock = systemClock;
const ask = (url: string, more: Partial<EgressRequest> = {}): EgressRequest => ({
  method: "GET",
  url,
  timeoutMs: 2000,
  maxBytes: 1024,
  ...more,
});
const fails = (fault: EgressFault) => (error: unknown) =>
  error instanceof EgressError && error.fault === fault;

describe("egress: what leads inside is refused, at save and at connect", () => {
  let receiver: Receiver;
  before(async () => {
    receiver = await Receiver.listen();
  });
  after(() => receiver.close());

  const names: Record<string, string[]> = {
    "inside.example": ["10.1.2.3"],
    "loopback.example": ["127.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "mixed.example": ["93.184.215.14", "127.0.0.1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "v6.example": ["::1"],
    localhost: ["127.0.0.1", "::1"],
    "hooks.localhost": ["127.0.0.1"],
    "localhost.": ["127.0.0.1"],
    "public.example": ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
  };
  const resolve = (name: string) => {
    const found = names[name];
    return found ? Promise.resolve(found) : Promise.reject(new Error("ENOTFOUND"));
  };
  const egress = createEgress({ clock, allowPrivate: false, resolve });

  for (const [what, url] of [
    ["loopback", "http://127.0.0.1:PORT/"],
    ["loopback, another of its addresses", "http://127.9.9.9:PORT/"],
    ["loopback, short", "http://127.1:PORT/"],
    ["loopback, in decimal", "http://2130706433:PORT/"],
    ["loopback, in octal", "http://0177.0.0.01:PORT/"],
    ["loopback, in hex", "http://0x7f000001:PORT/"],
    ["loopback, in hex by part", "http://0x7f.0x0.0x0.0x1:PORT/"],
    ["loopback, forms mixed", "http://0x7f.0.1:PORT/"],
    ["loopback, full-width digits and dots", "http://１２７。０。０。１:PORT/"],
    ["loopback, percent-encoded", "http://%31%32%37.0.0.1:PORT/"],
    ["loopback, with a dot at the end", "http://127.0.0.1.:PORT/"],
    ["loopback, enclosed letters", "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/"],
    ["nowhere", "http://0.0.0.0:PORT/"],
    ["nowhere, shorter", "http://0:PORT/"],
    ["IPv6 loopback", "http://[::1]:PORT/"],
    ["IPv6 loopback, written out", "http://[0:0:0:0:0:0:0:1]:PORT/"],
    ["IPv6 nowhere", "http://[::]:PORT/"],
    ["IPv4-mapped", "http://[::ffff:127.0.0.1]:PORT/"],
    ["IPv4-mapped, in hex", "http://[::ffff:7f00:1]:PORT/"],
    ["IPv4-compatible", "http://[::127.0.0.1]:PORT/"],
    ["NAT64", "http://[64:ff9b::7f00:1]:PORT/"],
    ["6to4", "http://[2002:7f00:1::]:PORT/"],
    ["link-local", "http://[fe80::1]:PORT/"],
    ["unique-local", "http://[fd00:ec2::254]/latest/meta-data"],
    ["cloud metadata", "http://169.254.169.254/latest/meta-data"],
    ["cloud metadata, in decimal", "http://2852039166/latest/meta-data"],
    ["private", "https://192.168.0.1/"],
    ["carrier-grade NAT", "http://100.64.1.1/"],
    ["broadcast", "http://255.255.255.255/"],
    ["a name that leads inside", "https://inside.example/"],
    ["a name that leads to metadata", "https://metadata.example/"],
    ["a name with one good address and one bad", "http://mixed.example:PORT/"],
    ["a name with a mapped address", "http://mapped.example:PORT/"],
    ["a name with an IPv6 loopback", "http://v6.example:PORT/"],
    ["localhost", "http://localhost:PORT/"],
    ["localhost with a dot", "http://localhost.:PORT/"],
    ["a name under localhost", "http://hooks.localhost:PORT/"],
    ["user-info that looks like a host", "http://public.example@127.0.0.1:PORT/"],
    ["user-info", "http://user:secret@public.example/"],
    ["a user alone", "http://user@public.example/"],
    ["another protocol", "file:///etc/passwd"],
    ["gopher", "gopher://public.example:70/_x"],
    ["a data URL", "data:text/plain,habari"],
    ["no protocol", "public.example/hook"],
    ["port 0", "http://public.example:0/"],
    ["nothing", ""],
    ["a URL without end", `https://public.example/${"a".repeat(2048)}`],
  ] as const) {
    it(what, async () => {
      const target = url.replace("PORT", String(receiver.port));

      await assert.rejects(egress.checkUrl(target, "url"), (error: unknown) => {
        assert(isError(error, "webhooks.url_not_allowed"));
        assert.deepEqual(
          error.fields.map(({ field, code }) => [field, code]),
          [["url", "url"]],
        );
        assert(!error.message.includes("secret"));
        return true;
      });
      await assert.rejects(egress.request(ask(target)), fails("blocked"));
      assert.equal(receiver.received.length, 0);
    });
  }

  it("a public name passes at save", async () => {
    await egress.checkUrl("https://public.example:8443/hook?x=1", "url");
  });

  it("a name that nobody knows is refused at save, and says so at connect", async () => {
    await assert.rejects(egress.checkUrl("https://nobody.example/", "url"), /could not be resolved/);
    await assert.rejects(egress.request(ask("https://nobody.example/")), fails("dns"));
  });

  it("a name that is rebound between the check and the connection gets nowhere, and is asked once", async () => {
    let asked = 0;
    // A resolver of the attacker's: public to whoever asks first, loopback ever after. One SYN goes out, to nobody.
    const rebinding = () => Promise.resolve(asked++ === 0 ? ["203.0.114.1"] : ["127.0.0.1"]);
    const victim = createEgress({ clock, allowPrivate: false, resolve: rebinding });
    await assert.rejects(
      victim.request(ask(`http://rebind.example:${receiver.port}/`, { timeoutMs: 300 })),
      (error: unknown) => error instanceof EgressError && error.fault !== "blocked",
    );
    assert.equal(asked, 1);
    await assert.rejects(victim.request(ask(`http://rebind.example:${receiver.port}/`)), fails("blocked"));
    assert.equal(receiver.received.length, 0);
  });

  it("the operator may allow what is private, but no user-info and no other protocol", async () => {
    const open = createEgress({ clock, allowPrivate: true });
    await open.checkUrl(receiver.url(), "url");
    assert.equal((await open.request(ask(receiver.url()))).status, 200);
    await assert.rejects(open.checkUrl("http://user@127.0.0.1/", "url"), /user name/);
    await assert.rejects(open.checkUrl("ftp://127.0.0.1/", "url"), /http/);
  });
});

describe("egress: a request", () => {
  const resolve = () => Promise.resolve(["127.0.0.1"]);
  const egress = createEgress({ clock, allowPrivate: true, resolve });
  let receiver: Receiver;
  beforeEach(async () => {
    receiver = await Receiver.listen();
  });
  afterEach(async () => {
    await until(() => receiver.open === 0, "no sockets");
    await receiver.close();
  });

  it("keeps the name for the Host header, and sends method, headers and body as given", async () => {
    receiver.behaviour = (_got, response) => void response.writeHead(201, { "X-Kept": "yes" }).end("asante");
    const url = `http://hooks.wanjiru.example:${receiver.port}/a%20b?c=d#e`;

    const answer = await egress.request(
      ask(url, { method: "POST", headers: { "X-Habari": "njema" }, body: "ndiyo 👋" }),
    );

    const [got] = receiver.received;
    assert.deepEqual([got!.method, got!.path, got!.body], ["POST", "/a%20b?c=d", "ndiyo 👋"]);
    assert.equal(got!.headers.host, `hooks.wanjiru.example:${receiver.port}`);
    assert.equal(got!.headers["x-habari"], "njema");
    assert.equal(got!.headers["content-length"], String(Buffer.byteLength("ndiyo 👋")));
    assert.deepEqual(
      [answer.status, answer.headers["x-kept"], answer.body.toString()],
      [201, "yes", "asante"],
    );
    assert.equal(answer.truncated, false);
    assert(answer.latencyMs >= 0 && answer.latencyMs < 2000);
  });

  it("follows no redirect", async () => {
    receiver.behaviour = (_got, response) =>
      void response.writeHead(307, { Location: receiver.url("/next") }).end();
    assert.equal((await egress.request(ask(receiver.url()))).status, 307);
    assert.equal(receiver.received.length, 1);
  });

  it("reads an answer as far as it was told to, and hangs up on the rest", async () => {
    receiver.behaviour = (_got, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, "x")));
      };
      response.on("drain", more);
      more();
    };
    const answer = await egress.request(ask(receiver.url()));
    assert.deepEqual([answer.status, answer.body.length, answer.truncated], [200, 1024, true]);
  });

  it("unpacks nothing: an answer that says it is packed stays as small as it came", async () => {
    const bomb = gzipSync(Buffer.alloc(1_000_000));
    receiver.behaviour = (_got, response) =>
      void response.writeHead(200, { "Content-Encoding": "gzip" }).end(bomb.subarray(0, 1024));
    const answer = await egress.request(ask(receiver.url()));
    assert.deepEqual([answer.body, answer.truncated], [bomb.subarray(0, 1024), false]);
  });

  it("an answer of exactly the limit is whole", async () => {
    receiver.behaviour = (_got, response) => void response.end(Buffer.alloc(1024));
    const answer = await egress.request(ask(receiver.url()));
    assert.deepEqual([answer.body.length, answer.truncated], [1024, false]);
  });

  for (const [what, behaviour, fault] of [
    ["hangs", hanging, "timeout"],
    [
      "answers half its headers and hangs",
      (_g, _r, request) => void request.socket.write("HTTP/1.1 200 OK\r\nX-A"),
      "timeout",
    ],
    [
      "drips its body",
      (_got, response) => {
        const timer = setInterval(() => response.write("."), 10);
        response.on("close", () => clearInterval(timer));
      },
      "timeout",
    ],
    [
      "drips its headers",
      (_got, _response, { socket }) => {
        socket.write("HTTP/1.1 200 OK\r\n");
        const timer = setInterval(() => socket.write("X-Drip: 1\r\n"), 10);
        socket.on("close", () => clearInterval(timer));
      },
      "timeout",
    ],
    ["closes at once", (_g, _r, request) => void request.socket.destroy(), "reset"],
    ["resets", (_g, _r, request) => void request.socket.resetAndDestroy(), "reset"],
    [
      "closes in the middle of its body",
      (_g, response) =>
        void response.writeHead(200, { "Content-Length": "50" }).write("half", () => response.destroy()),
      "reset",
    ],
    [
      "speaks no HTTP",
      (_g, _r, request) => void request.socket.end("220 mail.example ESMTP\r\n"),
      "protocol",
    ],
    [
      "sends a header without end",
      (_g, _r, request) => void request.socket.write(`HTTP/1.1 200 OK\r\nX: ${"y".repeat(100_000)}`),
      "protocol",
    ],
    [
      "switches protocols",
      (_g, _r, request) =>
        void request.socket.write("HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"),
      "reset",
    ],
  ] satisfies [string, Receiver["behaviour"], EgressFault][]) {
    it(`to a server that ${what} ends as ${fault}`, async () => {
      receiver.behaviour = behaviour;
      await assert.rejects(egress.request(ask(receiver.url(), { timeoutMs: 250 })), fails(fault));
    });
  }

  it("to a port that nobody listens on ends as refused", async () => {
    const gone = createServer().listen(0, "127.0.0.1");
    await once(gone, "listening");
    const { port } = gone.address() as AddressInfo;
    gone.close();
    await assert.rejects(egress.request(ask(`http://127.0.0.1:${port}/`)), fails("refused"));
  });

  it("to a name whose server never answers ends with the time", async () => {
    const slow = createEgress({ clock, allowPrivate: true, resolve: () => new Promise(() => undefined) });
    await assert.rejects(slow.request(ask("http://slow.example/", { timeoutMs: 50 })), fails("timeout"));
  });

  it("given up by its caller ends as aborted, before and during", async () => {
    receiver.behaviour = hanging;
    const controller = new AbortController();
    const asked = egress.request(ask(receiver.url(), { signal: controller.signal }));
    await receiver.told(1);
    controller.abort();
    await assert.rejects(asked, fails("aborted"));
    await assert.rejects(
      egress.request(ask(receiver.url(), { signal: controller.signal })),
      fails("aborted"),
    );
    assert.equal(receiver.received.length, 1);
  });

  it("tries a name's next address when the first one is dead", async () => {
    receiver.behaviour = ok;
    const both = createEgress({
      clock,
      allowPrivate: true,
      resolve: () => Promise.resolve(["127.0.0.9", "127.0.0.1"]),
    });
    assert.equal((await both.request(ask(`http://two.example:${receiver.port}/`))).status, 200);
  });

  it("reaches a name that has an IPv6 address alone", async function () {
    if (!(networkInterfaces()["lo"] ?? []).some(({ address }) => address === "::1")) return this.skip();
    const six = await Receiver.listen(ok, 0, "::1");
    const egress = createEgress({ clock, allowPrivate: true, resolve: () => Promise.resolve(["::1"]) });
    assert.equal((await egress.request(ask(`http://six.example:${six.port}/`))).status, 200);
    assert.equal((await egress.request(ask(`http://[::1]:${six.port}/`))).status, 200);
    await until(() => six.open === 0, "no sockets");
    await six.close();
  });
});

describe("egress: TLS", () => {
  const file = (name: string) => readFileSync(join(import.meta.dirname, "fixtures", name), "utf8");
  const cert = file("hooks.example.cert.pem");
  const egress = createEgress({ clock, allowPrivate: true, resolve: () => Promise.resolve(["127.0.0.1"]) });
  let server: Server;
  let port: number;
  let askedFor: unknown;
  const usual = getCACertificates("default");

  before(async () => {
    server = createTlsServer({ cert, key: file("hooks.example.key.pem") }, (request, response) => {
      askedFor = (request.socket as { servername?: unknown }).servername;
      response.end("salama");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    port = (server.address() as AddressInfo).port;
  });
  afterEach(() => setDefaultCACertificates(usual));
  after(() => void server.close());

  it("asks for the name and checks the certificate against it, though it connects to the address", async () => {
    setDefaultCACertificates([...usual, cert]);
    const answer = await egress.request(ask(`https://hooks.wanjiru.example:${port}/`));
    assert.equal(answer.body.toString(), "salama");
    assert.equal(askedFor, "hooks.wanjiru.example");
    await assert.rejects(egress.request(ask(`https://hooks.otieno.example:${port}/`)), fails("tls"));
  });

  it("refuses a certificate that nobody vouches for", async () => {
    await assert.rejects(egress.request(ask(`https://hooks.wanjiru.example:${port}/`)), fails("tls"));
  });

  it("ends as tls where the other side speaks plain HTTP", async () => {
    const plain = await Receiver.listen();
    await assert.rejects(egress.request(ask(`https://127.0.0.1:${plain.port}/`)), fails("tls"));
    await plain.close();
  });
});
