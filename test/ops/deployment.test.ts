import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parse } from "yaml";
import { describeConfig, readConfig } from "../../cli/config.ts";
import { roles } from "../../cli/compose.ts";
import { startProcess, type Child } from "../peers/child.ts";
import { freePort } from "../peers/free-ports.ts";
import { eventually } from "../peers/waiting.ts";
import { Customer } from "../world/customer.ts";
import { assembleApp, copiedPaths } from "./production-folder.ts";

const root = join(import.meta.dirname, "../..");
const text = (name: string) => readFileSync(join(root, name), "utf8");

const settings = new Set([...describeConfig({}).matchAll(/^([A-Z0-9_]+)=/gm)].map(([, name = ""]) => name));
/** Of FreeSWITCH's configuration, as its page has them. */
const ofFreeSwitch = new Set(
  [...text("freeswitch-conf/README.md").matchAll(/^\|( `[^|]+`) +\|/gm)].flatMap(([, cell = ""]) =>
    [...cell.matchAll(/`([A-Z_]+)`/g)].map(([, name = ""]) => name),
  ),
);
/** Compose's, and what other programs' images are told. */
const ofOthers = new Set([
  ...["SAUTIKIT_IMAGE", "FREESWITCH_IMAGE", "DRACHTIO_IMAGE", "POSTGRES_IMAGE", "S3_IMAGE"],
  ...["COMPOSE_PROFILES", "POSTGRES_PASSWORD", "DRACHTIO_SECRET"],
]);

interface Service {
  image: string;
  command?: string[];
  entrypoint?: string[];
  init?: boolean;
  env_file?: string;
  environment?: Record<string, string | null>;
  volumes?: string[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test?: string[]; disable?: boolean };
}
const composeText = text("compose.yaml");
const { services, volumes } = parse(composeText, { merge: true }) as {
  services: Record<string, Service>;
  volumes: Record<string, null>;
};
const ours = ["api", "controller"].map((name) => services[name]!);

/** Each line of .env.example, those too that are commented out. */
const example = new Map(
  [...text(".env.example").matchAll(/^#?([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(([, name = "", value = ""]) => [
    name,
    value,
  ]),
);
/** As somebody fills it in. */
const filled: Record<string, string> = {
  ...Object.fromEntries(
    [...example].filter(([name]) => new RegExp(`^${name}=`, "m").test(text(".env.example"))),
  ),
  ...{
    FREESWITCH_IMAGE: "freeswitch",
    S3_IMAGE: "minio",
    POSTGRES_PASSWORD: "a1",
    ESL_PASSWORD: "b2",
    SIP_HOST: "203.0.113.4",
  },
  ...{ S3_ACCESS_KEY_ID: "c3", S3_SECRET_ACCESS_KEY: "d4", SECRETS_KEY: "0".repeat(64) },
};
/** Compose's own substitution, as far as compose.yaml uses it. */
const substituted = (value: string, env: Record<string, string>) =>
  value.replace(
    /\$\{([A-Z0-9_]+)(:-([^}]*)|:\?)?\}/g,
    (_, name: string, how: string | undefined, fallback = "") => {
      const set = env[name] ?? "";
      if (how === ":?") assert.ok(set !== "", `${name} is required`);
      return set === "" ? fallback : set;
    },
  );

describe("the Dockerfile", () => {
  const dockerfile = text("Dockerfile");
  const folder = mkdtempSync(join(tmpdir(), "sautikit-image-"));
  const app = join(folder, "app");
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("is of the Node that the lock file has, ends as nobody special, and copies what there is", () => {
    const wanted = (JSON.parse(text("package.json")) as { dependencies: { node: string } }).dependencies.node;
    for (const [, major] of dockerfile.matchAll(/^FROM node:(\d+)/gm))
      assert.equal(major, wanted.split(".")[0]);
    const last = dockerfile.slice(dockerfile.lastIndexOf("\nFROM "));
    assert.match(last, /\nUSER node\n/);
    assert.doesNotMatch(last.slice(last.indexOf("\nUSER node")), /\nRUN /);
    const left = new Set(text(".dockerignore").split("\n"));
    for (const { from } of copiedPaths(dockerfile)) {
      assert.ok(existsSync(join(root, from)), from);
      assert.ok(!left.has(from), `${from} is left out by .dockerignore`);
    }
    assert.ok(left.has(".env*"), "secrets stay outside");
  });

  it("copies all that the product needs: what it assembles starts, is healthy, speaks, records, and saves itself", async function () {
    this.timeout(180_000);
    mkdirSync(app);
    assembleApp(root, app);
    assert.ok(!existsSync(join(app, "node_modules/typescript")), "without what is for development");
    const port = await freePort();
    const env = {
      ...{ NODE_ENV: "production", DATA_DIR: join(folder, "data"), PORT: String(port), LOG_LEVEL: "warn" },
      ...{ METRICS_PORT: String(await freePort()), NODE_PATH: "" },
    };
    const run = (args: string[]) =>
      spawnSync(process.execPath, args, { cwd: app, env: { ...process.env, ...env }, encoding: "utf8" });
    const [, program = "[]"] = /^CMD (\[.*\])$/m.exec(dockerfile) ?? [];
    const [, check = "[]"] = /^HEALTHCHECK .* CMD (\[.*\])$/m.exec(dockerfile) ?? [];
    const healthy = (JSON.parse(check) as string[]).slice(1);
    assert.equal(run(healthy).status, 1, "nobody is there yet");

    let child: Child | undefined;
    try {
      child = startProcess(
        "sh",
        ["-c", 'cd "$0" && exec "$@"', app, process.execPath, ...(JSON.parse(program) as string[]).slice(1)],
        {
          env,
          outputFile: join(folder, "output"),
        },
      );
      await eventually("its health", () => (run(healthy).status === 0 ? true : undefined), {
        withinMs: 30_000,
        everyMs: 200,
      });
      const demo = await eventually(
        "the demo workspace",
        () =>
          JSON.parse(readFileSync(join(env.DATA_DIR, "demo.json"), "utf8")) as {
            api_key: string;
            number: string;
          },
      );
      const customer = new Customer(`http://127.0.0.1:${port}`, demo.api_key);
      const id = await customer.place({
        ...{ from: demo.number, to: "+254700000001", record: true },
        actions: [{ say: { text: "Habari", language: "sw" } }],
      });
      const call = await customer.ended(id, 30_000);
      assert.equal(call.status, "completed");
      const said = call.events.map(({ kind }) => kind).filter((kind) => kind.startsWith("say."));
      assert.deepEqual(said, ["say.started", "say.finished"]);
      await customer.download(id, call.legs[0]!.recording_ids[0]!);
      for (const args of [["version"], ["doctor"], ["backup", join(folder, "copy")], ["ledger", "verify"]]) {
        const { status, stderr } = run(["cli/sautikit.ts", ...args]);
        assert.equal(status, 0, `${args.join(" ")}: ${stderr}`);
      }
    } finally {
      await child?.stop();
    }
  });
});

describe("compose.yaml and .env.example", () => {
  it("name only variables that somebody reads", () => {
    const known = (name: string) => settings.has(name) || ofFreeSwitch.has(name) || ofOthers.has(name);
    assert.deepEqual(
      [...example.keys()].filter((name) => !known(name)),
      [],
    );
    for (const [, name = ""] of composeText.matchAll(/\$\{([A-Z0-9_]+)/g)) assert.ok(known(name), name);
    for (const service of ours)
      for (const name of Object.keys(service.environment ?? {})) assert.ok(settings.has(name), name);
    const freeswitch = Object.keys(services["freeswitch"]!.environment ?? {});
    assert.deepEqual(
      freeswitch.filter((name) => !ofFreeSwitch.has(name)),
      [],
    );
    // Those that have a value of compose.yaml's own are on loopback, and stay as they are.
    const kept = ["ESL_HOST", "ESL_PORT", "ESL_ALLOW"];
    assert.deepEqual(
      [...ofFreeSwitch].filter((name) => !freeswitch.includes(name) && !kept.includes(name)),
      [],
    );
  });

  it("ask for each variable without a default in .env.example", () => {
    for (const [, name = "", fallback] of composeText.matchAll(/\$\{([A-Z0-9_]+)(:-)?/g))
      assert.ok(fallback !== undefined || example.has(name), name);
  });

  it("filled in are a configuration that Sautikit takes, in each role", () => {
    for (const service of ours) {
      const own = Object.entries(service.environment ?? {}).map(([name, value]) => [
        name,
        substituted(value ?? "", filled),
      ]);
      const env = { ...filled, ...(Object.fromEntries(own) as Record<string, string>) };
      const config = readConfig(env);
      assert.equal(config.database.kind, "postgres");
      assert.deepEqual(config.boxes[0]?.sip, { host: "203.0.113.4", port: 5060 });
      assert.equal(config.spoolDir, services["freeswitch"]!.environment!["SPOOL_DIR"]);
      const [node, program, start, flag, wanted = ""] = service.command ?? [];
      assert.deepEqual([node, program, start, flag], ["node", "cli/sautikit.ts", "start", "--role"]);
      for (const role of wanted.split(",")) assert.ok((roles as readonly string[]).includes(role), role);
    }
    const all = ours.flatMap(({ command = [] }) => command.at(-1)!.split(","));
    assert.deepEqual(all.sort(), [...roles].sort());
    const ports = ours.map(({ environment }) => environment!["METRICS_PORT"]);
    assert.equal(new Set(ports).size, ports.length);
  });

  it("lead to services, volumes, files and health checks that there are", () => {
    const used = new Set<string>();
    for (const [name, service] of Object.entries(services)) {
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        assert.ok(services[other], `${name} depends on ${other}`);
        if (condition === "service_healthy")
          assert.ok(services[other].healthcheck?.test, `${other} has a check`);
      }
      for (const volume of service.volumes ?? []) {
        const [from = ""] = volume.split(":");
        if (from.startsWith("./")) assert.ok(existsSync(join(root, from)), from);
        else used.add(from);
      }
    }
    assert.deepEqual([...used].sort(), Object.keys(volumes).sort());
  });

  it("have a stop heard while Sautikit still starts: the kernel keeps a SIGTERM from a process 1 that does not wait for it", () => {
    for (const service of ours) assert.equal(service.init, true);
  });

  it("start FreeSWITCH as its page says", () => {
    const folder = mkdtempSync(join(tmpdir(), "sautikit-fs-"));
    const told = join(folder, "freeswitch");
    writeFileSync(told, '#!/bin/sh\nprintf "%s\\n" "$@"\n');
    chmodSync(told, 0o755);
    const script = services["freeswitch"]!.entrypoint!.at(-1)!.replaceAll("$$", "$");
    const { status, stdout, stderr } = spawnSync("sh", ["-c", script], {
      cwd: folder,
      env: { ...process.env, PATH: `${folder}:${process.env["PATH"] ?? ""}` },
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
    const [, page = ""] = /^exec freeswitch ([\s\S]*?)\n```/m.exec(text("freeswitch-conf/README.md")) ?? [];
    const flags = (words: string[]) => words.filter((word) => word.startsWith("-")).sort();
    assert.deepEqual(flags(stdout.split("\n")), flags(page.split(/\s+/)));
    assert.ok(existsSync(join(folder, "htdocs")));
    rmSync(folder, { recursive: true, force: true });
  });
});

describe("the systemd units", () => {
  const units = globSync("ops/systemd/*", { cwd: root }).sort();

  it("set only what somebody reads, and start what there is", () => {
    for (const unit of units.filter((name) => name.endsWith(".service"))) {
      const content = text(unit);
      for (const [, line = ""] of content.matchAll(/^Environment=(.+)$/gm))
        for (const pair of line.split(" ")) {
          const [name = ""] = pair.split("=");
          assert.ok(settings.has(name) || name === "NODE_ENV", `${unit}: ${name}`);
        }
      const [, words = ""] = /cli\/sautikit\.ts ([a-z ]+)/.exec(content) ?? [];
      const command = words.trim();
      if (unit.endsWith("sautikit-freeswitch.service")) {
        const [, page = ""] =
          /^exec freeswitch ([\s\S]*?)\n```/m.exec(text("freeswitch-conf/README.md")) ?? [];
        const [, line = ""] = /^ExecStart=\/usr\/bin\/freeswitch (.+)$/m.exec(content) ?? [];
        const flags = (all: string) =>
          all
            .split(/\s+/)
            .filter((word) => word.startsWith("-"))
            .sort();
        assert.deepEqual(flags(line), flags(page));
      } else assert.match(command, /^(start|ledger verify|recordings verify|backup)$/, unit);
      for (const wanted of ["User=sautikit", "UMask=0077", "NoNewPrivileges=yes", "ProtectSystem=strict"])
        assert.ok(content.includes(`\n${wanted}\n`), `${unit}: ${wanted}`);
    }
    for (const timer of units.filter((name) => name.endsWith(".timer")))
      assert.ok(units.includes(timer.replace(".timer", ".service")), timer);
  });

  it("save a box's spool after the database, also where both catch up after a downtime", () => {
    const content = text("ops/systemd/sautikit-backup-spool.service");
    assert.match(content, /^ExecStart=.* backup --spool-only --after-database /m);
    // Another machine saves the database: it is waited for.
    assert.match(content, /^Restart=on-failure$/m);
    const [atMs, databaseAtMs] = ["-spool", ""].map((name) => {
      const [, at = ""] = /^OnCalendar=\*-\*-\* ([\d:]+)$/m.exec(
        text(`ops/systemd/sautikit-backup${name}.timer`),
      )!;
      return Date.parse(`2026-12-01T${at}Z`);
    });
    assert.ok(atMs! > databaseAtMs!);
  });

  it("are named in docs/deploy.md", () => {
    for (const unit of units) assert.ok(text("docs/deploy.md").includes(basename(unit)), unit);
  });

  const lacks = spawnSync("systemd-analyze", ["--version"]).error !== undefined;
  const title = "are units that systemd takes, and exposed to little";
  (lacks ? it.skip : it)(
    lacks ? `${title} (skipped: this machine lacks systemd-analyze)` : title,
    function () {
      this.timeout(60_000);
      const folder = mkdtempSync(join(tmpdir(), "sautikit-units-"));
      for (const unit of units) {
        // What they start is where it is installed, and not here.
        const content = text(unit).replace(/^(Exec\w+=)\S+/gm, "$1/bin/true");
        writeFileSync(join(folder, basename(unit)), content);
      }
      for (const unit of units) {
        const path = join(folder, basename(unit));
        const { status, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", path], {
          encoding: "utf8",
        });
        const own = stderr.split("\n").filter((line) => line.includes("sautikit"));
        assert.deepEqual([status, own], [0, []], unit);
        if (!unit.endsWith(".service")) continue;
        const rated = spawnSync("systemd-analyze", ["security", "--offline=true", "--threshold=25", path]);
        assert.equal(rated.status, 0, `${unit}\n${rated.stdout.toString()}`);
      }
      rmSync(folder, { recursive: true, force: true });
    },
  );
});
