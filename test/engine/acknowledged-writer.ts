import { open } from "../../src/engine/open.ts";

/**
 * Writes documents one after another from several callers until it is killed, and prints each id once the write
 * was acknowledged. Usage: node acknowledged-writer.ts URL FIRST_ID
 */
const [url, firstId] = process.argv.slice(2);
const db = await open(url);
let next = Number(firstId);

async function caller(): Promise<never> {
  for (;;) {
    const id = String(next++);
    await db.insert("acknowledged", { id, payload: "x".repeat(100) });
    process.stdout.write(`${id}\n`);
  }
}

await Promise.all(Array.from({ length: 20 }, caller));
