import { randomUUID } from "node:crypto";
import Database from "better-sqlite3";
import type { City } from "./cities.ts";
import type { Work } from "./measure.ts";
import { BATCH_SIZE, CITIES, forEach, mix, picker, visit } from "./workloads.ts";

const VISITS_BY_HAND = "demo_visits_by_hand";
const INDEX_BY_HAND = "demo_by_hand";

/**
 * The work of the demo as a person writes it for this one database: better-sqlite3 on the caller's thread, prepared
 * statements, an index on the two fields, and writes that wait for the disk as FormDB's do.
 */
export class ByHand implements Disposable {
  readonly #database: Database.Database;
  readonly #lookUp: Database.Statement;
  readonly #scan: Database.Statement;
  readonly #count: Database.Statement;
  readonly #get: Database.Statement;
  readonly #insert: Database.Statement;
  readonly #insertAll: (documents: readonly object[]) => void;

  /** `file` is the database that holds the cities. */
  constructor(file: string) {
    const database = new Database(file);
    this.#database = database;
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = FULL");
    database.exec(
      `CREATE INDEX IF NOT EXISTS ${INDEX_BY_HAND} ON ${CITIES} (doc ->> '$.country', doc ->> '$.name');` +
        `CREATE TABLE IF NOT EXISTS ${VISITS_BY_HAND} (id TEXT PRIMARY KEY, doc BLOB NOT NULL)`,
    );
    const where = "WHERE doc ->> '$.country' = ?";
    this.#lookUp = database.prepare(
      `SELECT doc ->> '$.name' AS name, doc ->> '$.country' AS country, doc ->> '$.lat' AS lat, ` +
        `doc ->> '$.lng' AS lng FROM ${CITIES} ${where} AND doc ->> '$.name' = ? ORDER BY name LIMIT 10`,
    );
    this.#scan = database.prepare(`SELECT COUNT(*) AS n FROM ${CITIES} ${where} AND doc ->> '$.lat' > ?`);
    this.#count = database.prepare(
      `SELECT COUNT(*) AS n FROM ${CITIES} ${where} AND doc ->> '$.name' >= ? AND doc ->> '$.name' < ?`,
    );
    this.#get = database.prepare(`SELECT json(doc) AS json FROM ${CITIES} WHERE id = ?`);
    this.#insert = database.prepare(`INSERT INTO ${VISITS_BY_HAND} VALUES (?, jsonb(?))`);
    this.#insertAll = database.transaction((documents: readonly object[]) => {
      for (const document of documents) this.#write(document);
    });
  }

  lookUps(sample: readonly City[]): Work {
    return forEach(sample, async ({ name, country }) => {
      this.#lookUp.all(country, name);
      return 1;
    });
  }

  scans(sample: readonly City[]): Work {
    return forEach(sample, async ({ lat }) => {
      this.#scan.get("DE", lat);
      return 1;
    });
  }

  singleWrites(sample: readonly City[]): Work {
    return forEach(sample, async (city) => {
      this.#write(visit(city));
      return 1;
    });
  }

  batchedWrites(sample: readonly City[]): Work {
    const next = picker(sample);
    return async () => {
      this.#insertAll(Array.from({ length: BATCH_SIZE }, () => visit(next())));
      return BATCH_SIZE;
    };
  }

  mixed(sample: readonly City[], ids: readonly string[]): Work {
    const count = forEach(sample, async ({ name, country }) => {
      const start = name.slice(0, 1);
      this.#count.get(country, start, `${start}\u{10ffff}`);
      return 1;
    });
    const get = async (id: string): Promise<void> => {
      const { json } = this.#get.get(id) as { json: string };
      JSON.parse(json);
    };
    return mix({ lookUp: this.lookUps(sample), count, get, write: this.singleWrites(sample) }, ids);
  }

  #write(document: object): void {
    this.#insert.run(randomUUID(), JSON.stringify(document));
  }

  /** Removes what it made from the database. */
  [Symbol.dispose](): void {
    try {
      this.#database.exec(`DROP INDEX IF EXISTS ${INDEX_BY_HAND}; DROP TABLE IF EXISTS ${VISITS_BY_HAND}`);
    } finally {
      this.#database.close();
    }
  }
}
