/** A hundred concurrent updates of one id in a SQLite file, each awaited: sent one by one, and as one. */
import type { Coalesce } from "../src/batch/group.ts";
import { open } from "./harness/built.ts";
import { type Contender, compare } from "./harness/compare.ts";
import { report } from "./harness/report.ts";
import { temporaryFile } from "./harness/temporary.ts";

const CALLERS = 100;
const close: (() => Promise<unknown>)[] = [];
let next = 0;

async function contender(coalesce: Coalesce, name: string, patch: (i: number) => object): Promise<Contender> {
  const db = await open(`sqlite:${temporaryFile()}`, { batch: { coalesce } });
  await db.insert("users", { id: "hot", name: "everybody's darling" });
  close.push(() => db.close());
  return {
    name: `coalesce: "${coalesce}", ${name}`,
    operations: CALLERS,
    async run() {
      await Promise.all(Array.from({ length: CALLERS }, (_, i) => db.update("users", "hot", patch(i))));
    },
  };
}

const ofItsOwn = (i: number): object => ({ [`field${i}`]: next++ });
const ofAll = (): object => ({ seen: next++, at: { page: "home" } });

const measured = await compare([
  await contender("additive", "a field of its own each", ofItsOwn),
  await contender("none", "a field of its own each", ofItsOwn),
  await contender("all", "one field for all", ofAll),
  await contender("none", "one field for all", ofAll),
]);
report("A hundred concurrent updates of one id, updates a second", measured);
for (const end of close) await end();
