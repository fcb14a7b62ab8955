import type { Core } from "./core.ts";

/** An API command: what follows its name, to the text it answers with. */
export type Api = (core: Core, argument: string) => string | Promise<string>;
