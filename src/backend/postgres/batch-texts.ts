import { type EngineStatement, unprepared } from "../../base/engine-statement.ts";
import type { WriteKind } from "../../base/observer.ts";
import { type BatchStatements, postgresBatch } from "../../dialect/postgres/batch.ts";
import { changeAlone } from "../../dialect/postgres/change-group.ts";
import { IN_TWO_PHASES } from "../../dialect/postgres/citus.ts";
import { spellMerge } from "../../dialect/postgres/merge-patch.ts";
import type { EngineProfile } from "../../dialect/postgres/profiles.ts";
import { SHARDED_BATCH } from "../../dialect/postgres/sharded-batch.ts";
import { statementOf } from "./own-statements.ts";

/** A collection has about ten of them; beyond this many the oldest are made again when needed. */
const MAX_TEXTS = 2_000;

/** The statements for groups of writes, made when first needed and shared by all connections. */
export class BatchTexts {
  readonly profile: EngineProfile;
  readonly #batch: BatchStatements;
  readonly #made = new Map<string, EngineStatement>();
  readonly storeToken: EngineStatement;
  readonly lookUpToken: EngineStatement;
  readonly replaceToken: EngineStatement;
  readonly pruneTokens: EngineStatement;
  /** For a transaction of several writes, before COMMIT; undefined where there is no need. */
  readonly inTwoPhases: EngineStatement | undefined;

  constructor(profile: EngineProfile) {
    this.profile = profile;
    this.#batch = postgresBatch(profile);
    this.storeToken = statementOf(this.#batch.storeToken, { returnsRows: false });
    this.lookUpToken = statementOf(this.#batch.lookUpToken);
    this.replaceToken = statementOf(this.#batch.replaceToken, { returnsRows: false });
    this.pruneTokens = statementOf(this.#batch.pruneTokens, { returnsRows: false });
    this.inTwoPhases = profile.distributes ? statementOf(IN_TWO_PHASES, { returnsRows: false }) : undefined;
  }

  getMany(collection: string): EngineStatement {
    return this.#get(`get ${collection}`, () => this.#batch.getMany(collection));
  }

  /** One id takes two thirds of the time of a list of one. */
  getOne(collection: string): EngineStatement {
    return this.#get(`get one ${collection}`, () => this.#batch.getOne(collection));
  }

  getTexts(collection: string): EngineStatement {
    return this.#get(`texts ${collection}`, () => this.#batch.getTexts(collection));
  }

  getText(collection: string): EngineStatement {
    return this.#get(`text ${collection}`, () => this.#batch.getText(collection));
  }

  insertAll(collection: string): EngineStatement {
    return this.#get(`insert all ${collection}`, () => this.#batch.insertAll(collection), false);
  }

  /** A change of one document that gives its version, and has so many values, with its token. */
  changeAlone({ name, text }: EngineStatement, values: number): EngineStatement {
    return this.#get(`alone ${name}`, () => changeAlone(text, values));
  }

  /** The text before the rows of a `COPY`. */
  copy(collection: string): string {
    return this.#batch.copy(collection);
  }

  /** `patchDepth` counts for updates only. Undefined where the engine has no way to merge so deep. */
  write(
    kind: WriteKind,
    collection: string,
    withToken: boolean,
    patchDepth: number,
  ): EngineStatement | undefined {
    if (kind !== "update") {
      return this.#get(`${kind} ${collection} ${withToken}`, () => this.#batch[kind](collection, withToken));
    }
    const { mergeTarget, mergePatch } = this.#batch;
    const merge = spellMerge(mergeTarget, mergePatch, patchDepth, this.profile);
    if (merge === undefined) return undefined;
    return this.#get(`${merge.name} ${collection} ${withToken}`, () =>
      this.#batch.update(collection, merge, withToken),
    );
  }

  /**
   * The statement that names the ids of a group, in the way of `sharded-batch.ts`. Rows are a part of an insert's text, of which
   * there are too many to be kept: parsing them was not measurable.
   */
  byIds(kind: WriteKind, collection: string, rows: number, patchDepth: number): EngineStatement | undefined {
    switch (kind) {
      case "insert":
      case "upsert":
        return unprepared(SHARDED_BATCH[kind](collection, rows), { cost: "bounded", returnsRows: true });
      case "delete":
        return this.#get(`delete by id ${collection}`, () => SHARDED_BATCH.delete(collection));
      case "update": {
        const { mergeTarget, mergePatch } = SHARDED_BATCH;
        const merge = spellMerge(mergeTarget, mergePatch, patchDepth, this.profile);
        if (merge === undefined) return undefined;
        return this.#get(`${merge.name} by id ${collection}`, () => SHARDED_BATCH.update(collection, merge));
      }
      default:
        return kind satisfies never;
    }
  }

  #get(key: string, make: () => string, returnsRows = true): EngineStatement {
    let statement = this.#made.get(key);
    if (statement === undefined) {
      statement = statementOf(make(), { returnsRows });
      this.#made.set(key, statement);
      if (this.#made.size > MAX_TEXTS) this.#made.delete(this.#made.keys().next().value!);
    }
    return statement;
  }
}
