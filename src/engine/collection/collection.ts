import { bounded, type CallOptions, NO_BOUNDS, TimeOfParts } from "../../base/abort.ts";
import { checkCollectionName } from "../../base/collection-name.ts";
import { type Document, encodeDocument, encodeId, type Row } from "../../base/document.ts";
import { beforeSending, FormDBError, noteDetail, notSent } from "../../base/errors.ts";
import { boolean, CALL_BOUNDS, checkOptions, integer, wrongOption } from "../../base/options.ts";
import { iterable } from "../../batch/feeder.ts";
import type { BatchResult } from "../../batch/group.ts";
import { FilterReader } from "../../plan/filter.ts";
import { addFilter, type Form } from "../../plan/filter-form.ts";
import type { Change, Expression, Field, Operand, Select } from "../../query/syntax-tree.ts";
import { isText } from "../../query/tree-text.ts";
import { type Answer, answered, promised } from "../answer.ts";
import type { QueryResult } from "../read.ts";
import type { IndexOptions } from "../schema.ts";
import { type FoundByChange, notThere } from "../write.ts";
import { type Changes, obstacle, stepsOf, unexplained, whyNotMade } from "./changes.ts";
import type { Filter } from "./filter.ts";
import {
  ALL_OF,
  type AnyFindOptions,
  FIND_CHECKS,
  FIND_OTHER_NAMES,
  Find,
  type FindOptions,
  NO_OPTIONS,
  orderOf,
} from "./find.ts";
import type { AskedChange, CollectionHost, Version, Versioned } from "./host.ts";
import type { IndexPathOf, PathOf, Read, ValueAt } from "./paths.ts";
import { checkDocument, type StandardSchema } from "./standard-schema.ts";
import { knownTree, newTree, treeOf } from "./tree.ts";

/** A document as it is written: one without an id is given one. Of a union each member by itself. */
export type New<T> =
  | T
  | (T extends unknown ? Omit<T, "id"> & { readonly id?: string | number | undefined } : never);

/** A document as it is read: its id is a string. */
export type Found<T> = T & { readonly id: string };

/** A row of the selected paths, each by its text. */
export type Selected<T, P extends string> = { [K in P]: K extends "id" ? string : Read<ValueAt<T, K>> };

/** How a collection's handle is made. */
export interface CollectionOptions<T> {
  /** A Standard Schema. What is inserted, upserted or replaced is what it gives for it; changes by path are not checked. */
  readonly schema?: StandardSchema<T> | undefined;
}

/** The bounds of a change, and the version that it is made for. */
export interface ChangeOptions extends CallOptions {
  /** The version that the document must have; else the change fails with `FORMDB_CONFLICT`. */
  readonly ifVersion?: number | undefined;
}

const GET_CHECKS = { version: boolean, ...CALL_BOUNDS };
const CHANGE_CHECKS = { ifVersion: integer(0), ...CALL_BOUNDS };

/** How often a change is tried that met nothing, while nothing that is there says why. */
const MAX_TRIES = 5;
/** How often `findOneAndUpdate` looks again where it can't lock what it finds; and among how many it then chooses. */
const MAX_MISSES = 100;
const CANDIDATES = 16;
const ID: Field = { type: "path", path: ["id"] };
const COUNT: Select["items"] = [{ type: "aggregate", function: "COUNT", of: undefined, name: "n" }];

/** The documents of one collection, as documents of the type `T`, which are inserted as `Input`. It holds nothing but its name; make as many as you like. */
export class Collection<T extends object = Document, Input extends object = T> {
  readonly name: string;
  readonly #host: CollectionHost;
  readonly #schema: StandardSchema | undefined;

  constructor(host: CollectionHost, name: string, schema: StandardSchema | undefined) {
    this.name = checkCollectionName(name);
    this.#host = host;
    this.#schema = schema;
  }

  /** The document of an id; with `version: true` its version beside it. */
  get(
    id: string | number,
    options: CallOptions & { readonly version: true },
  ): Promise<Versioned<Found<T>> | undefined>;
  get(
    id: string | number,
    options?: CallOptions & { readonly version?: false },
  ): Promise<Found<T> | undefined>;
  get(id: string | number, options?: CallOptions & { readonly version?: boolean }): Promise<unknown> {
    return options === undefined ? this.#host.methods.get(this.name, id) : this.#getBy(id, options);
  }

  async #getBy(id: string | number, options: CallOptions & { readonly version?: boolean }): Promise<unknown> {
    checkOptions("get()", options, GET_CHECKS);
    const { version, ...bounds } = options;
    const { methods } = this.#host;
    return version ? this.#host.getVersioned(this.name, id, bounds) : methods.get(this.name, id, bounds);
  }

  /** Resolves to the document's id when it is committed. `FORMDB_DUPLICATE_ID` if there is one with its id. */
  insert(document: New<Input>, options?: CallOptions): Promise<string> {
    return this.#written("insert()", options, document, (checked, left) =>
      this.#host.methods.insert(this.name, checked, left),
    );
  }

  /**
   * Inserts many, in batches. What the schema refuses fails the call before anything is sent; a failure of one document in
   * the database is in the result's `errors`.
   */
  async insertMany(documents: Iterable<New<Input>>, options?: CallOptions): Promise<BatchResult> {
    if (options !== undefined) beforeSending(() => checkOptions("insertMany()", options, CALL_BOUNDS));
    const schema = this.#schema;
    const { clock, methods } = this.#host;
    if (schema === undefined) return methods.batchInsert(this.name, [...iterable(documents)], options);
    const time = new TimeOfParts("insertMany()", options ?? NO_BOUNDS, clock);
    const checked: unknown[] = [];
    const left = await toldAsWrite(async () => {
      for (const document of iterable(documents)) {
        const check = checkDocument(schema, document, `[${checked.length}].`);
        checked.push(await bounded("insertMany()", check, clock, time.next()));
      }
      return time.next();
    }, time);
    return methods.batchInsert(this.name, checked, left).catch((error: unknown) => {
      throw time.errorOf(error);
    });
  }

  /** Inserts a document or replaces the one with its id. */
  upsert(document: New<Input>, options?: CallOptions): Promise<string> {
    return this.#written("upsert()", options, document, (checked, left) =>
      this.#host.methods.upsert(this.name, checked, left),
    );
  }

  /** Replaces a document that is there. Resolves to its new version. */
  async replace(
    id: string | number,
    document: New<Input>,
    options: ChangeOptions = NO_BOUNDS,
  ): Promise<Version> {
    const key = beforeSending(() => {
      checkOptions("replace()", options, CHANGE_CHECKS);
      return encodeId(id);
    });
    return this.#checked("replace()", options, document, async (checked, left) => {
      const json = beforeSending(() => this.#encoded(checked, key));
      return this.#change(key, left ?? NO_BOUNDS, { action: "replace", json }, (reader) => ({
        document: reader.slot(json),
      }));
    });
  }

  /** The JSON of what replaces the document of an id. */
  #encoded(document: unknown, key: string): string {
    const json = encodeDocument(document);
    const own = (JSON.parse(json) as Row).id;
    if (own === undefined || encodeId(own) === key) return json;
    throw new FormDBError("FORMDB_INVALID_ID", "The document for an id must not have another id", {
      details: { collection: this.name, id: key },
    });
  }

  /** Changes a document by path, in one statement. Resolves to its new version. */
  update(id: string | number, changes: Changes<T>, options: ChangeOptions = NO_BOUNDS): Promise<Version> {
    return this.#change(id, options, { action: "update", changes }, (reader) => ({
      steps: stepsOf(changes, reader),
    }));
  }

  /** Resolves to whether there was such a document. */
  async delete(id: string | number, options: ChangeOptions = NO_BOUNDS): Promise<boolean> {
    beforeSending(() => checkOptions("delete()", options, CHANGE_CHECKS));
    const { ifVersion, ...bounds } = options;
    if (ifVersion === undefined) return this.#host.methods.delete(this.name, id, bounds);
    try {
      await this.#change(id, options, { action: "delete" }, () => ({}));
      return true;
    } catch (error) {
      if (error instanceof FormDBError && error.code === "FORMDB_NOT_FOUND") return false;
      throw error;
    }
  }

  /** The documents that a filter means; all without one. */
  find(
    filter?: Filter<Found<T>>,
    options?: FindOptions<Found<T>> & { readonly select?: undefined },
  ): Find<Found<T>>;
  find<const P extends PathOf<Found<T>>>(
    filter: Filter<Found<T>> | undefined,
    options: FindOptions<Found<T>> & { readonly select: readonly P[] },
  ): Find<Selected<T, P>>;
  find(filter: unknown = {}, options: AnyFindOptions = NO_OPTIONS): Find<never> {
    return new Find(this.#host, this.name, filter, options);
  }

  /** The first document that a filter means. Which one that is, only `orderBy` says. */
  findOne(
    filter?: Filter<Found<T>>,
    options?: FindOptions<Found<T>> & { readonly select?: undefined },
  ): Promise<Found<T> | undefined>;
  findOne<const P extends PathOf<Found<T>>>(
    filter: Filter<Found<T>> | undefined,
    options: FindOptions<Found<T>> & { readonly select: readonly P[] },
  ): Promise<Selected<T, P> | undefined>;
  findOne(filter: unknown = {}, options: AnyFindOptions = NO_OPTIONS): Promise<unknown> {
    return promised(() => new Find<Row>(this.#host, this.name, filter, options).first());
  }

  /** How many documents a filter means. */
  count(
    filter: Filter<Found<T>> = {} as Filter<Found<T>>,
    options: CallOptions = NO_BOUNDS,
  ): Promise<number> {
    return promised(() => this.#count(filter, options));
  }

  #count(filter: Filter<Found<T>>, options: CallOptions): Answer<number> {
    if (options !== NO_BOUNDS) checkOptions("count()", options, CALL_BOUNDS);
    const make = (reader: FilterReader): Select => ({
      ...ALL_OF,
      items: COUNT,
      collection: this.name,
      where: reader.read(filter),
    });
    const form: Form = { words: ["count", this.name], values: [] };
    const tree = addFilter(form, filter) ? (knownTree(form) ?? newTree(form, make)) : treeOf(make);
    const { elsewhere } = this.#host;
    if (elsewhere !== undefined && !isText(tree.key)) return elsewhere.count(this.name, filter, options);
    return answered(this.#host.run("count()", tree, options), ({ rows }) => Number(rows[0]?.n ?? 0));
  }

  /**
   * Changes the first document that a filter means, and resolves to it as it is then; undefined if there is none. No two
   * callers are given the same document for one change: where another holds it, the next one is taken, and only if there
   * is no other it is waited for.
   */
  async findOneAndUpdate(
    filter: Filter<Found<T>>,
    changes: Changes<T>,
    options: CallOptions & Pick<FindOptions<Found<T>>, "orderBy"> = {},
  ): Promise<Found<T> | undefined> {
    const checks = { ...CALL_BOUNDS, orderBy: FIND_CHECKS.orderBy };
    const { elsewhere } = this.#host;
    beforeSending(() => {
      checkOptions("findOneAndUpdate()", options, checks, { orderBy: FIND_OTHER_NAMES.orderBy });
      orderOf(options.orderBy);
      if (elsewhere === undefined) return;
      const reader = new FilterReader();
      stepsOf(changes, reader);
      reader.read(filter);
    });
    const { orderBy, ...bounds } = options;
    if (elsewhere !== undefined) {
      const asked = { filter, changes, orderBy };
      return toldAsWrite(
        async () => (await elsewhere.findOneAndUpdate(this.name, asked, bounds)) as Found<T> | undefined,
      );
    }
    const change = { filter, changes, orderBy };
    return this.#write("findOneAndUpdate()", bounds, (time) =>
      this.#host.findsFirst ? this.#findAndChange(change, time) : this.#changeFirst(change, time),
    );
  }

  async #changeFirst(change: FirstChange<T>, time: TimeOfParts): Promise<Found<T> | undefined> {
    const { filter, changes, orderBy } = change;
    const order = orderOf(orderBy);
    for (const skipLocked of [true, false]) {
      const first = { orderBy: order, skipLocked };
      const { rows } = await this.#runFirst(change, time.next(), (where) => ({ where, first }));
      if (rows.length > 0) return rows[0]!.document as Found<T>;
    }
    const blocked = await new Find<Row>(this.#host, this.name, filter, { orderBy, ...time.next() }).first();
    if (blocked !== undefined) this.#refuseFor(blocked, changes);
    return undefined;
  }

  /**
   * The document that was found is changed if the filter still means it then. Who comes too late looks again, and takes one of
   * several, so that the next callers don't all want the same.
   */
  async #findAndChange(change: FirstChange<T>, time: TimeOfParts): Promise<Found<T> | undefined> {
    const { filter, changes, orderBy } = change;
    for (let misses = 0; misses < MAX_MISSES; misses++) {
      const asked = { orderBy, limit: misses === 0 ? 1 : CANDIDATES, ...time.next() };
      const candidates = await new Find<Row>(this.#host, this.name, filter, asked).toArray();
      if (candidates.length === 0) return undefined;
      const found = candidates[Math.floor(Math.random() * candidates.length)]!;
      this.#refuseFor(found, changes);
      const { rows } = await this.#runFirst(change, time.next(), (where, reader) => {
        const isIt = idIs(reader.slot(found.id));
        return {
          where: where === undefined ? isIt : { type: "and", operands: [isIt, where] },
          first: undefined,
        };
      });
      if (rows.length > 0) return rows[0]!.document as Found<T>;
    }
    throw new FormDBError(
      "FORMDB_BUSY",
      `The document could not be updated: ${MAX_MISSES} times others were faster to change what the filter meant`,
      { retryable: true, details: { collection: this.name } },
    );
  }

  #runFirst(
    { filter, changes }: FirstChange<T>,
    options: CallOptions,
    choose: (where: Expression | undefined, reader: FilterReader) => Pick<Change, "where" | "first">,
  ): Answer<QueryResult> {
    const tree = treeOf((reader) => ({
      type: "change",
      action: "update",
      collection: this.name,
      steps: stepsOf(changes, reader),
      document: undefined,
      version: undefined,
      gives: "document",
      ...choose(reader.read(filter), reader),
    }));
    return this.#host.run("findOneAndUpdate()", tree, options);
  }

  /** Throws if something in the document is in the way of the changes. */
  #refuseFor(document: Row, changes: Changes<T>): void {
    const reader = new FilterReader();
    const steps = stepsOf(changes, reader);
    const why = obstacle(document, steps, { collection: this.name, values: reader.values });
    if (why !== undefined) throw why;
  }

  /** Makes an index over one or more paths, or texts in lower or upper case (`"LOWER(email)"`); resolves to its name. */
  createIndex(
    paths: IndexPathOf<Found<T>> | readonly IndexPathOf<Found<T>>[],
    options?: IndexOptions,
  ): Promise<string> {
    return this.#host.methods.createIndex(this.name, paths, options);
  }

  #written<R>(
    what: string,
    options: CallOptions | undefined,
    document: unknown,
    write: (checked: unknown, left: CallOptions | undefined) => Promise<R>,
  ): Promise<R> {
    const wrong = options === undefined ? undefined : wrongOption(what, options, CALL_BOUNDS);
    if (wrong !== undefined) return Promise.reject(noteDetail(wrong, "outcome", "rejected"));
    return this.#checked(what, options, document, write);
  }

  /**
   * Uses what a schema gives for a document, within what is left of the call's time. Without one nothing is awaited: calls
   * are queued in the order in which they are made.
   */
  #checked<R>(
    what: string,
    options: ChangeOptions | undefined,
    document: unknown,
    use: (checked: unknown, left: ChangeOptions | undefined) => Promise<R>,
  ): Promise<R> {
    const schema = this.#schema;
    if (schema === undefined) return use(document, options);
    const { clock } = this.#host;
    const time = new TimeOfParts(what, options ?? NO_BOUNDS, clock);
    const check = async (): Promise<[checked: unknown, left: ChangeOptions | undefined]> => {
      const checked = await bounded(what, checkDocument(schema, document), clock, time.next());
      return [checked, options && { ...options, ...time.next() }];
    };
    return toldAsWrite(check, time)
      .then(([checked, left]) => use(checked, left))
      .catch((error: unknown) => {
        throw time.errorOf(error);
      });
  }

  async #change(
    id: string | number,
    options: ChangeOptions,
    asked: AskedChange,
    make: (reader: FilterReader) => Partial<Change>,
  ): Promise<Version> {
    const { action } = asked;
    const what = `${action}()`;
    const { elsewhere } = this.#host;
    const key = beforeSending(() => {
      checkOptions(what, options, CHANGE_CHECKS);
      if (elsewhere !== undefined) make(new FilterReader());
      return encodeId(id);
    });
    const { ifVersion, ...bounds } = options;
    if (elsewhere !== undefined) {
      const target = { collection: this.name, id: key, ifVersion };
      return toldAsWrite(async () => (await elsewhere.change(target, asked, bounds)) as Version);
    }
    return this.#write(what, bounds, (time) => this.#makeChange({ key, ifVersion, action, make }, time));
  }

  #write<R>(what: string, bounds: CallOptions, work: (time: TimeOfParts) => Promise<R>): Promise<R> {
    const time = new TimeOfParts(what, bounds, this.#host.clock);
    return toldAsWrite(() => work(time), time);
  }

  async #makeChange({ key, ifVersion, action, make }: ChangeToMake, time: TimeOfParts): Promise<Version> {
    const what = `${action}()`;
    for (let tries = 1; ; tries++) {
      const tree = treeOf((reader) => ({
        type: "change",
        action,
        collection: this.name,
        steps: [],
        document: undefined,
        first: undefined,
        gives: "version",
        ...make(reader),
        where: idIs(reader.slot(key)),
        version: ifVersion === undefined ? undefined : reader.slot(ifVersion),
      }));
      const request = { statement: tree.statement as Change, id: key, ifVersion, values: tree.values };
      const refuse = (found: FoundByChange): FormDBError =>
        whyNotMade(request, found && { version: found.version, document: JSON.parse(found.json) }) ??
        unexplained(request);
      const queued = this.#host.change?.(what, tree, { id: key, refuse }, time.next());
      if (queued !== undefined) return { version: await queued };
      const { rows } = await this.#host.run(what, tree, time.next());
      if (rows.length > 0) return rows[0] as unknown as Version;
      // What kept it from being made may be gone by now: then it may be tried again.
      const found = await this.#host.getVersioned(this.name, key, time.next());
      const absence = found === undefined ? await this.#host.absence?.(this.name, time.next()) : undefined;
      if (absence !== undefined) throw notThere(absence, this.name, key);
      const why = whyNotMade(request, found);
      if (why !== undefined) throw why;
      if (tries === MAX_TRIES) throw unexplained(request);
    }
  }
}

/** Whatever has no outcome has failed before the write was sent, or once it had changed nothing. */
async function toldAsWrite<R>(work: () => Promise<R>, time?: TimeOfParts): Promise<R> {
  try {
    return await work();
  } catch (error) {
    notSent(time?.errorOf(error) ?? error);
  }
}

function idIs(id: Operand): Expression {
  return { type: "compare", operator: "=", left: ID, right: id };
}

/** A change of the first document that a filter means. */
interface FirstChange<T extends object> {
  readonly filter: Filter<Found<T>>;
  readonly changes: Changes<T>;
  readonly orderBy: FindOptions<Found<T>>["orderBy"];
}

/** A change of the document of an id. */
interface ChangeToMake {
  readonly key: string;
  readonly ifVersion: number | undefined;
  readonly action: AskedChange["action"];
  readonly make: (reader: FilterReader) => Partial<Change>;
}
