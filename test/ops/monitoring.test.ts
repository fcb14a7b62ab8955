import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { usage } from "../../cli/usage.ts";
import { startEdgeUnderTest, type EdgeUnderTest } from "../peers/edge-under-test.ts";
import { scrape, type Scrape } from "../peers/scrape.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { nairobi, TestWorld } from "../world/world.ts";
import { sautikit } from "../cli/sautikit.ts";
import { metricsIn } from "./promql.ts";

const root = join(import.meta.dirname, "../..");
const text = (name: string) => readFileSync(join(root, name), "utf8");

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; runbook: string };
}
interface Target {
  expr: string;
  refId: string;
  datasource: { uid: string };
}
interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: { uid: string };
  targets?: Target[];
}
interface Dashboard {
  schemaVersion: number;
  panels: Panel[];
  templating: { list: { name: string; type: string; query: unknown }[] };
  annotations: { list: { expr?: string }[] };
}

const { groups } = parse(text("ops/prometheus/alerts.yaml")) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(text("ops/grafana/sautikit.json")) as Dashboard;
const panels = dashboard.panels.filter(({ type }) => type !== "row");
const expressions = [
  ...rules.map(({ expr }) => expr),
  ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...dashboard.annotations.list.flatMap(({ expr }) => expr ?? []),
];
/** Prometheus' own. */
const ofPrometheus = new Set(["up"]);
/** What a family's samples are called. */
const family = (name: string) => name.replace(/_(bucket|count|sum)$/, "");

describeOnSwitch("what Sautikit is watched by", function () {
  this.timeout(60_000);
  let world: TestWorld;
  let edge: EdgeUnderTest;
  let seen: Scrape;
  before(async () => {
    edge = await startEdgeUnderTest();
    world = await TestWorld.start({ SIP_TRACE: "on", HEP_PORT: "0" }, undefined, { edge });
    await world.customer.ended(await world.customer.place({ from: nairobi, to: "+254700000486" }));
    await sautikit(["ledger", "verify"], world.env);
    seen = await scrape(world.customer.baseUrl);
  });
  after(async () => {
    await world.end();
    await edge.stop();
  });

  it("asks in the dashboard and the alerts only for metrics that there are", () => {
    const asked = new Set(expressions.flatMap(metricsIn));
    assert.ok(asked.size > 30, `${asked.size} metrics`);
    const unknown = [...asked].filter((name) => !ofPrometheus.has(name) && !seen.names.has(family(name)));
    assert.deepEqual(unknown, []);
  });

  it("has a line in docs/metrics.md for each metric of its own, and for none that there is not", () => {
    const told = new Set(
      [...text("docs/metrics.md").matchAll(/`((?:sautikit|process|nodejs)_[a-z0-9_]+)/g)].map(
        ([, name = ""]) => name,
      ),
    );
    const own = [...seen.names].filter((name) => name.startsWith("sautikit_"));
    assert.deepEqual(
      own.filter((name) => !told.has(name)),
      [],
    );
    assert.deepEqual(
      [...told].filter((name) => !seen.names.has(name)),
      [],
    );
  });

  it("sends whoever is on call only to routes that there are", async () => {
    const answer = await world.customer.ask("GET", "/v1/openapi.json");
    const { paths } = answer.body as { paths: Record<string, Record<string, unknown>> };
    const pages = readdirSync(join(root, "docs/runbooks")).map((name) => text(`docs/runbooks/${name}`));
    const named = [...pages.join("\n").matchAll(/`(GET|POST|PATCH|DELETE) (\/v1\/[^`?\s]+)/g)];
    assert.ok(named.length > 5);
    for (const [, method = "", path = ""] of named)
      assert.ok(paths[path]?.[method.toLowerCase()], `${method} ${path}`);
  });

  it("matches in the alerts on label values that there are", () => {
    for (const [, label = "", value = ""] of expressions
      .join(" ")
      .matchAll(/\b(work|check|folder)="([^"]+)"/g)) {
      if (label === "check" && value === "recordings") continue;
      assert.ok(seen.text.includes(`${label}="${value}"`), `${label}="${value}"`);
    }
  });
});

describe("the Grafana dashboard", () => {
  it("is of a schema that Grafana 10 imports, and asks for the Prometheus to use", () => {
    assert.ok(dashboard.schemaVersion >= 36 && dashboard.schemaVersion <= 41);
    assert.deepEqual(
      dashboard.templating.list.map(({ name, type }) => [name, type]),
      [
        ["datasource", "datasource"],
        ["job", "query"],
      ],
    );
    for (const { title, datasource, targets = [] } of panels) {
      assert.equal(datasource?.uid, "${datasource}", title);
      assert.ok(targets.length > 0, title);
      assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
      for (const target of targets) assert.equal(target.datasource.uid, "${datasource}", title);
    }
  });

  it("has panels that lie beside each other, each with an id of its own", () => {
    assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
    const taken = new Map<string, string>();
    for (const { title, gridPos } of dashboard.panels) {
      assert.ok(gridPos.x + gridPos.w <= 24, title);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.equal(taken.get(`${x} ${y}`), undefined, `${title} lies on another`);
          taken.set(`${x} ${y}`, title);
        }
    }
  });
});

describe("each alert", function () {
  this.timeout(60_000);
  const slug = (alert: string) => alert.replace(/(?<!^)(?=[A-Z])/g, "-").toLowerCase();
  const pages = readdirSync(join(root, "docs/runbooks")).filter((name) => name !== "README.md");

  it("has a runbook, and each runbook its alert, in the index too", () => {
    assert.deepEqual(
      rules.map(({ annotations }) => annotations.runbook).sort(),
      pages.map((name) => `docs/runbooks/${name}`).sort(),
    );
    const index = text("docs/runbooks/README.md");
    for (const { alert, labels, annotations } of rules) {
      assert.equal(annotations.runbook, `docs/runbooks/${slug(alert)}.md`);
      assert.ok(text(annotations.runbook).startsWith(`# ${alert}\n`), alert);
      const row = new RegExp(
        `^\\| \\[${alert}\\]\\(${slug(alert)}\\.md\\) +\\| ${labels.severity} +\\|$`,
        "m",
      );
      assert.match(index, row);
      assert.match(annotations.summary, /\.$/);
      assert.match(labels.severity, /^(page|ticket)$/);
    }
  });

  it("is fired by a case of the rules' tests, and none by the healthy system", () => {
    const { tests } = parse(text("ops/prometheus/alerts.test.yaml")) as {
      tests: { name: string; promql_expr_test: { exp_samples: { labels: string }[] }[] }[];
    };
    const fired = tests.flatMap(({ promql_expr_test: [test] }) =>
      test!.exp_samples.map(({ labels }) => /alertname="(\w+)"/.exec(labels)?.[1]),
    );
    assert.deepEqual(fired.sort(), rules.map(({ alert }) => alert).sort());
    assert.deepEqual(tests[0]!.promql_expr_test[0]!.exp_samples, []);
  });

  it("has a runbook with the five parts, and commands that `sautikit` knows", () => {
    const synopses = usage()
      .split("\n")
      .filter((line) => /^ {2}\S/.test(line));
    for (const name of pages) {
      const page = text(`docs/runbooks/${name}`);
      assert.deepEqual(
        [...page.matchAll(/^## (.+)$/gm)].map(([, title]) => title),
        ["Who notices", "How to look", "How to mend it", "How to know that it is over"],
        name,
      );
      for (const [, typed = ""] of page.replace(/\s+/g, " ").matchAll(/npx sautikit ([^`]+)`/g)) {
        const given = typed.split(" ");
        const known = synopses.some((line) => {
          const wanted = line.trim().split(" ");
          const literal = wanted.filter((word, at) => at < 2 && /^[a-z-]+$/.test(word));
          const options = given.filter((word) => word.startsWith("--"));
          return (
            literal.every((word, at) => given[at] === word) &&
            (literal.length === 2 ||
              given[1] === undefined ||
              !/^[a-z-]+$/.test(given[1]) ||
              given[1].startsWith("--")) &&
            options.every((option) => line.includes(option))
          );
        });
        assert.ok(known, `${name}: npx sautikit ${typed}`);
      }
    }
  });

  // Debian: apt-get install --no-install-recommends prometheus
  const lacks = spawnSync("promtool", ["--version"]).error !== undefined;
  const title = "is a rule that promtool takes, as each question of the dashboard, and passes its tests";
  (lacks ? it.skip : it)(lacks ? `${title} (skipped: this machine lacks promtool)` : title, () => {
    const folder = mkdtempSync(join(tmpdir(), "sautikit-rules-"));
    const asked = expressions.map((expr) =>
      expr.replaceAll("$job", ".*").replaceAll("$__rate_interval", "1m"),
    );
    const asRules = asked.map((expr, index) => ({ record: `panel:${index}`, expr }));
    writeFileSync(join(folder, "panels.yaml"), stringify({ groups: [{ name: "panels", rules: asRules }] }));
    for (const args of [
      ["check", "rules", "ops/prometheus/alerts.yaml"],
      ["check", "rules", join(folder, "panels.yaml")],
      ["check", "config", "ops/prometheus/prometheus.yaml"],
      ["test", "rules", "ops/prometheus/alerts.test.yaml"],
    ]) {
      const { status, stdout, stderr } = spawnSync("promtool", args, { cwd: root, encoding: "utf8" });
      assert.equal(status, 0, `promtool ${args.join(" ")}\n${stdout}${stderr}`);
    }
    rmSync(folder, { recursive: true, force: true });
  });
});
