import type { FormDB } from "@formdb/perf";
import { scrapeHandler } from "@formdb/perf/metrics";
import type { FastifyInstance } from "fastify";
import type { RouteTools } from "./server-options.ts";

/** How long the database may take to answer `/ready`. */
const READY_TIMEOUT_MS = 2_000;

/** Whether the process lives, whether it should get requests, and its metrics. */
export function probeRoutes(app: FastifyInstance, { db, draining, log }: RouteTools): void {
  app.get(
    "/health",
    { config: { access: "open" }, schema: { summary: "Whether the process lives" } },
    async () => ({ status: "alive" }),
  );
  app.get(
    "/ready",
    { config: { access: "open" }, schema: { summary: "Whether the server should get requests" } },
    async (request, reply) => {
      const reason = await unreadiness(db, draining, (error) =>
        log.warn({ reqId: request.id, err: error }, "the database does not answer"),
      );
      if (reason === undefined) return { status: "ready" };
      reply.code(503);
      return { status: "not ready", reason };
    },
  );
  const scrape = scrapeHandler(db.metrics);
  app.get(
    "/metrics",
    { config: { access: "metrics" }, schema: { summary: "Metrics for Prometheus" } },
    (request, reply) => {
      reply.hijack();
      for (const [name, value] of Object.entries(reply.getHeaders())) reply.raw.setHeader(name, value!);
      void scrape(request.raw, reply.raw);
    },
  );
}

/** Why no requests should come; undefined if they may. */
async function unreadiness(
  db: FormDB,
  draining: AbortSignal,
  failed: (error: unknown) => void,
): Promise<string | undefined> {
  if (draining.aborted || db.closed) return "draining";
  const { inUse, max, waiting } = db.pool.stats();
  if (inUse >= max && waiting > 0) return "every connection is in use and callers wait";
  try {
    // The connection is given back when its ping has ended: until then it can serve nobody else.
    await inTime(db.pool.use((connection) => connection.ping(), { timeoutMs: READY_TIMEOUT_MS }));
    return undefined;
  } catch (error) {
    failed(error);
    return "the database does not answer";
  }
}

async function inTime(ping: Promise<boolean>): Promise<void> {
  const timeout = new Promise<boolean>((resolve) => setTimeout(resolve, READY_TIMEOUT_MS, false).unref());
  if (!(await Promise.race([ping, timeout]))) throw new Error("the database did not answer a ping");
}
