import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type FormDB, FormDBError, open } from "../../src/index.ts";
import { CUTS, CuttingProxy } from "../support/cutting-proxy.ts";
import { useFolder, usePostgres } from "../support/hooks.ts";
import { Random } from "../support/random.ts";

const CALLERS = 50;
/** Calls of each caller. */
const CALLS = Number(process.env.FORMDB_SOAK_CALLS ?? 40);
const SEED = Number(process.env.FORMDB_SOAK_SEED ?? 1);
/** Documents that all callers change. */
const SHARED = ["a", "b", "c", "d", "é"];

interface Shared {
  readonly id: string;
  readonly n: number;
  /** The number of each change that says which it was. */
  readonly log: readonly number[];
}

/** How the changes of a shared document ended. */
class Told {
  readonly applied = new Set<number>();
  readonly unknown = new Set<number>();
  readonly rejected = new Set<number>();
  /** Those that leave no trace but in `n`. */
  counted = 0;
  countedUnknown = 0;
  readonly versions: number[] = [];
}

/** Codes by which a call may fail here; of reads the first line. */
const READ_FAILURES = ["FORMDB_ABORTED", "FORMDB_CONNECTION_LOST", "FORMDB_CONNECT_FAILED"];
const WRITE_FAILURES = [
  ...READ_FAILURES,
  ...["FORMDB_CONFLICT", "FORMDB_CONSTRAINT", "FORMDB_DUPLICATE_ID", "FORMDB_NOT_FOUND"],
];

type Outcome<T> = { readonly is: "applied"; readonly value: T } | { readonly is: "rejected" | "unknown" };

/** Calls everything in a random mix, and holds what each is told against what is there. */
class Callers {
  readonly #db: FormDB;
  readonly #random: Random;
  readonly #disturb: () => void;
  readonly #told = new Map(SHARED.map((id) => [id, new Told()]));
  /** Mails by the document that was told to have them; undefined where nobody knows. */
  readonly #mails = new Map<string, string | undefined>();
  readonly #pairs = { applied: new Set<string>(), rejected: new Set<string>() };
  #next = 0;
  failures = 0;

  constructor(db: FormDB, random: Random, disturb: () => void) {
    this.#db = db;
    this.#random = random;
    this.#disturb = disturb;
  }

  async run(): Promise<void> {
    await this.#db.batchInsert(
      "c",
      SHARED.map((id) => ({ id, n: 0, log: [] })),
    );
    await this.#db.createCollection("people");
    await this.#db.createIndex("people", "mail", { unique: true });
    await Promise.all(Array.from({ length: CALLERS }, (_, caller) => this.#caller(caller)));
  }

  async #caller(caller: number): Promise<void> {
    for (let i = 0; i < CALLS; i++) {
      if (this.#random.chance(0.02)) this.#disturb();
      const kind = this.#random.below(13);
      if (kind < 7) await this.#changeShared(kind);
      else if (kind === 7) await this.#ownDocument(`own-${caller}-${i}`);
      else if (kind === 8) await this.#person(`person-${caller}-${i}`);
      else if (kind === 9) await this.#pair(`pair-${caller}-${i}`);
      else if (kind === 10) await this.#pages();
      else if (kind === 11) await this.#filter();
      else await this.#readShared();
    }
  }

  /** Some calls are given up at a random moment. */
  #signal(): AbortSignal | undefined {
    if (!this.#random.chance(0.08)) return undefined;
    const controller = new AbortController();
    let turns = this.#random.below(6);
    const turn = (): void => {
      if (turns-- === 0) controller.abort();
      else setImmediate(turn);
    };
    setImmediate(turn);
    return controller.signal;
  }

  async #write<T>(call: (signal: AbortSignal | undefined) => Promise<T>): Promise<Outcome<T>> {
    try {
      return { is: "applied", value: await call(this.#signal()) };
    } catch (error) {
      if (!(error instanceof FormDBError)) throw error;
      this.failures++;
      expect(WRITE_FAILURES, error.message).toContain(error.code);
      expect(["rejected", "unknown"], `${error.code}: ${error.message}`).toContain(error.outcome);
      if (error.outcome === "unknown") expect(error.retryable, error.message).toBe(false);
      return { is: error.outcome as "rejected" | "unknown" };
    }
  }

  async #read<T>(
    call: (signal: AbortSignal | undefined) => Promise<T>,
    check: (value: T) => void,
  ): Promise<void> {
    let value: T;
    try {
      value = await call(this.#signal());
    } catch (error) {
      if (!(error instanceof FormDBError)) throw error;
      this.failures++;
      expect(READ_FAILURES, error.message).toContain(error.code);
      return;
    }
    check(value);
  }

  async #changeShared(kind: number): Promise<void> {
    const db = this.#db;
    const c = db.collection<Shared>("c");
    const id = this.#random.pick(SHARED);
    const told = this.#told.get(id)!;
    const call = this.#next++;
    const change = { inc: { n: 1 }, push: { log: call } } as const;
    if (kind === 0) {
      const outcome = await this.#write((signal) =>
        db.query("UPDATE c SET n = n + 1 WHERE id = $1", [id], { signal }),
      );
      if (outcome.is === "applied") told.counted += outcome.value.rowCount;
      else if (outcome.is === "unknown") told.countedUnknown++;
      return;
    }
    let ifVersion: number | undefined;
    if (kind === 2) {
      await this.#read(
        (signal) => c.get(id, { version: true, signal }),
        (found) => {
          ifVersion = found!.version;
        },
      );
      if (ifVersion === undefined) return;
    }
    const outcome = await this.#write(async (signal): Promise<number | undefined> => {
      switch (kind) {
        case 1: {
          const found = await c.findOneAndUpdate({ id }, change, { signal });
          expect(found!.log).toContain(call);
          return undefined;
        }
        case 2:
          return (await c.update(id, change, { ifVersion, signal })).version;
        case 3:
          return db.transaction(
            async (tx) => {
              const { n, log } = (await tx.get<Shared>("c", id))!;
              await tx.upsert("c", { id, n: n + 1, log: [...log, call] });
              return undefined;
            },
            { signal },
          );
        case 4:
          return db.transaction(async (tx) => (await tx.collection<Shared>("c").update(id, change)).version, {
            signal,
          });
        default:
          return (await c.update(id, change, { signal })).version;
      }
    });
    told[outcome.is].add(call);
    if (outcome.is !== "applied") return;
    if (outcome.value !== undefined) told.versions.push(outcome.value);
    await this.#read(
      (signal) => c.get(id, { version: true, signal }),
      (found) => {
        expect(found!.document.log).toContain(call);
        expect(found!.version).toBeGreaterThanOrEqual(outcome.value ?? 2);
      },
    );
  }

  /** One caller's alone: what it was told is what it finds. */
  async #ownDocument(id: string): Promise<void> {
    const db = this.#db;
    let there: unknown;
    const steps: readonly (readonly [unknown, (signal: AbortSignal | undefined) => Promise<unknown>])[] = [
      [{ id, step: 1 }, (signal) => db.insert("own", { id, step: 1 }, { signal })],
      [{ id, step: 2 }, (signal) => db.upsert("own", { id, step: 2 }, { signal })],
      [{ id, step: 3 }, (signal) => db.collection("own").replace(id, { id, step: 3 }, { signal })],
      [undefined, (signal) => db.delete("own", id, { signal })],
    ];
    for (const [result, call] of steps) {
      const { is } = await this.#write(call);
      if (is === "applied") there = result;
      if (is === "unknown") return;
      await this.#read(
        (signal) => db.get("own", id, { signal }),
        (found) => expect(found).toEqual(there),
      );
    }
  }

  async #person(id: string): Promise<void> {
    const mail = `m${this.#random.below(12)}`;
    const { is } = await this.#write((signal) => this.#db.insert("people", { id, mail }, { signal }));
    if (is === "rejected") return;
    this.#mails.set(id, is === "applied" ? mail : undefined);
    if (is === "unknown" || this.#random.chance(0.3)) return;
    const deleted = await this.#write((signal) => this.#db.delete("people", id, { signal }));
    if (deleted.is === "applied") this.#mails.delete(id);
    else if (deleted.is === "unknown") this.#mails.set(id, undefined);
  }

  async #pair(id: string): Promise<void> {
    const { is } = await this.#write((signal) =>
      this.#db.query("INSERT INTO pairs $1", [[{ id: `${id}/1` }, { id: `${id}/2` }]], { signal }),
    );
    if (is !== "unknown") this.#pairs[is].add(id);
  }

  async #pages(): Promise<void> {
    await this.#read(
      async (signal) => {
        const ids: string[] = [];
        let after: string | undefined;
        do {
          const page = await this.#db
            .collection<Shared>("c")
            .find({}, { orderBy: { id: "asc" }, limit: 2, after, signal })
            .page();
          ids.push(...page.rows.map(({ id }) => id));
          after = page.next;
        } while (after !== undefined);
        return ids;
      },
      (ids) => expect(ids).toEqual(SHARED),
    );
  }

  async #filter(): Promise<void> {
    const ids = [this.#random.pick(SHARED), this.#random.pick(SHARED)];
    await this.#read(
      (signal) =>
        this.#db
          .collection<Shared>("c")
          .find({ id: { in: ids }, n: { gte: 0 } }, { signal })
          .toArray(),
      (rows) => {
        expect(new Set(rows.map(({ id }) => id))).toEqual(new Set(ids));
        for (const { n, log } of rows) expect(n).toBeGreaterThanOrEqual(log.length);
      },
    );
  }

  async #readShared(): Promise<void> {
    const id = this.#random.pick(SHARED);
    const { applied } = this.#told.get(id)!;
    const before = [...applied];
    await this.#read(
      (signal) => this.#db.get<Shared>("c", id, { signal }),
      (found) => {
        const log = new Set(found!.log);
        expect(before.filter((call) => !log.has(call))).toEqual([]);
      },
    );
  }

  /** Holds what is there against what all were told, through a connection that nobody disturbs. */
  async check(db: FormDB): Promise<void> {
    for (const id of SHARED) {
      const told = this.#told.get(id)!;
      const { document, version } = (await db.collection<Shared>("c").get(id, { version: true }))!;
      const log = new Set(document.log);
      expect(log.size).toBe(document.log.length);
      expect([...told.applied].filter((call) => !log.has(call))).toEqual([]);
      expect([...told.rejected].filter((call) => log.has(call))).toEqual([]);
      expect([...log].filter((call) => !told.applied.has(call) && !told.unknown.has(call))).toEqual([]);
      const counted = document.n - log.size;
      expect(counted).toBeGreaterThanOrEqual(told.counted);
      expect(counted).toBeLessThanOrEqual(told.counted + told.countedUnknown);
      expect(version).toBe(document.n + 1);
      expect(new Set(told.versions).size).toBe(told.versions.length);
    }
    const people = (await db.query<{ id: string; mail: string }>("SELECT id, mail FROM people")).rows;
    expect(new Set(people.map(({ mail }) => mail)).size).toBe(people.length);
    const found = new Map(people.map(({ id, mail }) => [id, mail]));
    for (const [id, mail] of this.#mails)
      if (mail !== undefined) expect([id, found.get(id)]).toEqual([id, mail]);
    expect([...found.keys()].filter((id) => !this.#mails.has(id))).toEqual([]);
    const pairs = new Set((await db.query("SELECT id FROM pairs")).rows.map(({ id }) => id as string));
    for (const id of this.#pairs.applied)
      expect([id, pairs.has(`${id}/1`), pairs.has(`${id}/2`)]).toEqual([id, true, true]);
    for (const id of this.#pairs.rejected) expect(pairs.has(`${id}/1`)).toBe(false);
    for (const id of pairs)
      expect(pairs.has(id.endsWith("1") ? id.replace(/1$/, "2") : id.replace(/2$/, "1"))).toBe(true);
  }
}

async function holds(
  db: FormDB,
  disturb: (random: Random) => void,
  calm: () => void = () => {},
): Promise<number> {
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", onUnhandled);
  const random = new Random(SEED);
  const callers = new Callers(db, random, () => disturb(random));
  try {
    await callers.run();
    calm();
    // What its caller gave up may still be under way.
    await expect.poll(() => db.batch.stats()).toMatchObject({ held: 0, queued: 0, inFlight: 0, waiting: 0 });
    await expect.poll(() => db.pool.stats()).toMatchObject({ inUse: 0, waiting: 0 });
    await expect.poll(() => db.stats().writer?.inUse ?? 0).toBe(0);
    await callers.check(db);
    expect(await db.close()).toMatchObject({ undelivered: [] });
    expect(unhandled).toEqual([]);
  } finally {
    process.off("unhandledRejection", onUnhandled);
    await db.close();
  }
  return callers.failures;
}

describe(`${CALLERS} callers of everything at once are told the truth`, () => {
  const folder = useFolder();
  const server = usePostgres();
  const patient = { pool: { acquireTimeoutMs: 60_000 } };

  it("on SQLite in memory, though calls are given up", async () => {
    expect(await holds(await open("sqlite::memory:", patient), () => {})).toBeGreaterThan(0);
  });

  it("on a file of SQLite, though calls are given up, and with them threads", async () => {
    expect(await holds(await open(`sqlite:${join(folder, "a.db")}`, patient), () => {})).toBeGreaterThan(0);
  });

  it("on PostgreSQL, though calls are given up and connections are cut", async () => {
    using proxy = await CuttingProxy.before(server.port);
    const db = await open(proxy.urlOf(await server.createDatabase()), {
      ...patient,
      batch: { maxRetries: 20 },
    });
    const failures = await holds(
      db,
      (random) => {
        if (random.chance(0.2)) proxy.cutAll();
        else proxy.cutNext(random.pick(["COMMIT", "é", "own-", "pair-", "B\u0000"]), random.pick(CUTS));
      },
      () => proxy.cutNoMore(),
    );
    expect(failures).toBeGreaterThan(0);
    expect(proxy.cuts).toBeGreaterThan(0);
  });
});
