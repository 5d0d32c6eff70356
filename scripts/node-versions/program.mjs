import { open } from "@formdb/perf";

const db = await open("sqlite:program.db");
try {
  await db.insert("users", { id: "1", name: "Ada" });
  await db.createIndex("users", "name");
  const { rows } = await db.query("SELECT name FROM users WHERE name = $1", ["Ada"]);
  const copy = await db.backup("copy.db");
  const { ok } = await db.check();
  const isRight = rows[0]?.name === "Ada" && copy.bytes > 0 && ok && db.metrics.exportPrometheus() !== "";
  console.log(isRight ? "as expected" : "not as expected");
} finally {
  await db.close();
}
