import tseslint from "typescript-eslint";

/** Time and chance come from engine/clock.ts and engine/ids.ts alone, so that a failing run replays from its seed. */
const injected = [
  { object: "Date", property: "now", message: "Take the time from the injected Clock (engine/clock.ts)." },
  { object: "Math", property: "random", message: "Take chance from the injected Ids (engine/ids.ts)." },
  {
    object: "performance",
    property: "now",
    message: "Take the time from the injected Clock (engine/clock.ts).",
  },
];
const injectedGlobals = ["setTimeout", "setInterval"].map((name) => ({
  name,
  message: "Use the injected Clock's timers (engine/clock.ts).",
}));

/** Modules have no state: what changes belongs to an object that the composition root built. */
const moduleState = [
  "Program > VariableDeclaration[kind='let']",
  "Program > ExportNamedDeclaration > VariableDeclaration[kind='let']",
  "Program > VariableDeclaration > VariableDeclarator > NewExpression[callee.name=/^(Weak)?(Map|Set)$/][arguments.length=0]",
].map((selector) => ({ selector, message: "A module has no state; keep it in an object." }));

export default tseslint.config(
  {
    ignores: ["node_modules/", "data/", "coverage/", "docs/", "eslint.config.js", ".dependency-cruiser.cjs"],
  },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/unified-signatures": "off",
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
    },
  },
  {
    files: ["engine/**/*.ts", "api/**/*.ts", "recordings/**/*.ts"],
    ignores: ["engine/clock.ts", "engine/ids.ts", "engine/simulator/**"],
    rules: {
      "no-restricted-properties": ["error", ...injected],
      "no-restricted-globals": ["error", ...injectedGlobals],
    },
  },
  {
    files: ["engine/**/*.ts", "api/**/*.ts", "recordings/**/*.ts", "cli/**/*.ts"],
    rules: { "no-restricted-syntax": ["error", ...moduleState] },
  },
  {
    files: ["test/**/*.ts"],
    rules: {
      "@typescript-eslint/no-non-null-assertion": "off",
      // node:test-style assertion helpers and mocha callbacks return promises on purpose.
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-return": "off",
    },
  },
);
