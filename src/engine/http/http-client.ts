import * as http from "node:http";
import * as https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { abortedError, type CallOptions, timeoutError, untilAborted } from "../../base/abort.ts";
import { MAX_DELAY_MS } from "../../base/clock.ts";
import { type ErrorCode, FormDBError, noteDetail } from "../../base/errors.ts";
import { withoutUndefined } from "../../base/options.ts";
import { type Failure, failureOf, lost, notReached } from "./http-errors.ts";
import { baseUrl, HTTP_DEFAULTS, type HttpLimits, type HttpOptions } from "./http-options.ts";

const NDJSON = "application/x-ndjson";

/** The first wait before a request is sent again, in milliseconds; each further one is up to twice as long. */
const RETRY_MS = 50;
const MAX_RETRY_MS = 2_000;
/** How long closing waits for calls under way if it is given no time. */
const CLOSE_WITHIN_MS = 30_000;

/** A request of the HTTP API. */
export interface Request {
  /** The call, for messages. */
  readonly what: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  /** A JSON text, or, with lines, those of NDJSON as they come. */
  readonly body?: string | undefined;
  /** Whether sending it twice does no more than sending it once. */
  readonly isRepeatable: boolean;
  /** Whether it changes something, so that a failure has an outcome. */
  readonly isWrite?: boolean;
  /** Called when it is sent again though an earlier sending may have been done. */
  readonly onDoubt?: () => void;
  readonly options?: CallOptions | undefined;
}

/** A failure of one sending. */
class Failed extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.error.message);
    this.failure = failure;
  }
}

/**
 * Sends requests to a server over connections that are kept, of which there is a maximum. What failed is sent again if the
 * server certainly did nothing, or if doing it twice is as good as once.
 */
export class HttpClient {
  readonly url: URL;
  readonly #agent: http.Agent | https.Agent;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #options: HttpLimits;
  readonly #cut = new AbortController();
  #underWay = 0;
  #onAllEnded: (() => void) | undefined;

  constructor(url: string, { apiKey, ...options }: HttpOptions) {
    this.url = baseUrl(url);
    this.#options = { ...HTTP_DEFAULTS, ...(withoutUndefined(options) as Partial<HttpLimits>) };
    this.#headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
    const { maxConnections } = this.#options;
    const agentOptions = { keepAlive: true, maxSockets: maxConnections, maxFreeSockets: maxConnections };
    this.#agent =
      this.url.protocol === "https:" ? new https.Agent(agentOptions) : new http.Agent(agentOptions);
  }

  /** The answer's JSON. */
  async json<T>(request: Request): Promise<T> {
    return this.#counted(async () => {
      const { signal, timeoutMs = this.#options.timeoutMs } = request.options ?? {};
      const time = new AbortController();
      // A longer time can't be set, and is no bound.
      const timer = timeoutMs <= MAX_DELAY_MS ? setTimeout(() => time.abort(), timeoutMs) : undefined;
      const end = this.#endOf(time.signal, signal);
      /** Whether an earlier sending may have been done. */
      let isInDoubt = false;
      try {
        for (let attempt = 0; ; attempt++) {
          try {
            return this.#parsed<T>(await this.#send(request, end, timeoutMs));
          } catch (error) {
            if (!(error instanceof Failed)) throw error;
            const failure: Failure =
              isInDoubt && request.isWrite ? stillInDoubt(error.failure) : error.failure;
            if (!(await this.#mayRepeat(request, failure, { attempt, end })))
              throw told(request, failure, attempt + 1);
            if (isInDoubt || failure.outcome !== "unknown") continue;
            isInDoubt = true;
            request.onDoubt?.();
          }
        }
      } finally {
        clearTimeout(timer);
      }
    });
  }

  /**
   * The lines of an NDJSON answer. `body` may be lines too, which are sent as fast as they are read. Each part must come
   * in time. Whoever stops reading ends the request.
   */
  async *lines(request: Request, body?: AsyncIterable<string>): AsyncGenerator<string> {
    this.#refuseMore();
    this.#underWay++;
    const { options } = request;
    const timeoutMs = options?.timeoutMs ?? this.#options.timeoutMs;
    const idle = new AbortController();
    /** Whether the next part is waited for; else it is the caller who takes time. */
    let isAwaited = true;
    const onTime = (): void => {
      if (isAwaited) idle.abort();
      else timer?.refresh();
    };
    const timer = timeoutMs > MAX_DELAY_MS ? undefined : setTimeout(onTime, timeoutMs);
    const end = this.#endOf(idle.signal, options?.signal);
    let response: http.IncomingMessage | undefined;
    let sent: Promise<void> | undefined;
    let source: { readonly error: unknown } | undefined;
    let sending: Sending | undefined;
    let attempt = 0;
    const failure = (error: unknown): Failure =>
      this.#failure(error, { request, end, timeoutMs, isReached: sending?.isReached() ?? false });
    try {
      for (; ; attempt++) {
        try {
          sending = this.#begin(request, end, true);
          sent = body && writeAll(sending.request, untilAborted(body, end), () => timer?.refresh());
          sent?.catch((error: unknown) => {
            source = { error };
          });
          if (body === undefined) sending.request.end(request.body);
          response = await sending.response;
          if (response.statusCode! >= 400) throw new Failed(await failureIn(response));
          break;
        } catch (error) {
          const failed = failure(error);
          // Lines of a source are sent once: it gave them to the sending that failed.
          if (body !== undefined || !(await this.#mayRepeat(request, failed, { attempt, end })))
            throw new Failed(failed);
        }
      }
      // The end of another text, or of none, could be taken for the end of the rows.
      if (!response.headers["content-type"]?.startsWith(NDJSON)) throw this.#noServer("NDJSON");
      // A line may come in many parts; each is looked through once.
      let begun: string[] = [];
      for await (const part of response.setEncoding("utf8")) {
        const lines = (part as string).split("\n");
        if (lines.length > 1) {
          lines[0] = begun.join("") + lines[0];
          begun = [];
        }
        const rest = lines.pop()!;
        if (rest !== "") begun.push(rest);
        isAwaited = false;
        yield* lines;
        isAwaited = true;
        timer?.refresh();
      }
      if (begun.length > 0) throw new Error("The last line has no end");
      await sent;
    } catch (error) {
      // What the source of the lines failed with is the caller's own.
      if (source !== undefined) throw source.error;
      throw told(request, failure(error), attempt + 1);
    } finally {
      clearTimeout(timer);
      response?.destroy();
      // If the answer came before all lines were sent, their source is let go.
      if (sending?.request.writableFinished === false) idle.abort();
      this.#ended();
    }
  }

  /**
   * Waits for `work` and for calls under way, then closes the connections; after the time, calls are cut off. Without one,
   * `work` has as long as it takes and calls have 30 seconds more.
   */
  async close(deadlineMs: number | undefined, work?: Promise<unknown>): Promise<void> {
    let timer = deadlineMs === undefined ? undefined : this.#cutAfter(deadlineMs);
    await work;
    if (deadlineMs === undefined) timer = this.#cutAfter(CLOSE_WITHIN_MS);
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#onAllEnded = resolve;
        // A stream that nobody reads on does not notice that it was cut off.
        if (this.#cut.signal.aborted) resolve();
        else this.#cut.signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    clearTimeout(timer);
    this.#agent.destroy();
  }

  #cutAfter(timeMs: number): NodeJS.Timeout | undefined {
    if (timeMs > MAX_DELAY_MS) return undefined;
    return setTimeout(() => this.#cut.abort(), Math.max(1, timeMs));
  }

  /** Fires with the first that ends a call: its time, its caller's signal, or closing. */
  #endOf(time: AbortSignal, signal: AbortSignal | undefined): AbortSignal {
    const signals = [this.#cut.signal, time];
    return AbortSignal.any(signal === undefined ? signals : [...signals, signal]);
  }

  #refuseMore(): void {
    const { maxConnections, maxWaiting } = this.#options;
    if (this.#underWay < maxConnections + maxWaiting) return;
    throw new FormDBError(
      "FORMDB_QUEUE_FULL",
      `More than ${maxWaiting} calls can't wait for a connection to the server`,
      { details: { outcome: "rejected" } },
    );
  }

  async #counted<T>(work: () => Promise<T>): Promise<T> {
    this.#refuseMore();
    this.#underWay++;
    try {
      return await work();
    } finally {
      this.#ended();
    }
  }

  #ended(): void {
    this.#underWay--;
    if (this.#underWay === 0) this.#onAllEnded?.();
  }

  /** Resolves when a request may be sent again: to false if it may not, or if its call ends meanwhile. */
  async #mayRepeat({ isRepeatable }: Request, failure: Failure, { attempt, end }: Attempt): Promise<boolean> {
    if (attempt >= this.#options.maxRetries || !failure.isTransient) return false;
    if (failure.outcome === "unknown" && !isRepeatable) return false;
    const waitMs = failure.retryAfterMs ?? Math.random() * Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** attempt);
    return sleep(waitMs, true, { signal: end }).catch(() => false);
  }

  #parsed<T>(text: string): T {
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw this.#noServer("JSON", cause);
    }
  }

  #noServer(what: string, cause?: unknown): Failed {
    const message = `What answers at ${this.url.host} is no server of FormDB: no ${what} came`;
    const error = new FormDBError("FORMDB_ENGINE", message, { cause });
    return new Failed({ error, outcome: "unknown", isTransient: false });
  }

  /** One sending; the text of a good answer. */
  async #send(request: Request, end: AbortSignal, timeoutMs: number): Promise<string> {
    let sending: Sending | undefined;
    try {
      sending = this.#begin(request, end, false);
      sending.request.end(request.body);
      const response = await sending.response;
      if (response.statusCode! >= 400) throw new Failed(await failureIn(response));
      return await textOf(response);
    } catch (error) {
      throw new Failed(
        this.#failure(error, { request, end, timeoutMs, isReached: sending?.isReached() ?? false }),
      );
    }
  }

  #begin({ method, path, body }: Request, signal: AbortSignal, asksForLines: boolean): Sending {
    const { protocol, hostname, port, pathname } = this.url;
    const isText = body !== undefined;
    const request = (protocol === "https:" ? https : http).request({
      agent: this.#agent,
      hostname: hostname.replace(/^\[|\]$/g, ""),
      port: port === "" ? undefined : port,
      method,
      path: pathname.replace(/\/+$/, "") + path,
      signal,
      headers: {
        ...this.#headers,
        accept: asksForLines ? NDJSON : "application/json",
        ...(isText ? { "content-type": "application/json", "content-length": Buffer.byteLength(body) } : {}),
        ...(!isText && asksForLines ? { "content-type": NDJSON } : {}),
      },
    });
    const response = new Promise<http.IncomingMessage>((resolve, reject) => {
      request.once("response", resolve).on("error", reject);
    });
    let isReached = false;
    const reached = (): void => {
      isReached = true;
    };
    request.once("socket", (socket) => {
      // By TLS nothing is sent before the server's certificate was found good.
      if (socket.connecting) socket.once(protocol === "https:" ? "secureConnect" : "connect", reached);
      else reached();
    });
    return { request, response, isReached: () => isReached };
  }

  #failure(error: unknown, { request, end, timeoutMs, isReached }: FailedSending): Failure {
    if (error instanceof Failed) return error.failure;
    if (!end.aborted) return isReached ? lost(error, this.url) : notReached(error, this.url);
    const outcome = isReached ? "unknown" : "rejected";
    const { signal } = request.options ?? {};
    if (signal?.aborted) return { error: abortedError(request.what, signal), outcome, isTransient: false };
    const ended = this.#cut.signal.aborted
      ? new FormDBError("FORMDB_CLOSED", `${request.what} was cut off: the database was closed`)
      : timeoutError(request.what, timeoutMs);
    return { error: ended, outcome, isTransient: false };
  }
}

interface Sending {
  readonly request: http.ClientRequest;
  readonly response: Promise<http.IncomingMessage>;
  /** Whether the server may have seen any of it. */
  readonly isReached: () => boolean;
}

/** How often a request was sent before, and what ends its call. */
interface Attempt {
  readonly attempt: number;
  readonly end: AbortSignal;
}

interface FailedSending {
  readonly request: Request;
  readonly end: AbortSignal;
  readonly timeoutMs: number;
  readonly isReached: boolean;
}

/** What a server says of a request, or of a document, because of what it is: it holds for each sending. */
export function isOfTheRequest(code: ErrorCode): boolean {
  return OF_THE_REQUEST.has(code);
}

const OF_THE_REQUEST: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "FORMDB_SYNTAX",
  "FORMDB_PARAMETER_MISMATCH",
  "FORMDB_INVALID_DOCUMENT",
  "FORMDB_INVALID_ID",
  "FORMDB_CONFIG",
  "FORMDB_UNKNOWN_COLLECTION",
  "FORMDB_DUPLICATE_ID",
  "FORMDB_CONSTRAINT",
  "FORMDB_NOT_FOUND",
]);

/**
 * The failure of a sending behind one of which nobody knows what became of it. Only what the database says of the very same
 * request is true of both; a key that is refused, a time that ran out and a proxy's word are of the last one alone.
 */
function stillInDoubt(failure: Failure): Failure {
  const { error } = failure;
  if (error.httpCode === undefined && isOfTheRequest(error.code)) return failure;
  const inDoubt = new FormDBError(
    error.code,
    `${error.message}; the answer to an earlier sending was lost, so that whether it took place is not known`,
    { cause: error.cause, retryable: false, details: { ...error, outcome: "unknown" } },
  );
  return { ...failure, error: inDoubt, outcome: "unknown" };
}

/** The failure as the caller's error. */
function told({ isWrite }: Request, { error, outcome }: Failure, attempts: number): FormDBError {
  if (isWrite) {
    noteDetail(error, "outcome", outcome);
    noteDetail(error, "attempts", attempts);
    return error;
  }
  if (error.code !== "FORMDB_CONNECTION_LOST" || error.retryable) return error;
  // Reading twice does no harm.
  return new FormDBError(error.code, error.message, {
    cause: error.cause,
    retryable: true,
    details: { ...error },
  });
}

async function textOf(response: http.IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part as Buffer);
  return Buffer.concat(parts).toString("utf8");
}

async function failureIn(response: http.IncomingMessage): Promise<Failure> {
  return failureOf(response.statusCode!, await textOf(response), response.headers["retry-after"]);
}

/** Writes lines no faster than they are taken. */
async function writeAll(
  request: http.ClientRequest,
  lines: AsyncIterable<string>,
  moved: () => void,
): Promise<void> {
  try {
    for await (const line of lines) {
      if (request.destroyed) return;
      moved();
      if (request.write(line)) continue;
      await new Promise<void>((resolve) => {
        const go = (): void => {
          request.off("drain", go).off("close", go);
          resolve();
        };
        request.once("drain", go).once("close", go);
      });
    }
    if (!request.destroyed) request.end();
  } catch (error) {
    request.destroy();
    throw error;
  }
}
