import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** How long Prometheus may take to start, and a condition to come true. */
const PATIENCE_MS = 30_000;
/** How often a condition is looked at. */
const LOOK_MS = 50;

/** One series as the query API gives it. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [time: number, value: string];
}

/** A real Prometheus on a free port of this machine, its data in a folder that goes when it stops. */
export class PrometheusServer {
  readonly #url: string;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(url: string, child: ChildProcess, folder: string) {
    this.#url = url;
    this.#child = child;
    this.#folder = folder;
  }

  /** Starts one that scrapes a port as the job `test` and evaluates rules, given as YAML, every second. */
  static async start(targetPort: number, rules: string): Promise<PrometheusServer> {
    const folder = mkdtempSync(join(tmpdir(), "formdb-prometheus-"));
    const config = {
      global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
      rule_files: ["rules.yml"],
      scrape_configs: [{ job_name: "test", static_configs: [{ targets: [`127.0.0.1:${targetPort}`] }] }],
    };
    writeFileSync(join(folder, "rules.yml"), rules.replaceAll(/^( *interval:) .*$/gm, "$1 1s"));
    // JSON is YAML.
    writeFileSync(join(folder, "prometheus.yml"), JSON.stringify(config));
    const address = `127.0.0.1:${await freePort()}`;
    const child = spawn(
      "prometheus",
      [
        `--config.file=${join(folder, "prometheus.yml")}`,
        `--storage.tsdb.path=${join(folder, "data")}`,
        `--web.listen-address=${address}`,
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    let log = "";
    child.stderr?.on("data", (text: Buffer) => {
      log = (log + text.toString()).slice(-4_000);
    });
    const server = new PrometheusServer(`http://${address}`, child, folder);
    try {
      await until("Prometheus is ready", async () => {
        if (child.exitCode !== null) throw new Error(`Prometheus ended: ${log}`);
        const response = await fetch(`http://${address}/-/ready`).catch(() => undefined);
        return response?.ok === true ? true : undefined;
      });
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Runs an instant query; throws on what Prometheus refuses. */
  async query(expr: string): Promise<readonly Sample[]> {
    const data = (await this.get("query", { query: expr })) as { result: readonly Sample[] };
    return data.result;
  }

  /** The only value of a query; undefined while there is none. */
  async value(expr: string): Promise<number | undefined> {
    const result = await this.query(expr);
    if (result.length > 1) throw new Error(`${expr} must give one series, and gives ${result.length}`);
    return result[0] === undefined ? undefined : Number(result[0].value[1]);
  }

  /** The data of a call of the HTTP API. */
  async get(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<unknown> {
    const response = await fetch(`${this.#url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const body = (await response.json()) as { status: string; data: unknown; error?: string };
    if (body.status !== "success") throw new Error(`${body.error}: ${JSON.stringify(parameters)}`);
    return body.data;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = new Promise((resolve) => this.#child.once("exit", resolve));
      this.#child.kill("SIGKILL");
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Looks again and again until `look` gives something, and gives that. */
export async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`Not true within ${PATIENCE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
