import { expect, it } from "vitest";
import { POSTGRES_OTHER_NAMES, postgresSettings } from "../../src/backend/postgres/postgres-options.ts";
import { BATCH_OTHER_NAMES } from "../../src/batch/batch-options.ts";
import { BatchProcessor } from "../../src/batch/batch-processor.ts";
import { PlanCache } from "../../src/cache/plan-cache.ts";
import { CACHE_OTHER_NAMES } from "../../src/cache/plan-cache-options.ts";
import { type OpenOptions, open } from "../../src/index.ts";
import { Pool as PgPool } from "../../src/pg.ts";
import { POOL_OTHER_NAMES } from "../../src/pool/options.ts";
import { Pool } from "../../src/pool/pool.ts";

const SECRET_URL: unknown = "postgres://ada:secret@127.0.0.1:1/db";

it.each<[string, OpenOptions, string]>([
  ["sqlite::memory:", { postgres: {} }, "postgres"],
  ["postgres://127.0.0.1:1/db", { durability: "normal" }, "durability"],
  ["postgres://127.0.0.1:1/db", { busyTimeoutMs: 1 }, "busyTimeoutMs"],
])("open(%j, %j) is refused: the engine has no such option", async (url, options, option) => {
  await expect(open(url, options)).rejects.toMatchObject({ code: "FORMDB_CONFIG", option });
});

it("what holds on PostgreSQL anyway, or concerns nothing there, is taken for a URL that may be of any engine", async () => {
  const url = "postgres://127.0.0.1:1/db";
  const opened = open(url, { mustExist: true, writerObserver: {}, pool: { connectAttempts: 1 } });
  await expect(opened).rejects.toMatchObject({ code: "FORMDB_CONNECT_FAILED" });
});

it.each(["makeToken", "lookUpToken", "generateId", "captureContext", "clock"])(
  "open() refuses its option batch.%s, which a database has itself",
  async (option) => {
    const given = { batch: { [option]: () => "x" } } as OpenOptions;
    await expect(open("sqlite::memory:", given)).rejects.toMatchObject({ code: "FORMDB_CONFIG", option });
  },
);

it("options of a part that are undefined count as not given", async () => {
  const bytes = async (cache: object): Promise<number> => {
    const none = { spill: undefined, clock: undefined, generateId: undefined };
    await using db = await open("sqlite::memory:", { cache, batch: none as object });
    await db.createCollection("c");
    await db.query("SELECT a, b FROM c WHERE a = 1");
    return db.cache.stats().bytes;
  };
  expect(await bytes({ sizeOf: undefined, clock: undefined })).toBe(await bytes({}));
});

it.each(["maxBatchSize", "maxBatchBytes", "concurrency"])(
  "a wrong batch.%s is refused for every engine, before anything is connected to",
  async (option) => {
    for (const value of ["5", "", null, true]) {
      const wrong = { batch: { [option]: value } } as unknown as OpenOptions;
      for (const url of ["sqlite::memory:", "postgres://127.0.0.1:1/db"]) {
        await expect(open(url, wrong)).rejects.toMatchObject({ code: "FORMDB_CONFIG", option, value });
      }
    }
  },
);

const MEANT: readonly [Record<string, unknown>, string][] = [
  [{ max: 5 }, "pool.maxConnections"],
  [{ maxConnections: 5 }, "pool.maxConnections"],
  [{ maxBatchSize: 5 }, "batch.maxBatchSize"],
  [{ ttl: 5 }, "cache.ttlMs"],
  [{ ssl: true }, "postgres.tls"],
  [{ pool: { max: 5 } }, "maxConnections"],
  [{ pool: { min: 1 } }, "minConnections"],
  [{ pool: { maximumPoolSize: 5 } }, "maxConnections"],
  [{ pool: { connectionLimit: 5 } }, "maxConnections"],
  [{ pool: { connectionTimeoutMillis: 5 } }, "acquireTimeoutMs"],
  [{ pool: { idleTimeoutMillis: 5 } }, "idleTimeoutMs"],
  [{ pool: { idle_timeout: 5 } }, "idleTimeoutMs"],
  [{ pool: { connect_timeout: 5 } }, "connectTimeoutMs"],
  [{ pool: { max_lifetime: 5 } }, "maxLifetimeMs"],
  [{ pool: { maxLifetimeSeconds: 5 } }, "maxLifetimeMs"],
  [{ cache: { max: 5 } }, "maxSize"],
  [{ batch: { batchSize: 5 } }, "maxBatchSize"],
];

it.each(MEANT)("open() with %j asks whether %s was meant", async (options, meant) => {
  await expect(open("sqlite::memory:", options as OpenOptions)).rejects.toMatchObject({
    code: "FORMDB_CONFIG",
    message: expect.stringContaining(`did you mean ${JSON.stringify(meant)}?`),
  });
});

it.each(["maxConnections", "minConnections"] as const)(
  "a wrong pool.%s is refused for a database in memory too, which has one connection",
  async (option) => {
    const wrong = { pool: { [option]: "3" } } as unknown as OpenOptions;
    await expect(open("sqlite::memory:", wrong)).rejects.toMatchObject({ code: "FORMDB_CONFIG", option });
  },
);

it("a pool that is to keep more connections than it may have is refused for a database in memory too", async () => {
  await expect(
    open("sqlite::memory:", { pool: { minConnections: 3, maxConnections: 2 } }),
  ).rejects.toMatchObject({ code: "FORMDB_CONFIG" });
});

it("what open() says of a pool's options are those that it takes", async () => {
  const refused = open("sqlite::memory:", { pool: { size: 1 } } as OpenOptions);
  await expect(refused).rejects.toThrow("maxConnections, maxConnecting");
  await expect(refused).rejects.not.toThrow("isFatal");
});

it("findOneAndUpdate() with sort asks whether orderBy was meant, and names it among its options", async () => {
  await using db = await open("sqlite::memory:");
  const sorted = { sort: ["n"] } as object;
  await expect(db.collection("jobs").findOneAndUpdate({}, { set: { n: 1 } }, sorted)).rejects.toThrow(
    'has no option "sort"; did you mean "orderBy"? Its options are signal, timeoutMs, orderBy',
  );
});

it("open() does not ask whether an option was meant that a database has of its own", async () => {
  await expect(open("sqlite::memory:", { pool: { dispose: () => {} } } as OpenOptions)).rejects.toThrow(
    'has no option "dispose". Its options are',
  );
});

it.each<[string, object, () => unknown]>([
  ["cache", CACHE_OTHER_NAMES, () => new PlanCache({ none: 1 } as object)],
  ["batch", BATCH_OTHER_NAMES, () => new BatchProcessor(async () => {}, { none: 1 } as object)],
  ["pool", POOL_OTHER_NAMES, () => new Pool({ none: 1 } as never)],
  ["postgres", POSTGRES_OTHER_NAMES, () => postgresSettings("postgres://h/db", { none: 1 } as object)],
])(
  "each name that others use for an option of %s is looked for beneath one that there is",
  (_, names, refused) => {
    const options = namesOf(refused);
    expect(Object.keys(names).filter((name) => !options.includes(name))).toEqual([]);
  },
);

/** The options that a refusal lists. */
function namesOf(refused: () => unknown): string[] {
  try {
    refused();
  } catch (error) {
    return (error as Error).message.split("options are ")[1]!.split(", ");
  }
  return [];
}

it.each(["maxLifetimeMs", "keepaliveMs", "maxUses"])(
  "pool.%s of 0 is answered by what stands for never",
  async (option) => {
    await expect(open("sqlite::memory:", { pool: { [option]: 0 } })).rejects.toMatchObject({
      code: "FORMDB_CONFIG",
      message: expect.stringMatching(/at least 1, or Infinity, not 0$/),
    });
  },
);

it("an object in the place of a URL is refused without what it holds", async () => {
  const url = new URL("postgres://ada:secret@127.0.0.1:1/db") as unknown as string;
  const error = await open(url).catch((reason: Error) => reason);
  expect(error).toMatchObject({ code: "FORMDB_CONFIG", message: expect.stringContaining("not an object") });
  expect((error as Error).message).not.toContain("secret");
});

it.each<[string, () => unknown]>([
  ["a URL in the place of open's options", () => open("sqlite::memory:", SECRET_URL as OpenOptions)],
  ["a URL in the place of one option", () => open("sqlite::memory:", { pool: SECRET_URL as object })],
  [
    "a connection string there",
    () => open("sqlite::memory:", { pool: "host=h password=secret" as unknown as object }),
  ],
  [
    "a list of connections there",
    () => open("sqlite::memory:", { pool: [{ password: "secret" }] as object }),
  ],
  ["a URL in the place of a pool's options", async () => new PgPool(SECRET_URL as object)],
  ["a URL in the place of a number", async () => new PgPool({ max: SECRET_URL as unknown as number })],
])("%s is refused without its password", async (_, call) => {
  const error = await Promise.resolve(call()).catch((reason: Error) => reason);
  expect(error).toMatchObject({ code: "FORMDB_CONFIG" });
  expect((error as Error).message + JSON.stringify(error)).not.toContain("secret");
});
