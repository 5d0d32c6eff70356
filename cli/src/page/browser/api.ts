import { readEventStream } from "../../live/event-stream.ts";

/** Where the key is kept until the tab is closed. */
const KEY_ITEM = "formdb-key";

export interface Rows {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly rowCount: number;
}

/** An answer that is an error, with the server's code and message. */
export class AnswerError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export function useKey(key: string): void {
  sessionStorage.setItem(KEY_ITEM, key);
}

export async function getJson<T>(path: string): Promise<T> {
  return (await ask(path)).json() as Promise<T>;
}

/** `params` is JSON as it was written: parsed and written again, a long integer would be another one. */
export async function runQuery(query: string, params: string): Promise<Rows> {
  const answer = await ask("v1/query", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: `{"query":${JSON.stringify(query)},"params":${params}}`,
  });
  return answer.json() as Promise<Rows>;
}

/** The server's events, until the connection is lost. `EventSource` can't send a key, so the stream is read here. */
export async function readEvents(opened: () => void, received: (data: string) => void): Promise<void> {
  const ended = new AbortController();
  const answer = await ask("v1/events", { signal: ended.signal });
  opened();
  await readEventStream(answer.body!, received, () => ended.abort());
}

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const key = sessionStorage.getItem(KEY_ITEM);
  if (key !== null) headers.set("authorization", `Bearer ${key}`);
  const answer = await fetch(path, { ...init, headers, cache: "no-store" });
  if (answer.ok) return answer;
  const body = (await answer.json().catch(() => undefined)) as { error?: { message?: string } } | undefined;
  throw new AnswerError(answer.status, body?.error?.message ?? `The server answered with ${answer.status}`);
}
