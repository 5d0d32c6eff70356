import { once } from "node:events";
import { request } from "node:http";
import { open } from "@formdb/perf";
import { expect, it } from "vitest";
import { finished, runCli, Scratch, servedAt, startCli } from "../run-cli.ts";

/** Uploads documents without an end until the server stops reading; the ids that it called applied. */
async function uploadUntilTheEnd(url: URL, onApplied: (count: number) => void): Promise<Set<string>> {
  const applied = new Set<string>();
  const sent = request(new URL("/v1/collections/users/documents", url), {
    method: "POST",
    headers: { "content-type": "application/x-ndjson", accept: "application/x-ndjson" },
  });
  let ended = false;
  let n = 0;
  const send = (): void => {
    while (!ended && sent.write(`{"id":"d${n}","n":${n++}}\n`));
  };
  sent.on("drain", send).on("error", () => {
    ended = true;
  });
  send();
  const [response] = await once(sent, "response");
  let rest = "";
  response.setEncoding("utf8");
  try {
    for await (const part of response) {
      const lines = (rest + part).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const { id, outcome } = JSON.parse(line);
        if (outcome === "applied") applied.add(id);
      }
      onApplied(applied.size);
    }
  } catch {
    // A server that was killed ends its answer in the middle.
  }
  ended = true;
  sent.destroy();
  return applied;
}

it.each(["SIGTERM", "SIGKILL"] as const)(
  "%s during an upload: what was acknowledged is in the database, exactly once",
  async (signal) => {
    using scratch = new Scratch();
    const file = `sqlite:${scratch.file("app.db")}`;
    // What the deadline would cut off is told by no answer; an orderly end needs none.
    const deadline = ["--deadline-ms", "120000"];
    const child = startCli(["serve", "--port", "0", "--db", file, "--log-level", "error", ...deadline]);
    const url = new URL(await servedAt(child));
    const ended = finished(child);
    // A second signal would end it at once.
    let isAsked = false;
    const applied = await uploadUntilTheEnd(url, (count) => {
      if (count <= 2_000 || isAsked) return;
      isAsked = true;
      child.kill(signal);
    });
    const { code, stdout, stderr } = await ended;
    expect(stderr).toBe("");
    expect(code).toBe(signal === "SIGTERM" ? 0 : "SIGKILL");
    if (signal === "SIGTERM") expect(stdout).toContain("0 operations could not be delivered");
    expect(applied.size).toBeGreaterThan(2_000);
    await using db = await open(file);
    const { rows } = await db.query<{ id: string }>("SELECT id FROM users");
    const stored = rows.map(({ id }) => id);
    const there = new Set(stored);
    expect(there.size).toBe(stored.length);
    expect([...applied].filter((id) => !there.has(id)).slice(0, 5)).toEqual([]);
    // All that an orderly end has stored, it has told.
    if (signal === "SIGTERM") expect(stored.length).toBe(applied.size);
  },
);

it("slow queries are logged with the id that the request's answer has", async () => {
  using scratch = new Scratch();
  const child = startCli(["serve", "--port", "0", "--db", scratch.file("app.db"), "--slow-query-ms", "0"]);
  const url = await servedAt(child);
  const ended = finished(child);
  const query = (text: string): Promise<Response> =>
    fetch(`${url}/v1/query`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: text }),
    });
  await query("CREATE COLLECTION users");
  const ids: (string | null)[] = [];
  // The first are answered by a worker thread, the last on the caller's. No more than ten a second are logged.
  for (let i = 0; i < 9; i++) {
    ids.push((await query(`SELECT name FROM users WHERE n = ${i}`)).headers.get("x-request-id"));
  }
  expect(new Set(ids).size).toBe(9);
  child.kill("SIGTERM");
  const { stdout, stderr } = await ended;
  expect(stdout).toMatch(/^Stopping by SIGTERM: .*\nStopped by SIGTERM: /m);
  expect(stderr).not.toContain("SIGTERM");
  const logged = stderr
    .split("\n")
    .filter((line) => line.includes("SELECT name"))
    .filter((line) => line.match(/"time":/g)?.length === 1)
    .map((line) => JSON.parse(line) as { msg: string; reqId: string });
  expect(logged.map(({ reqId }) => reqId)).toEqual(ids);
  expect(logged[0]).toMatchObject({ msg: "a slow query" });
});

it("an address that others reach is refused without a key", async () => {
  const { code, stderr } = await runCli([
    "serve",
    "--host",
    "0.0.0.0",
    "--port",
    "0",
    "--db",
    "sqlite::memory:",
  ]);
  expect(code).toBe(2);
  expect(stderr).toContain("FORMDB_API_KEY");
});

it("the help says what a limit is where none is given", async () => {
  const { stdout } = await runCli(["serve", "--help"]);
  const words = stdout.replace(/\s+/g, " ");
  for (const limit of [/--max-requests [^-]*default: 10000/, /--requests-per-second [^-]*default: 20000/]) {
    expect(words).toMatch(limit);
  }
  expect(words).toMatch(/--stall-timeout-ms .*default: 60000.*--slow-query-ms/);
});
