import Database from "better-sqlite3";
import {
  BATCH_EVENTS,
  CACHE_EVENTS,
  guardObservers,
  type Observer,
  POOL_EVENTS,
  QUERY_EVENTS,
} from "../src/base/observer.ts";
import { Metrics } from "../src/metrics/metrics.ts";
import { recorder } from "../src/metrics/recorder.ts";
import { TopStatements } from "../src/metrics/top-statements.ts";
import { compare } from "./harness/compare.ts";
import { report } from "./harness/report.ts";

// What all metrics cost beside the quickest work there is: a read by id with raw better-sqlite3, which no engine
// above it can beat. Every event of such a read is reported, top statements included.

const database = new Database(":memory:");
database.exec("CREATE TABLE users (id TEXT PRIMARY KEY, doc TEXT)");
const insert = database.prepare("INSERT INTO users VALUES (?, ?)");
database.transaction(() => {
  for (let i = 0; i < 10_000; i++)
    insert.run(`${i}`, JSON.stringify({ name: `user ${i}`, age: i % 90, city: "Bonn" }));
})();
const select = database.prepare("SELECT doc FROM users WHERE id = ?").pluck();

const ALL = [...CACHE_EVENTS, ...POOL_EVENTS, ...BATCH_EVENTS, ...QUERY_EVENTS] as (keyof Observer)[];
const metrics = new Metrics();
const on = guardObservers<Observer>(ALL, [recorder(metrics, { statements: new TopStatements() })]);
const off = guardObservers<Observer>(ALL, []);

const READS = 1_000;

function reads(observer: Required<Observer>): () => void {
  return () => {
    for (let i = 0; i < READS; i++) {
      const start = performance.now();
      observer.queryStarted("select", "users");
      observer.hit();
      observer.acquireStarted();
      observer.acquired(1, 0);
      const document = JSON.parse(select.get(`${(i * 7_919) % 10_000}`) as string) as { age: number };
      if (document.age < 0) throw new Error("The document must be read");
      const totalMs = performance.now() - start;
      observer.released(1, totalMs);
      observer.queryFinished({
        operation: "select",
        collection: "users",
        code: "",
        totalMs,
        waitMs: 0,
        databaseMs: totalMs,
        decodeMs: 0,
        rows: 1,
        shape: "SELECT * FROM users WHERE id = ?",
        cacheHit: true,
      });
    }
  };
}

report(
  "Reads by id from SQLite",
  await compare(
    [
      { name: "all metrics on", operations: READS, run: reads(on) },
      { name: "no observer", operations: READS, run: reads(off) },
    ],
    { rounds: 101, turnMs: 40 },
  ),
);
