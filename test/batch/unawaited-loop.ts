import { open } from "../../src/engine/open.ts";

/** Makes writes in a loop that awaits none. Usage: node unawaited-loop.ts insert|batchInsert COUNT */
const [call, count] = process.argv.slice(2);
process.on("unhandledRejection", () => {});
const db = await open("sqlite::memory:", { batch: { maxQueued: 1_000, maxWaiting: 1_000 } });
for (let i = 0; i < Number(count); i++) {
  const document = { id: String(i), text: "some text" };
  if (call === "insert") void db.insert("c", document);
  else void db.batchInsert("c", [document]);
}
await db.close();
process.stdout.write("alive\n");
