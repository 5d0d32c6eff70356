import type { EngineStatement } from "../../base/engine-statement.ts";
import { FormDBError } from "../../base/errors.ts";
import { patchDepth } from "../../dialect/postgres/merge-patch.ts";
import type { EngineResult, GroupWrite, IsolationLevel, WriteResult } from "../backend.ts";
import type { BatchTexts } from "./batch-texts.ts";
import { isTokenTaken } from "./translate-error.ts";

/** What writing a group needs of a connection. */
export interface WriteRunner {
  readonly inTransaction: boolean;
  readonly usable: boolean;
  runWrite(statement: EngineStatement, values: readonly unknown[]): Promise<EngineResult>;
  execute(statement: EngineStatement, values: readonly unknown[]): Promise<EngineResult>;
  begin(isolation: IsolationLevel | undefined, readOnly: boolean): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

const ALL_APPLIED: WriteResult = Object.freeze({ missing: Object.freeze([]), rejected: Object.freeze([]) });

/**
 * Writes a group of operations with one statement, which stores the batch's token too. Where an engine can't
 * change two tables in one statement, a transaction does.
 */
export class GroupWriter {
  readonly #runner: WriteRunner;
  readonly #texts: BatchTexts;

  constructor(runner: WriteRunner, texts: BatchTexts) {
    this.#runner = runner;
    this.#texts = texts;
  }

  async write(group: GroupWrite): Promise<WriteResult> {
    const alone = !this.#runner.inTransaction;
    try {
      return await this.#write(group, alone);
    } catch (error) {
      // A try that seemed lost was committed after all, perhaps while this one waited for its rows.
      if (alone && group.token !== undefined && error instanceof FormDBError && isTokenTaken(error)) {
        const earlier = await this.lookUp(group);
        if (earlier !== undefined) return earlier;
      }
      throw error;
    }
  }

  /** What the group with this token did, if it was committed. */
  async lookUp(group: GroupWrite): Promise<WriteResult | undefined> {
    if (group.token === undefined) return undefined;
    const { rows } = await this.#runner.execute(this.#texts.lookUpToken, [group.token]);
    return rows.length === 0 ? undefined : resultOf(group, rows[0]![0]);
  }

  async #write(group: GroupWrite, alone: boolean): Promise<WriteResult> {
    const { token, ids } = group;
    const inOne = token !== undefined && this.#texts.profile.changesInWith;
    const values: unknown[] = [encodeGroup(group), ids.length];
    if (inOne) values.push(token);
    const statement = this.#statement(group, inOne);
    const bracketed = alone && token !== undefined && !inOne;
    if (bracketed) await this.#runner.begin(undefined, false);
    try {
      const { rows } = await this.#runner.runWrite(statement, values);
      const applied = rows[0]![0];
      if (token !== undefined && !inOne)
        await this.#runner.runWrite(this.#texts.storeToken, [token, applied]);
      if (bracketed) await this.#runner.commit();
      return resultOf(group, applied);
    } catch (error) {
      if (bracketed && this.#runner.usable && this.#runner.inTransaction) await this.#runner.rollback();
      throw error;
    }
  }

  #statement({ kind, collection, json }: GroupWrite, withToken: boolean): EngineStatement {
    let depth = 0;
    if (kind === "update") for (const patch of json) depth = Math.max(depth, patchDepth(patch));
    const statement = this.#texts.write(kind, collection, withToken, depth);
    if (statement !== undefined) return statement;
    throw new FormDBError(
      "FORMDB_UNSUPPORTED",
      `A patch can't be merged on ${this.#texts.profile.name} when its objects nest ${depth} deep; 64 is the most`,
      { details: { outcome: "rejected" } },
    );
  }
}

/** The group as one JSON text. Documents are JSON already and are not looked into. */
function encodeGroup({ kind, ids, json }: GroupWrite): string {
  if (kind === "delete") return JSON.stringify(ids);
  let text = "[";
  for (let i = 0; i < ids.length; i++) {
    text += `${i === 0 ? "[" : ",["}${JSON.stringify(ids[i])},${json[i]}]`;
  }
  return `${text}]`;
}

/** `applied` is null where all were, else the applied ids as a JSON array. */
function resultOf({ ids }: GroupWrite, applied: unknown): WriteResult {
  if (applied === null) return ALL_APPLIED;
  const found = new Set(JSON.parse(applied as string) as string[]);
  return { missing: ids.filter((id) => !found.has(id)), rejected: [] };
}
