import { expect } from "vitest";
import { FormDBError } from "../../src/base/errors.ts";
import type { FormDB } from "../../src/engine/form-db.ts";
import type { PostgresServer } from "./postgres-server.ts";

/** How each write ended, as its caller was told. */
export class WriteLedger {
  readonly acknowledged = new Set<string>();
  readonly rejected = new Set<string>();
  readonly unknown = new Set<string>();
  #next = 0;
  #stopped = false;

  /** Writes one document after the other, and notes how each ended, until it is stopped. */
  async write(db: FormDB, collection: string): Promise<void> {
    while (!this.#stopped) {
      const id = `d${this.#next++}`;
      try {
        await db.insert(collection, { id, n: 1 });
        this.acknowledged.add(id);
      } catch (error) {
        expect(error).toBeInstanceOf(FormDBError);
        ((error as FormDBError).outcome === "unknown" ? this.unknown : this.rejected).add(id);
        // What fails at once must not be asked for without a pause.
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  /** Settles when so many more were acknowledged. */
  async acknowledgedMore(count: number): Promise<void> {
    const target = this.acknowledged.size + count;
    while (this.acknowledged.size < target) await new Promise((resolve) => setImmediate(resolve));
  }

  stop(): void {
    this.#stopped = true;
  }

  get total(): number {
    return this.#next;
  }
}

/** Each document of a collection, with how often it was written. */
export async function versions(server: PostgresServer, collection: string): Promise<Map<string, number>> {
  const rows = await server.query(`SELECT id, version::int FROM ${collection}`);
  return new Map(rows.map(({ id, version }) => [id as string, version as number]));
}

/** Holds that each write ended as its caller was told, and none took place twice. */
export function expectHonest(ledger: WriteLedger, found: ReadonlyMap<string, number>): void {
  const { acknowledged, rejected, unknown } = ledger;
  expect([...acknowledged].filter((id) => !found.has(id))).toEqual([]);
  expect([...rejected].filter((id) => found.has(id))).toEqual([]);
  expect([...found.values()].every((version) => version === 1)).toBe(true);
  expect(acknowledged.size + rejected.size + unknown.size).toBe(ledger.total);
  expect([...found.keys()].every((id) => acknowledged.has(id) || unknown.has(id))).toBe(true);
}
