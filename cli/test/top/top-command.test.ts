import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { open } from "@formdb/perf";
import { scrapeHandler } from "@formdb/perf/metrics";
import { expect, it, vi } from "vitest";
import { failure } from "../../../test/support/failure.ts";
import { serve } from "../../src/server.ts";
import { liveNews, targetUrl } from "../../src/top/live-source.ts";
import { finished, runCli, startCli } from "../run-cli.ts";

/** A busy machine's verdict may well be that the event loop is blocked. */
const LINE = /^\S+ queries\/s=\S+ errors\/s=\S+ p50=\S+ .* main=\d+\/\d+\+\d+ .*verdict="[a-z ]+"$/m;

it("a server's figures, a line for each sample", async () => {
  const server = await serve(await open("sqlite::memory:"), { port: 0 });
  const { code, stdout, stderr } = await runCli(["top", server.url, "--samples", "2"]);
  await server.close();
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.trimEnd().split("\n")).toEqual([expect.stringMatching(LINE), expect.stringMatching(LINE)]);
});

it("ends when nobody reads on", async () => {
  const server = await serve(await open("sqlite::memory:"), { port: 0 });
  const child = startCli(["top", server.url]);
  const ended = finished(child);
  await once(child.stdout, "data");
  child.stdout.destroy();
  const { code, stderr } = await ended;
  await server.close();
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});

it("the metrics of any process, found with or without their path", async () => {
  await using db = await open("sqlite::memory:");
  const endpoint = await db.metrics.listen({ port: 0 });
  for (const url of [endpoint.url, new URL(endpoint.url).host]) {
    const { code, stdout } = await runCli(["top", url, "--samples", "1", "--interval-ms", "200"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(LINE);
  }
  await endpoint.close();
});

it("a key is asked for, and taken from the environment", async () => {
  const key = "a-key-of-more-than-16";
  const server = await serve(await open("sqlite::memory:"), { port: 0, metricsKey: key });
  const without = await runCli(["top", server.url, "--samples", "1"]);
  const metricsOnly = await runCli(["top", server.url, "--samples", "1"], {
    env: { FORMDB_METRICS_KEY: key },
  });
  await server.close();
  expect(without.code).toBe(2);
  expect(without.stderr).toContain("needs a key: set FORMDB_API_KEY");
  expect(metricsOnly.code).toBe(0);
  expect(metricsOnly.stdout).toMatch(LINE);
});

it("a server that goes away is told, and watched again when it is back", async () => {
  const first = await serve(await open("sqlite::memory:"), { port: 0 });
  const child = startCli(["top", first.url, "--samples", "3"]);
  const ended = finished(child);
  await once(child.stdout, "data");
  await first.close();
  await once(child.stderr, "data");
  const second = await serve(await open("sqlite::memory:"), { port: first.port });
  const { code, stdout, stderr } = await ended;
  await second.close();
  expect(code).toBe(0);
  expect(stdout.trimEnd().split("\n")).toHaveLength(3);
  expect(stderr).toContain("formdb: the connection is lost");
});

it("a server that takes connections and says nothing does not answer", async () => {
  const silent = createServer().on("request", () => vi.advanceTimersByTime(10_000));
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const target = { url: targetUrl(`127.0.0.1:${port}`), key: undefined, intervalMs: 1_000 };
  const watched = failure(liveNews(target, new AbortController().signal).next());
  expect(await watched).toMatchObject({
    code: "FORMDB_CONNECT_FAILED",
    message: `There is no answer from http://127.0.0.1:${port}: nothing came within 10000 ms`,
  });
  vi.useRealTimers();
  silent.closeAllConnections();
  silent.close();
});

it("what is no server of figures is refused", async () => {
  const other = createServer((_request, response) => response.end("hello\n")).listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const page = await runCli(["top", `http://127.0.0.1:${port}/metrics`]);
  other.close();
  expect(page.code).toBe(2);
  expect(page.stderr).toContain("no metrics of FormDB");
  const gone = await runCli(["top", `127.0.0.1:${port}`]);
  expect(gone.code).toBe(1);
  expect(gone.stderr).toContain(`There is no answer from http://127.0.0.1:${port}: connect ECONNREFUSED`);
  const secret = await runCli(["top", "http://me:secret@127.0.0.1"]);
  expect(secret.code).toBe(2);
  expect(secret.stderr).not.toContain("secret@");
});

it("of a server that gives its metrics at every path, the metrics", async () => {
  await using db = await open("sqlite::memory:");
  const server = createServer(scrapeHandler(db.metrics)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { code, stdout } = await runCli(["top", url, "--samples", "1", "--interval-ms", "200"]);
  server.close();
  expect(code).toBe(0);
  expect(stdout).toMatch(LINE);
});

it("a server that answers everything with a page of its own is refused", async () => {
  const server = createServer((_, response) => response.end("welcome")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const { code, stderr } = await runCli(["top", `127.0.0.1:${port}`, "--samples", "1"]);
  server.close();
  expect(code).toBe(2);
  expect(stderr).toMatch(/^formdb: .*metrics/);
});
