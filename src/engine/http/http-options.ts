import {
  configError,
  integer,
  milliseconds,
  type OptionCheck,
  type OtherNames,
  show,
} from "../../base/options.ts";

/** How a database behind `formdb serve` is used. */
export interface HttpOptions {
  /** The server's key, sent as `Authorization: Bearer`. Default none. */
  readonly apiKey?: string | undefined;
  /**
   * Milliseconds for a call that says nothing else, and between two parts of a stream or an import. Default 60 000.
   */
  readonly timeoutMs?: number | undefined;
  /** How often a request that is safe to send again is sent again. Default 3. */
  readonly maxRetries?: number | undefined;
  /** Connections at once. Default 32. */
  readonly maxConnections?: number | undefined;
  /** Calls that wait for a connection; more are refused. Default 10 000. */
  readonly maxWaiting?: number | undefined;
}

/** Not shown where it is wrong: `checkOptions` would show the value. */
export function checkKey(key: unknown): void {
  if (key === undefined || (typeof key === "string" && /^[\x21-\x7e]+$/.test(key))) return;
  throw configError("open()'s option apiKey must be a string of visible ASCII characters", "apiKey");
}

const anything: OptionCheck = () => undefined;

export const HTTP_CHECKS: Readonly<Record<keyof HttpOptions, OptionCheck>> = {
  apiKey: anything,
  timeoutMs: milliseconds,
  maxRetries: integer(0, 100),
  maxConnections: integer(1, 10_000),
  maxWaiting: integer(0),
};

/** What other clients call them. */
export const HTTP_OTHER_NAMES: OtherNames = {
  apiKey: ["key", "token", "password", "authorization"],
  maxRetries: ["retries", "retry"],
  maxConnections: ["max", "connections", "maxsockets"],
};

/** The options that are numbers, with what is left out. */
export type HttpLimits = Readonly<Record<Exclude<keyof HttpOptions, "apiKey">, number>>;

export const HTTP_DEFAULTS: HttpLimits = Object.freeze({
  timeoutMs: 60_000,
  maxRetries: 3,
  maxConnections: 32,
  maxWaiting: 10_000,
});

/** Whether a database's URL is that of a server of documents. */
export function isHttpUrl(url: unknown): url is string {
  return typeof url === "string" && /^https?:\/\//i.test(url);
}

/** The address before `/v1/…`. Throws `FORMDB_CONFIG`; no message holds more of it than its scheme. */
export function baseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null)
    throw configError("The URL of a server can't be read: it must be http://host:port", "url");
  if (url.username !== "" || url.password !== "") {
    throw configError("The URL of a server must hold no user and no password: give the key as apiKey", "url");
  }
  if (url.search !== "" || url.hash !== "") {
    throw configError(
      `The URL of a server must end with its path, without ${show(url.search === "" ? "#" : "?")}`,
      "url",
    );
  }
  return url;
}
