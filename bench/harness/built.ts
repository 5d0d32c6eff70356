import { existsSync } from "node:fs";

/**
 * The package as users run it, from `dist/`: from source, each worker thread would first strip types. `npm run bench`
 * builds it.
 */
const entry = new URL("../../dist/index.js", import.meta.url);
if (!existsSync(entry)) throw new Error("There is no dist/. Run: npm run build");

const built = (await import(entry.href)) as typeof import("../../src/index.ts");

export const open: typeof built.open = built.open;
