/**
 * What an editor shows for types of the library: this file is not run. `^?` points at a name in the line above it, and the text
 * after it is what is shown. `npm run types:published` compares.
 */
import { open } from "@formdb/perf";

interface User {
  readonly name: string;
  readonly age: number;
  readonly email?: string;
  readonly address: { readonly city: string };
}

export const db = await open("sqlite::memory:");
//           ^? const db: FormDB
export const users = db.collection<User>("users");
//           ^? const users: Collection<User, User>
export const all = await users.find({ age: { gt: 30 } }).toArray();
//           ^? const all: Found<User>[]
export const picked = await users.find({}, { select: ["name", "address.city", "email"] }).toArray();
//           ^? const picked: Selected<User, "name" | "email" | "address.city">[]
export const page = await users.find().page();
//           ^? const page: Page<Found<User>>
export const { rows } = await db.query<{ n: number }>("SELECT COUNT(*) AS n FROM users");
//             ^? const rows: { n: number; }[]
export const versioned = await users.get("1", { version: true });
//           ^? const versioned: Versioned<Found<User>> | undefined
export const one = await users.findOne({ "address.city": "Oslo" });
//           ^? const one: Found<User> | undefined
export const result = await db.batchInsert("users", []);
//           ^? const result: BatchResult
export const closed = await db.close();
//           ^? const closed: CloseResult
export const saved = await db.backup("backup.db");
//           ^? const saved: BackupResult
export const health = await db.check();
//           ^? const health: CheckResult
