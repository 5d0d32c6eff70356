import { setTimeout as sleep } from "node:timers/promises";
import { FormDBError } from "@formdb/perf";
import { readEventStream } from "../live/event-stream.ts";
import { eventOf, Interval, type Reading } from "../live/interval.ts";
import type { LiveEvent } from "../live/live-event.ts";
import { readMetrics } from "../live/metrics-text.ts";
import { configError, messageOf } from "../message.ts";

/** A row of `/v1/statements`, as far as it is shown. */
export interface TopStatement {
  readonly shape: string;
  readonly calls: number;
  readonly errors: number;
  readonly totalMs: number;
  readonly meanMs: number;
  readonly p99Ms: number;
}

/** What there is to show. */
export type LiveNews =
  | { readonly kind: "event"; readonly event: LiveEvent }
  /** Absent from a page of metrics. */
  | { readonly kind: "statements"; readonly statements: readonly TopStatement[] }
  /** The connection is lost, and is being made again. */
  | { readonly kind: "lost"; readonly because: string };

/** What is watched and how. */
export interface Target {
  readonly url: URL;
  readonly key: string | undefined;
  readonly intervalMs: number;
}

const RECONNECT_MS = 1_000;
const ANSWER_MS = 10_000;
/** The statements are asked for with every so many events. */
const STATEMENTS_EVERY = 2;

/** The address of a server or of a page of metrics, such as `localhost:8080` or `http://host:9464/metrics`. */
export function targetUrl(text: string): URL {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw configError(`The address must be a URL such as http://127.0.0.1:8080, not ${text}`);
  }
  if (url.username !== "" || url.password !== "") {
    throw configError("The address must have no user or password; a key comes from FORMDB_API_KEY");
  }
  return url;
}

/**
 * The figures of a server or of another process' metrics, for as long as they are wanted. Throws if there are none at the
 * beginning; a connection that is lost later is told and made again.
 */
export async function* liveNews(target: Target, signal: AbortSignal): AsyncGenerator<LiveNews, void> {
  let wasThere = false;
  while (!signal.aborted) {
    try {
      for await (const news of await connect(target, signal)) {
        wasThere = true;
        yield news;
      }
      if (signal.aborted) return;
      yield { kind: "lost", because: "the server has closed the connection" };
    } catch (error) {
      if (signal.aborted) return;
      if (!wasThere || refusedWith(error) !== undefined) throw error;
      yield { kind: "lost", because: messageOf(error) };
    }
    await sleep(RECONNECT_MS, undefined, { signal }).catch(() => {});
  }
}

/** A server's address has no path: its events are read, or, where it has none or the key isn't good for them, its metrics. */
async function connect(target: Target, signal: AbortSignal): Promise<AsyncIterable<LiveNews>> {
  if (target.url.pathname !== "/") return scrapes(target, signal);
  const ended = new AbortController();
  const both = AbortSignal.any([signal, ended.signal]);
  try {
    const answer = await ask(target, "v1/events", both);
    if (answer.headers.get("content-type")?.startsWith("text/event-stream")) {
      return serverNews(target, answer, ended);
    }
    // One that answers whatever it is asked in the same way has no events.
    ended.abort();
    return metricsOf(target, signal);
  } catch (error) {
    const status = refusedWith(error);
    if (status !== 403 && status !== 404) throw error;
    return metricsOf(target, signal);
  }
}

function metricsOf(target: Target, signal: AbortSignal): AsyncIterable<LiveNews> {
  return scrapes({ ...target, url: new URL("/metrics", target.url) }, signal);
}

async function* serverNews(
  target: Target,
  answer: Response,
  ended: AbortController,
): AsyncGenerator<LiveNews, void> {
  const received: LiveEvent[] = [];
  let wake = (): void => {};
  let isOver = false;
  const reading = readEventStream(
    answer.body!,
    (data) => {
      received.push(JSON.parse(data) as LiveEvent);
      wake();
    },
    () => ended.abort(new Error("nothing has come from the server for a while")),
  ).finally(() => {
    isOver = true;
    wake();
  });
  reading.catch(() => {});
  let count = 0;
  try {
    for (;;) {
      const event = received.shift();
      if (event !== undefined) {
        yield { kind: "event", event };
        if (count++ % STATEMENTS_EVERY === 0) {
          const statements = await ask(target, "v1/statements", ended.signal).catch(() => undefined);
          if (statements !== undefined) {
            yield { kind: "statements", ...((await statements.json()) as { statements: TopStatement[] }) };
          }
        }
      } else if (isOver) {
        return await reading;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    ended.abort();
  }
}

async function* scrapes(target: Target, signal: AbortSignal): AsyncGenerator<LiveNews, void> {
  let before = await scrape(target, signal);
  for (;;) {
    await sleep(target.intervalMs, undefined, { signal });
    const now = await scrape(target, signal);
    yield { kind: "event", event: eventOf(new Interval(before, now)) };
    before = now;
  }
}

async function scrape(target: Target, signal: AbortSignal): Promise<Reading> {
  const answer = await ask(target, "", AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]));
  return { atMs: performance.now(), families: readMetrics(await answer.text()) };
}

async function ask({ url, key }: Target, path: string, signal: AbortSignal): Promise<Response> {
  const address = path === "" ? url : new URL(path, url);
  // What follows the head of an answer may take as long as the server is watched.
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error(`nothing came within ${ANSWER_MS} ms`)), ANSWER_MS);
  let answer: Response;
  try {
    answer = await fetch(address, {
      signal: AbortSignal.any([signal, late.signal]),
      ...(key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } }),
    });
  } catch (error) {
    const { cause } = error as { cause?: unknown };
    throw new FormDBError(
      "FORMDB_CONNECT_FAILED",
      `There is no answer from ${url.origin}: ${messageOf(cause ?? error)}`,
      {
        cause: error,
      },
    );
  } finally {
    clearTimeout(timer);
  }
  if (answer.ok) return answer;
  await answer.body?.cancel();
  if (answer.status === 401) {
    throw refusal(
      401,
      key === undefined
        ? `${url.origin} needs a key: set FORMDB_API_KEY, FORMDB_READ_KEY or FORMDB_METRICS_KEY`
        : `${url.origin} does not know the key of FORMDB_API_KEY, FORMDB_READ_KEY or FORMDB_METRICS_KEY, of which the first that is set is sent`,
    );
  }
  const message = `${address.href} was answered with ${answer.status}, not with figures`;
  // A server that is overloaded or being replaced comes back.
  if (answer.status >= 500 || answer.status === 429) throw new FormDBError("FORMDB_CONNECT_FAILED", message);
  throw refusal(answer.status, message);
}

/** An answer that is no figures, which asking again does not change. */
function refusal(status: number, message: string): FormDBError {
  return new FormDBError("FORMDB_CONFIG", message, { details: { status } });
}

/** The status of a refusal, 0 for a page without FormDB's metrics; undefined for what may go well the next time. */
function refusedWith(error: unknown): number | undefined {
  if (!(error instanceof FormDBError) || error.code !== "FORMDB_CONFIG") return undefined;
  return "status" in error ? Number(error.status) : 0;
}
