import type { CallOptions } from "../../base/abort.ts";
import type { EngineStatement } from "../../base/engine-statement.ts";
import { FormDBError } from "../../base/errors.ts";
import { NOT_COMMITTED } from "../../dialect/postgres/batch.ts";
import { patchDepth } from "../../dialect/postgres/merge-patch.ts";
import type {
  ChangeResult,
  EngineResult,
  FormedChanges,
  GroupWrite,
  IsolationLevel,
  StatementCall,
  WriteResult,
} from "../backend.ts";
import type { BatchTexts } from "./batch-texts.ts";
import { encodeRows, encodeTextRows } from "./copy-in.ts";
import { isCopyError, isTokenTaken } from "./translate-error.ts";

/** What writing a group needs of a connection. */
export interface WriteRunner {
  readonly inTransaction: boolean;
  readonly usable: boolean;
  runWrite(
    statement: EngineStatement,
    values: readonly unknown[],
    options?: CallOptions,
  ): Promise<EngineResult>;
  runCopy(
    first: StatementCall,
    text: string,
    rowsOf: (row: readonly unknown[]) => readonly Buffer[],
  ): Promise<void>;
  begin(isolation: IsolationLevel | undefined): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

/** After a document was refused, which ends a whole group, so many groups go by the statement that knows one from the other. */
const GROUPS_ONE_BY_ONE = 16;

const ALL_APPLIED: WriteResult = Object.freeze({ missing: Object.freeze([]), rejected: Object.freeze([]) });

/**
 * Writes a group of operations with one statement, which stores the batch's token too. Where an engine can't
 * change two tables in one statement, a transaction does. Large groups of inserts go by `COPY` where that is
 * faster, and by the statement, which knows one document from the other, where it fails.
 */
export class GroupWriter {
  readonly #runner: WriteRunner;
  readonly #texts: BatchTexts;
  /** Whether one statement writes a group and stores its token. */
  readonly #together: boolean;
  #groupsOneByOne = 0;

  constructor(runner: WriteRunner, texts: BatchTexts) {
    this.#runner = runner;
    this.#texts = texts;
    this.#together = texts.profile.changesInWith && !texts.profile.namesIds;
  }

  /** `options` bound a write that is a part of the caller's transaction. */
  async write(group: GroupWrite, options: CallOptions): Promise<WriteResult> {
    const { token } = group;
    if (token === undefined) return resultOf(group, await this.#apply(group, undefined, options));
    if (this.#runner.inTransaction) return await this.#writeRows(group, token);
    try {
      if (this.#mayGoWhole(group) && (await this.#insertWhole(group, token))) return ALL_APPLIED;
      return this.#together
        ? await this.#writeRows(group, token)
        : await this.#writeBoth(group, token, this.#texts.storeToken);
    } catch (error) {
      if (!(error instanceof FormDBError && isTokenTaken(error))) throw error;
    }
    // A try that seemed lost was committed after all, perhaps while this one waited for its rows; or it was
    // looked up, and its token can only be used by who knows that.
    return (await this.lookUp(group)) ?? (await this.#writeBoth(group, token, this.#texts.replaceToken));
  }

  /** What the group with this token did, if it was committed; if it was not it can't be any more. */
  async lookUp(group: GroupWrite): Promise<WriteResult | undefined> {
    if (group.token === undefined) return undefined;
    const { rows } = await this.#runner.runWrite(this.#texts.lookUpToken, [group.token]);
    const applied = rows[0]![0];
    return applied === NOT_COMMITTED ? undefined : resultOf(group, applied);
  }

  async #writeRows(group: GroupWrite, token: string): Promise<WriteResult> {
    const applied = await this.#apply(group, this.#together ? token : undefined);
    if (!this.#together) await this.#store(this.#texts.storeToken, token, applied);
    return resultOf(group, applied);
  }

  /** The group and its token one after the other, in a transaction. */
  #writeBoth(group: GroupWrite, token: string, store: EngineStatement): Promise<WriteResult> {
    return this.#transaction(async () => {
      const applied = await this.#apply(group, undefined);
      await this.#store(store, token, applied);
      return resultOf(group, applied);
    });
  }

  async #apply(group: GroupWrite, token: string | undefined, options?: CallOptions): Promise<unknown> {
    if (group.changes !== undefined)
      return await this.#applyChanges(group.ids, group.changes, token, options);
    if (this.#texts.profile.namesIds) return await this.#applyByIds(group, options);
    const values: unknown[] = [encodeGroup(group), group.ids.length];
    if (token !== undefined) values.push(token);
    const { rows } = await this.#runner.runWrite(
      this.#statement(group, token !== undefined),
      values,
      options,
    );
    return rows[0]![0];
  }

  /** One that changes nothing by itself is told why by the statement for groups. */
  async #applyChanges(
    ids: readonly string[],
    changes: FormedChanges,
    token: string | undefined,
    options?: CallOptions,
  ): Promise<unknown> {
    const { alone, statement } = changes;
    if (alone !== undefined) {
      const { rows } = await this.#runner.runWrite(
        this.#texts.changeAlone(alone.statement, alone.values.length),
        [...alone.values, ids[0], token ?? null],
        options,
      );
      if (rows.length > 0) return rows[0]![0];
    }
    const values = [encodeChanges(ids, changes), token ?? null];
    return (await this.#runner.runWrite(statement, values, options)).rows[0]![0];
  }

  /** What the statements for whole groups give in one row, from the rows of the ids. */
  async #applyByIds(group: GroupWrite, options?: CallOptions): Promise<string | null> {
    const { kind, collection, ids } = group;
    const depth = deepestPatch(group);
    const statement = this.#texts.byIds(kind, collection, ids.length, depth) ?? this.#refuseDepth(depth);
    const { rows } = await this.#runner.runWrite(statement, valuesByIds(group), options);
    return rows.length === ids.length ? null : JSON.stringify(rows.map(([id]) => id));
  }

  async #store(statement: EngineStatement, token: string, applied: unknown): Promise<void> {
    const { rowCount } = await this.#runner.runWrite(statement, [token, applied]);
    if (rowCount === 1) return;
    throw new FormDBError("FORMDB_SERIALIZATION", "Another try of the same batch was faster than this one", {
      retryable: true,
      details: { outcome: "rejected" },
    });
  }

  /** Inserts whose ids are all new, as nearly all are, need not be told apart: that is worth trying first. */
  #mayGoWhole({ kind, ids }: GroupWrite): boolean {
    if (kind !== "insert" || !(this.#together || ids.length >= this.#texts.profile.minCopyRows)) return false;
    if (this.#groupsOneByOne === 0) return true;
    this.#groupsOneByOne--;
    return false;
  }

  /** False where the engine refused a document, and so all of them. */
  async #insertWhole(group: GroupWrite, token: string): Promise<boolean> {
    try {
      if (group.ids.length >= this.#texts.profile.minCopyRows) await this.#copy(group, token);
      else await this.#runner.runWrite(this.#texts.insertAll(group.collection), [encodeGroup(group), token]);
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#groupsOneByOne = GROUPS_ONE_BY_ONE;
      return false;
    }
  }

  async #copy({ collection, ids, json }: GroupWrite, token: string): Promise<void> {
    // The token is first: it gives the transaction's time, which COPY can't ask for.
    const stored = { statement: this.#texts.storeToken, values: [token, null] };
    const encode = this.#texts.profile.copyFormat === "binary" ? encodeRows : encodeTextRows;
    try {
      await this.#runner.runCopy(stored, this.#texts.copy(collection), ([updatedAt]) =>
        encode(ids, json, updatedAt),
      );
    } catch (error) {
      await this.#rollback();
      throw error;
    }
  }

  async #transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.#runner.begin(undefined);
    try {
      const result = await work();
      await this.#runner.commit();
      return result;
    } catch (error) {
      await this.#rollback();
      throw error;
    }
  }

  async #rollback(): Promise<void> {
    if (this.#runner.usable && this.#runner.inTransaction) await this.#runner.rollback();
  }

  #statement(group: GroupWrite, withToken: boolean): EngineStatement {
    const depth = deepestPatch(group);
    return this.#texts.write(group.kind, group.collection, withToken, depth) ?? this.#refuseDepth(depth);
  }

  #refuseDepth(depth: number): never {
    throw new FormDBError(
      "FORMDB_UNSUPPORTED",
      `A patch can't be merged on ${this.#texts.profile.name} when its objects nest ${depth} deep; 64 is the most`,
      { details: { outcome: "rejected" } },
    );
  }
}

/** Whether it is a document that the engine refused, or the engine can't copy into this table at all. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof FormDBError) || isTokenTaken(error)) return false;
  return /^(22|23|0A)/.test(String(error.sqlstate)) || isCopyError(error);
}

function deepestPatch({ kind, json }: GroupWrite): number {
  let depth = 0;
  if (kind === "update") for (const patch of json) depth = Math.max(depth, patchDepth(patch));
  return depth;
}

/** What the statements that name ids take. */
function valuesByIds({ kind, ids, json }: GroupWrite): unknown[] {
  switch (kind) {
    case "insert":
    case "upsert":
      return ids.flatMap((id, i) => [id, json[i]]);
    case "update":
      return [`{${ids.map((id, i) => `${JSON.stringify(id)}:${json[i]}`).join(",")}}`, ids];
    case "delete":
      return [ids];
    default:
      return kind satisfies never;
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

/** What the statement of `dialect/postgres/change-group.ts` takes. Ids that are the same follow one another. */
function encodeChanges(ids: readonly string[], { values }: FormedChanges): string {
  let place = 0;
  return JSON.stringify(
    ids.map((id, i) => {
      place = id === ids[i - 1] ? place + 1 : 1;
      return [id, place, id !== ids[i + 1], ...values[i]!];
    }),
  );
}

/** From what that statement gives, in any order. */
function resultOfChanges(ids: readonly string[], applied: string): WriteResult {
  const found = new Map<string, ChangeResult[]>();
  for (const [id, place, version, document] of JSON.parse(applied) as [string, number, number, unknown?][]) {
    const unchanged = document === undefined ? undefined : JSON.stringify(document);
    const ofId = found.get(id) ?? [];
    ofId[place] = { version, unchanged };
    found.set(id, ofId);
  }
  let place = 0;
  const changes = ids.map((id, i) => {
    place = id === ids[i - 1] ? place + 1 : 1;
    return found.get(id)?.[place];
  });
  return { ...ALL_APPLIED, changes };
}

/** `applied` is null where all were, else the applied ids as a JSON array. */
function resultOf({ ids, changes }: GroupWrite, applied: unknown): WriteResult {
  if (changes !== undefined) return resultOfChanges(ids, applied as string);
  if (applied === null) return ALL_APPLIED;
  const found = new Set(JSON.parse(applied as string) as string[]);
  return { missing: ids.filter((id) => !found.has(id)), rejected: [] };
}
