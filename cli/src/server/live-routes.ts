import type { FormDB } from "@formdb/perf";
import type { FastifyInstance, FastifyReply } from "fastify";
import { LiveSampler } from "../live/live-sampler.ts";
import type { ServerLimits } from "./server-options.ts";
import { HttpError } from "./status.ts";

const SAMPLE_INTERVAL_MS = 1_000;
/** A viewer that has not read this much is too slow, and is sent no more. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** What a page or a terminal shows: statistics, statements, and one event a second. */
export function liveRoutes(app: FastifyInstance, db: FormDB, limits: ServerLimits): void {
  const viewers = new Viewers(db, limits.maxEventStreams);
  app.addHook("preClose", async () => viewers.close());
  app.get(
    "/v1/stats",
    { config: { access: "read" }, schema: { summary: "What there is to know of the database now" } },
    async () => db.stats(),
  );
  app.get(
    "/v1/statements",
    { config: { access: "read" }, schema: { summary: "The statements that took the most time, by shape" } },
    async () => ({ statements: db.statements() }),
  );
  app.get(
    "/v1/plans",
    { config: { access: "read" }, schema: { summary: "The cached plans, the most used first" } },
    async () => ({ plans: cachedPlans(db) }),
  );
  app.get(
    "/v1/events",
    {
      config: { access: "read" },
      schema: { summary: "Server-sent events: one `sample` a second" },
      // Its answer would have no end, and nothing to say.
      exposeHeadRoute: false,
    },
    (_request, reply) => viewers.add(reply),
  );
}

/** A plan in the cache, as `/v1/plans` gives it. */
interface CachedPlan {
  readonly shape: string;
  readonly hits: number;
  readonly ageMs: number;
  readonly bytes: number;
  readonly compileMs: number;
  readonly state: "fresh" | "expired" | "stale";
}

const MAX_PLANS = 1_000;

function cachedPlans(db: FormDB): CachedPlan[] {
  const plans = db.cache
    .entries()
    .map(({ text, plan: _plan, tags: _tags, ...entry }) => ({ shape: text, ...entry }));
  return plans.toSorted((a, b) => b.hits - a.hits).slice(0, MAX_PLANS);
}

/** Those who watch. One sampler and one timer serve all of them, and none runs while nobody watches. */
class Viewers {
  readonly #db: FormDB;
  readonly #max: number;
  readonly #replies = new Set<FastifyReply>();
  #stop: (() => void) | undefined;

  constructor(db: FormDB, max: number) {
    this.#db = db;
    this.#max = max;
  }

  add(reply: FastifyReply): void {
    if (this.#replies.size >= this.#max) {
      throw new HttpError(
        "HTTP_UNAVAILABLE",
        `More than ${this.#max} streams of events at a time are not served`,
      );
    }
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      "content-type": "text/event-stream; charset=utf-8",
      "x-accel-buffering": "no",
    });
    raw.write("retry: 2000\n\n");
    this.#replies.add(reply);
    raw.once("close", () => {
      this.#replies.delete(reply);
      if (this.#replies.size === 0) this.#stop?.();
    });
    if (this.#stop === undefined) this.#start();
  }

  close(): void {
    for (const { raw } of this.#replies) raw.end();
    this.#stop?.();
  }

  #start(): void {
    const sampler = new LiveSampler(this.#db);
    const timer = setInterval(
      () => this.#send(`event: sample\ndata: ${JSON.stringify(sampler.sample())}\n\n`),
      SAMPLE_INTERVAL_MS,
    );
    timer.unref();
    this.#stop = () => {
      clearInterval(timer);
      sampler[Symbol.dispose]();
      this.#stop = undefined;
    };
  }

  #send(text: string): void {
    for (const { raw } of this.#replies) {
      if (raw.writableLength > MAX_UNREAD_BYTES) raw.destroy();
      else raw.write(text);
    }
  }
}
