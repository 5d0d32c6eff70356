import { expect, it } from "vitest";
import { type OpenOptions, open } from "../../src/index.ts";

it.each<[string, OpenOptions, string]>([
  ["sqlite::memory:", { postgres: {} }, "postgres"],
  ["postgres://127.0.0.1:1/db", { durability: "normal" }, "durability"],
  ["postgres://127.0.0.1:1/db", { busyTimeoutMs: 1 }, "busyTimeoutMs"],
])("open(%j, %j) is refused: the engine has no such option", async (url, options, option) => {
  await expect(open(url, options)).rejects.toMatchObject({ code: "FORMDB_CONFIG", option });
});
