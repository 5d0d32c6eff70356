/**
 * Prisma's driver adapter over the pool: `new PrismaClient({ adapter: new PrismaPg(pool) })`. The adapter is shown
 * alone here, as Prisma calls it, because a client is generated from a schema. Run it with DATABASE_URL.
 */
import { Pool } from "@formdb/perf/pg"; // was: import { Pool } from "pg";
import { PrismaPg } from "@prisma/adapter-pg";

const pool = new Pool({ connectionString: process.env.DATABASE_URL });
const adapter = await new PrismaPg(pool).connect();
const ask = async (from: { queryRaw: typeof adapter.queryRaw }, n: number): Promise<unknown> => {
  const argTypes = [{ scalarType: "int", arity: "scalar" } as const];
  return (await from.queryRaw({ sql: "SELECT $1::int AS n", args: [n], argTypes })).rows;
};
console.log(await ask(adapter, 1));

const transaction = await adapter.startTransaction();
console.log(await ask(transaction, 2), `${pool.totalCount - pool.idleCount} client is out`);
await transaction.executeRaw({ sql: "COMMIT", args: [], argTypes: [] });
await transaction.commit();
await adapter.dispose();
await pool.end();
