/** The direction of imports (ARCHITECTURE.md): api -> engine -> store; switch/, sip/ and store/ are leaves. */
const base = "^engine/(ids|clock|errors|e164|log|json|secrets)\\.ts$";
module.exports = {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    {
      name: "engine-knows-no-http-server",
      severity: "error",
      from: { path: "^engine/" },
      to: { path: "^(api|recordings|cli)/|node_modules/express/" },
    },
    {
      name: "recordings-know-store-and-base",
      severity: "error",
      from: { path: "^recordings/" },
      to: { path: "^(api|cli)/|^engine/(switch|sip|calls|actions|metering|wallet|numbers|simulator)/" },
    },
    { name: "api-knows-no-cli", severity: "error", from: { path: "^api/" }, to: { path: "^cli/" } },
    {
      name: "switch-is-a-leaf",
      severity: "error",
      from: { path: "^engine/switch/" },
      to: { path: "^(engine|api|recordings|cli)/", pathNot: ["^engine/switch/", base] },
    },
    {
      name: "sip-knows-store-and-switch",
      severity: "error",
      from: { path: "^engine/sip/" },
      to: {
        path: "^(engine|api|recordings|cli)/",
        pathNot: ["^engine/(sip|store|switch)/", "^engine/(poll|field-errors)\\.ts$", base],
      },
    },
    {
      name: "store-is-a-leaf",
      severity: "error",
      from: { path: "^engine/store/" },
      to: { path: "^(engine|api|recordings|cli)/", pathNot: ["^engine/store/", base] },
    },
    {
      name: "sql-in-store-only",
      severity: "error",
      from: { path: "^(engine|api|recordings|cli)/", pathNot: "^engine/store/" },
      to: { path: "node_modules/(better-sqlite3|pg)/" },
    },
    {
      name: "simulator-only-from-the-root",
      severity: "error",
      from: { path: "^(engine|api|recordings)/", pathNot: "^engine/simulator/" },
      to: { path: "^engine/simulator/" },
    },
    {
      name: "simulator-speaks-protocols-only",
      severity: "error",
      from: { path: "^engine/simulator/" },
      to: { path: "^(engine|api|recordings|cli)/", pathNot: ["^engine/simulator/", base] },
    },
    {
      name: "product-knows-no-tests",
      severity: "error",
      from: { path: "^(engine|api|recordings|cli)/" },
      to: { path: "^test/" },
    },
    {
      name: "no-dev-deps-in-product",
      severity: "error",
      from: { path: "^(engine|api|recordings|cli)/" },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { extensions: [".ts", ".js", ".mjs", ".cjs", ".json"] },
  },
};
