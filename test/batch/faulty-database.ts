import { FormDBError } from "../../src/base/errors.ts";
import type { BatchGroup, BatchOperation, OperationResult } from "../../src/batch/group.ts";
import type { Json, JsonObject } from "../../src/batch/merge-patch.ts";
import type { ManualClock } from "../support/manual-clock.ts";
import type { Random } from "../support/random.ts";
import { mergePatch } from "../support/rfc7396.ts";

export interface Faults {
  /** Chance that a call fails in one of the ways below. */
  readonly chance: number;
  readonly slowMs: number;
}

/**
 * A database in memory that goes wrong at random: busy, connections lost before, during and after the commit, slow calls,
 * look-ups that fail. It notes what it applied, and complains of what a processor must never do. Every write has a member
 * `w` and its number, by which it is known wherever it goes.
 */
export class FaultyDatabase {
  readonly #clock: ManualClock;
  readonly #random: Random;
  readonly faults: Faults;
  /** By collection, slash and id. */
  readonly documents: Map<string, JsonObject> = new Map();
  /** How often each write, by its number, was applied. */
  readonly applied: Map<number, number> = new Map();
  /** Per id, the numbers of the writes in the order in which they were applied. */
  readonly history: Map<string, number[]> = new Map();
  readonly tokens: Map<string, readonly OperationResult[]> = new Map();
  readonly #underWay: Set<string> = new Set();
  readonly complaints: string[] = [];
  /** Writes that were sent and refused for their data. */
  sent = 0;
  largest = 0;

  constructor(clock: ManualClock, random: Random, faults: Faults) {
    this.#clock = clock;
    this.#random = random;
    this.faults = faults;
  }

  readonly execute = async (group: BatchGroup): Promise<readonly OperationResult[] | undefined> => {
    this.sent++;
    this.largest = Math.max(this.largest, group.operations.length);
    const keys = group.operations.map(({ id }) => `${group.collection}/${id}`);
    if (new Set(keys).size !== keys.length) this.complaints.push(`an id twice in a group: ${keys}`);
    for (const key of keys) {
      if (this.#underWay.has(key)) this.complaints.push(`${key} is under way twice`);
      this.#underWay.add(key);
    }
    try {
      return await this.#run(group);
    } finally {
      for (const key of keys) this.#underWay.delete(key);
    }
  };

  readonly lookUpToken = async (token: string): Promise<readonly OperationResult[] | undefined> => {
    await this.#pause();
    if (this.#random.chance(this.faults.chance))
      throw new FormDBError("FORMDB_CONNECT_FAILED", "no connection");
    return this.tokens.get(token);
  };

  async #run(group: BatchGroup): Promise<readonly OperationResult[] | undefined> {
    await this.#pause();
    const fault = this.#random.chance(this.faults.chance) ? this.#random.below(5) : -1;
    if (fault === 0) throw new FormDBError("FORMDB_BUSY", "busy");
    if (fault === 1) throw new FormDBError("FORMDB_CONNECT_FAILED", "no connection");
    if (fault === 2) throw lost();
    if (group.operations.some(({ json }) => json.includes('"bad"'))) {
      throw new FormDBError("FORMDB_CONSTRAINT", "a bad document");
    }
    if (group.token !== undefined && this.tokens.has(group.token))
      this.complaints.push("a group was sent after its commit");
    const results = group.operations.map((operation) => this.#apply(operation));
    if (group.token !== undefined) this.tokens.set(group.token, results);
    await this.#pause();
    if (fault === 3) throw lost();
    return results.some(({ error, found }) => error !== undefined || found !== undefined)
      ? results
      : undefined;
  }

  #apply({ kind, collection, id, json }: BatchOperation): OperationResult {
    const key = `${collection}/${id}`;
    const before = this.documents.get(key);
    if (kind === "delete") return { found: this.documents.delete(key) };
    if (kind === "insert" && before !== undefined)
      return { error: new FormDBError("FORMDB_DUPLICATE_ID", "taken") };
    if (kind === "update" && before === undefined)
      return { error: new FormDBError("FORMDB_NOT_FOUND", "missing") };
    const value = JSON.parse(json) as JsonObject;
    this.documents.set(key, kind === "update" ? (mergePatch(before, value as Json) as JsonObject) : value);
    const history = this.history.get(key) ?? [];
    this.history.set(key, history);
    for (const name of Object.keys(value)) {
      if (!/^w\d+$/.test(name)) continue;
      const number = Number(name.slice(1));
      this.applied.set(number, (this.applied.get(number) ?? 0) + 1);
      history.push(number);
    }
    return {};
  }

  async #pause(): Promise<void> {
    if (this.faults.slowMs === 0 || this.#random.chance(0.5)) return;
    const ms = this.#random.below(this.faults.slowMs);
    await new Promise<void>((resolve) => {
      this.#clock.schedule(resolve, ms);
    });
  }
}

function lost(): FormDBError {
  return new FormDBError("FORMDB_CONNECTION_LOST", "the connection was lost", {
    details: { outcome: "unknown" },
  });
}
