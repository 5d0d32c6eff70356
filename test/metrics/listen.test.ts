import type { IncomingHttpHeaders } from "node:http";
import { request } from "node:http";
import { gunzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import type { ListenOptions, ScrapeEndpoint } from "../../src/metrics/listen.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { parseExposition } from "./exposition-parser.ts";

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

function ask(url: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    sent.on("error", reject);
    sent.end();
  });
}

const open: ScrapeEndpoint[] = [];
async function listening(metrics: Metrics, options: ListenOptions = {}): Promise<ScrapeEndpoint> {
  const endpoint = await metrics.listen({ port: 0, ...options });
  open.push(endpoint);
  return endpoint;
}
afterEach(async () => {
  await Promise.all(open.splice(0).map((endpoint) => endpoint.close()));
});

describe("metrics.listen", () => {
  test("serves text 0.0.4 on the loopback address", async () => {
    const metrics = new Metrics();
    metrics.recordQuery(1);
    const { url, port } = await listening(metrics);
    expect(url).toBe(`http://127.0.0.1:${port}/metrics`);
    const { status, headers, body } = await ask(url);
    expect(status).toBe(200);
    expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(headers["content-length"]).toBe(String(body.length));
    expect(headers["content-encoding"]).toBeUndefined();
    expect(parseExposition(body.toString(), "prometheus").get("formdb_query_total")!.samples[0]!.value).toBe(
      1,
    );
  });

  test("serves OpenMetrics to who asks for it, compressed where that is accepted", async () => {
    const metrics = new Metrics();
    const { url } = await listening(metrics);
    const { headers, body } = await ask(url, {
      Accept: "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
      "Accept-Encoding": "gzip",
    });
    expect(headers["content-type"]).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
    expect(headers["content-encoding"]).toBe("gzip");
    expect(headers.vary).toBe("Accept, Accept-Encoding");
    const text = gunzipSync(body).toString();
    expect(body.length * 4).toBeLessThan(text.length);
    expect(parseExposition(text, "openmetrics").has("formdb_query")).toBe(true);
  });

  test("answers HEAD with the headers alone, other methods with 405, other paths with 404", async () => {
    const { url, port } = await listening(new Metrics(), { path: "/m" });
    const head = await ask(url, {}, "HEAD");
    expect(head.status).toBe(200);
    expect(Number(head.headers["content-length"])).toBeGreaterThan(1_000);
    expect(head.body).toHaveLength(0);
    const post = await ask(url, {}, "POST");
    expect(post.status).toBe(405);
    expect(post.headers.allow).toBe("GET, HEAD");
    expect((await ask(`http://127.0.0.1:${port}/metrics`)).status).toBe(404);
    expect((await ask(`${url}?name=x`)).status).toBe(200);
  });

  test("measures the event loop while it listens", async () => {
    const { url } = await listening(new Metrics());
    const families = parseExposition((await ask(url)).body.toString(), "prometheus");
    expect(families.get("formdb_event_loop_delay_p99_seconds")!.samples).toHaveLength(1);
    expect(families.get("formdb_event_loop_utilization_ratio")!.samples[0]!.value).toBeLessThanOrEqual(1);
  });

  test("says that the port is taken", async () => {
    const { port } = await listening(new Metrics());
    await expect(new Metrics().listen({ port })).rejects.toMatchObject({
      code: "FORMDB_CONFIG",
      message: expect.stringMatching(`127.0.0.1, port ${port}: the port is taken`),
    });
  });

  test("refuses options that can't be", async () => {
    await expect(new Metrics().listen({ port: 70_000 })).rejects.toMatchObject({ code: "FORMDB_CONFIG" });
    await expect(new Metrics().listen({ path: "metrics" })).rejects.toThrow(/begins with/);
    await expect(new Metrics().listen({ prot: 1 } as never)).rejects.toThrow(/did you mean "port"/);
  });

  test("frees the port on close, even while a scrape hangs", async () => {
    const metrics = new Metrics();
    const endpoint = await listening(metrics);
    const { port } = endpoint;
    const asked = Promise.withResolvers<void>();
    metrics.exportAsync = () => {
      asked.resolve();
      return new Promise(() => {});
    };
    const cut = ask(endpoint.url).catch((error: NodeJS.ErrnoException) => error.code);
    await asked.promise;
    await endpoint.close();
    await endpoint.close();
    expect(await cut).toBe("ECONNRESET");
    expect((await listening(new Metrics(), { port })).port).toBe(port);
  });

  test("serves at most eight scrapes at a time", async () => {
    const metrics = new Metrics();
    const { url } = await listening(metrics);
    const gate = Promise.withResolvers<void>();
    const text = metrics.exportPrometheus();
    let started = 0;
    metrics.exportAsync = async () => {
      started++;
      await gate.promise;
      return text;
    };
    const answers = Array.from({ length: 8 }, () => ask(url));
    while (started < 8) await new Promise((resolve) => setImmediate(resolve));
    const ninth = await ask(url);
    expect(ninth.status).toBe(503);
    gate.resolve();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect((await ask(url)).status).toBe(200);
  });

  test("answers 500 when the export fails", async () => {
    const metrics = new Metrics();
    metrics.exportAsync = () => Promise.reject(new Error("broken"));
    const { url } = await listening(metrics);
    const { status, body } = await ask(url);
    expect(status).toBe(500);
    expect(body.toString()).toContain("broken");
  });
});
