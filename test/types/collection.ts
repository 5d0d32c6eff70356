/**
 * What compiles with a collection's handle, and what does not: this file is compiled, not run. Each `@ts-expect-error` fails
 * the compilation if its line compiles.
 */
import type { Collection, FormDB, Found, Page } from "@formdb/perf";

interface User {
  readonly name: string;
  readonly age: number;
  readonly email?: string;
  readonly joined?: Date;
  readonly tags: readonly string[];
  readonly address: { readonly city: string; readonly geo?: { readonly lat: number } };
  readonly items: readonly { readonly sku: string; readonly count: number }[];
}

type Same<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false;
function same<A, B>(..._proof: Same<A, B> extends true ? [] : ["the types differ"]): void {}

interface Job {
  readonly state: "new" | "taken" | "done";
  readonly urgent: boolean;
  readonly code: string | number;
  readonly by?: "ada" | "grace" | null;
  readonly place: string | { readonly city: string };
}

/** An operator's value may be any of a union's members, and a list may have several. */
export function filtersOfUnions(jobs: Collection<Job>): void {
  jobs.find({ state: { in: ["new", "taken"], notIn: ["done"] }, urgent: { in: [true, false] } });
  jobs.find({ code: { in: ["a", 3], between: [1, 3] }, by: { in: ["ada", "grace", null] } });
  jobs.find({ state: { or: [{ eq: "new" }, { ne: "taken" }] }, place: { city: { like: "O%" } } });
  jobs.find({ place: "Oslo" });
  // @ts-expect-error there is no such state
  jobs.find({ state: { in: ["new", "takn"] } });
  // @ts-expect-error there is no such field
  jobs.find({ place: { town: "Oslo" } });
}

type Event =
  | { readonly id: string; readonly kind: "login"; readonly user: string }
  | { readonly id: string; readonly kind: "sale"; readonly amount: number };

/** A document of a union is written as one of its members, with an id or without; a generic one as what it is. */
export async function documentsOfUnions(events: Collection<Event>): Promise<void> {
  await events.insert({ kind: "login", user: "ada" });
  await events.insertMany([
    { id: "1", kind: "sale", amount: 3 },
    { kind: "login", user: "ada" },
  ]);
  await events.upsert({ id: 7, kind: "sale", amount: 3 });
  // @ts-expect-error a sale has an amount
  await events.insert({ kind: "sale", user: "ada" });
  // @ts-expect-error an amount is a number
  await events.insert({ kind: "sale", amount: "3" });
}

/** What a member of a union has, another has not: it can be asked for, and may be null. */
export async function filtersOfDocumentsOfUnions(events: Collection<Event>): Promise<void> {
  events.find({ kind: "sale", amount: { gt: 3 } }, { orderBy: { user: "asc" } });
  events.find({ or: [{ user: { like: "a%" } }, { not: { amount: { lt: 3 } } }] });
  const picked = await events.find({}, { select: ["kind", "user", "amount"] }).toArray();
  same<(typeof picked)[number], { kind: "login" | "sale"; user: string | null; amount: number | null }>();
  await events.update("1", { set: { amount: 4 }, unset: ["user"] });
  await events.update("1", { inc: { amount: 1 } });
  await events.createIndex(["kind", "amount"]);
  for await (const event of events.find()) if (event.kind === "sale") same<typeof event.amount, number>();
  // @ts-expect-error an amount is a number
  events.find({ amount: "3" });
  // @ts-expect-error no member has such a field
  events.find({ price: 3 });
  // @ts-expect-error a user can't be incremented
  await events.update("1", { inc: { user: 1 } });
}

/** What lies behind something that may be missing may be null, and so may an element of an array. */
export async function rowsOfWhatMayBeMissing(users: Collection<User>, jobs: Collection<Job>): Promise<void> {
  const picked = await users.find({}, { select: ["address.geo.lat", "tags[0]", "items[2].count"] }).toArray();
  same<
    (typeof picked)[number],
    { "address.geo.lat": number | null; "tags[0]": string | null; "items[2].count": number | null }
  >();
  const places = await jobs.find({ "place.city": "Oslo" }, { select: ["place.city", "by"] }).toArray();
  same<(typeof places)[number], { "place.city": string | null; by: "ada" | "grace" | null }>();
}

/** What zod and others make of a schema that has a default for `age` and makes a number of a text. */
declare const schema: {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (
      value: unknown,
    ) => { readonly value: Person; readonly issues?: undefined } | { readonly issues: readonly [] };
    readonly types?:
      | { readonly input: { name: string; age?: number; size: string }; readonly output: Person }
      | undefined;
  };
};

interface Person {
  readonly name: string;
  readonly age: number;
  readonly size: number;
}

/** With a schema a document is read as the schema gives it, and inserted as it takes it. */
export async function withSchema(db: FormDB): Promise<void> {
  const people = db.collection("people", { schema });
  await people.insert({ name: "Ada", size: "3" });
  await people.insertMany([{ id: 7, name: "Ada", age: 3, size: "3" }]);
  await people.upsert({ id: "a", name: "Ada", size: "3" });
  await people.replace("a", { name: "Ada", size: "3" });
  const found = await people.get("a");
  same<typeof found, Found<Person> | undefined>();
  await db.transaction((tx) => tx.collection("people", { schema }).insert({ name: "Ada", size: "3" }));
  const named: Collection<Person> = db.collection<Person>("people", { schema });
  await named.insert({ name: "Ada", age: 3, size: 3 });
  // @ts-expect-error the schema takes a text
  await people.insert({ name: "Ada", size: 3 });
  // @ts-expect-error a filter is on what the schema gives
  people.find({ size: "3" });
  // @ts-expect-error a name has no default
  await people.insert({ size: "3" });
}

export function ofAnyType<T extends { id: string }>(documents: Collection<T>, document: T): Promise<string> {
  return documents.insert(document);
}

export async function filters(users: Collection<User>): Promise<void> {
  users.find({ age: { gt: 30, lte: 40 }, name: "Ada", email: null });
  users.find({ "address.city": { like: "O%" }, "address.geo.lat": { between: [1, 2] } });
  users.find({ address: { city: "Oslo", geo: { exists: false } } });
  users.find({ tags: { contains: "a" }, "tags[0]": "b", "items[0].sku": { in: ["x", "y"] } });
  users.find({ or: [{ age: 3 }, { not: { name: { ne: "Ada" } } }], joined: { gt: new Date() } });
  users.find({ id: "1" }, { orderBy: { "address.city": "desc", id: "asc" } });
  users.find({ "items[*].sku": "x", "tags[*]": { like: "a%" }, not: { "items[*].count": { gt: 3 } } });
  users.find({ "items[*]": { sku: { in: ["x", "y"] }, count: { gt: 3 } } });
  // @ts-expect-error there is no such path in an element
  users.find({ "items[*].size": 3 });
  // @ts-expect-error there is no such field in an element
  users.find({ "items[*]": { size: 3 } });
  // @ts-expect-error a count is a number
  users.find({ "items[*].count": { gt: "3" } });
  // @ts-expect-error an element of tags is a string
  users.find({ "tags[*]": 3 });
  // @ts-expect-error an age is no array
  users.find({ "age[*]": 3 });
  // @ts-expect-error an order is by one place
  users.find({}, { orderBy: { "items[*].sku": "asc" } });
  // @ts-expect-error what is selected is one place
  users.find({}, { select: ["items[*].sku"] });
  // @ts-expect-error what is changed is one place
  users.update("1", { set: { "items[*].sku": "x" } });
  users.createIndex("items[*].sku");
  users.createIndex(["address.city", "age"]);
  users.createIndex("LOWER(address.city)", { unique: true });
  users.createIndex(["UPPER(name)", "age"]);
  // @ts-expect-error an index is over texts of paths that are there
  users.createIndex("LOWER(address.town)");
  // @ts-expect-error an index is over paths that are there
  users.createIndex("items[*].size");
  // @ts-expect-error there is no such path
  users.find({ agee: 3 });
  // @ts-expect-error there is no such path in an object
  users.find({ "address.town": "Oslo" });
  // @ts-expect-error there is no such field in an object
  users.find({ address: { town: "Oslo" } });
  // @ts-expect-error an age is a number
  users.find({ age: "30" });
  // @ts-expect-error an operand has the field's type
  users.find({ age: { gt: "30" } });
  // @ts-expect-error there is no such operator
  users.find({ age: { gtt: 30 } });
  // @ts-expect-error patterns are for strings
  users.find({ age: { like: "3%" } });
  // @ts-expect-error an element of tags is a string
  users.find({ tags: { contains: 3 } });
  // @ts-expect-error a direction is asc or desc
  users.find({}, { orderBy: { age: "down" } });
  // @ts-expect-error an order is by paths that are there
  users.find({}, { orderBy: { height: "asc" } });
  // @ts-expect-error what is selected is there
  users.find({}, { select: ["height"] });
}

export async function rows(users: Collection<User>): Promise<void> {
  const [whole] = await users.find().toArray();
  same<typeof whole, Found<User> | undefined>();
  const picked = await users
    .find({}, { select: ["name", "address.city", "email", "id", "joined"] })
    .toArray();
  same<
    (typeof picked)[number],
    { name: string; "address.city": string; email: string | null; id: string; joined: string | null }
  >();
  const page = await users.find({}, { select: ["age"], limit: 3 }).page();
  same<typeof page, Page<{ age: number }>>();
  for await (const { age } of users.find({}, { select: ["age"] })) same<typeof age, number>();
  // @ts-expect-error only what is selected is there
  picked[0]?.age;
  const versioned = await users.get("1", { version: true });
  same<typeof versioned, { readonly document: Found<User>; readonly version: number } | undefined>();
}

export async function changes(users: Collection<User>): Promise<void> {
  await users.update("1", {
    set: { name: "Ada", "address.city": "Oslo", email: null },
    inc: { age: 1, "address.geo.lat": 0.5 },
    push: { tags: "a", items: { sku: "x", count: 1 } },
    pull: { tags: "b" },
    unset: ["email", "address.geo"],
  });
  await users.insert({ name: "Ada", age: 3, tags: [], address: { city: "x" }, items: [] });
  // @ts-expect-error a name can't be incremented
  await users.update("1", { inc: { name: 1 } });
  // @ts-expect-error what is appended is an element
  await users.update("1", { push: { tags: 1 } });
  // @ts-expect-error an age is no array
  await users.update("1", { push: { age: 1 } });
  // @ts-expect-error what is set has the field's type
  await users.update("1", { set: { age: "3" } });
  // @ts-expect-error there is no such path
  await users.update("1", { unset: ["height"] });
  // @ts-expect-error a document has all of its fields
  await users.insert({ name: "Ada" });
}

export async function untyped(db: FormDB): Promise<void> {
  const things = db.collection("things");
  const found = await things
    .find({ "a.b[0]": { gt: 3 }, anything: "x" }, { orderBy: { "c.d": "asc" } })
    .toArray();
  same<(typeof found)[number]["c"], unknown>();
  const { rows: counted } = await db.query<{ n: number }>("SELECT COUNT(*) AS n FROM things");
  same<typeof counted, { n: number }[]>();
}
