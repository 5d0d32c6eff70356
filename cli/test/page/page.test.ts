import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type FormDB, open } from "@formdb/perf";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FormServer, type FormServerOptions, serve } from "../../src/server.ts";

const KEY = "a-key-of-the-test";
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser: Browser;

beforeAll(async () => {
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
});

afterAll(() => browser.close());

interface Served extends AsyncDisposable {
  readonly db: FormDB;
  readonly server: FormServer;
}

/** The real server over a database with cities. */
async function served(options: FormServerOptions = {}): Promise<Served> {
  const db = await open("sqlite::memory:");
  await db.batchInsert(
    "cities",
    Array.from({ length: 50 }, (_, i) => ({ name: `City ${i}`, country: "FR" })),
  );
  const server = await serve(db, { port: 0, ...options });
  return {
    db,
    server,
    [Symbol.asyncDispose]: async () => {
      await server.close({ deadlineMs: 1_000 });
    },
  };
}

interface Opened {
  readonly page: Page;
  /** What the browser's console said that should not be there. */
  readonly faults: string[];
}

async function opened(url: string, options: Parameters<Browser["newPage"]>[0] = {}): Promise<Opened> {
  const page = await browser.newPage(options);
  const faults: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  page.on("pageerror", (error) => faults.push(error.message));
  await page.goto(url);
  return { page, faults };
}

async function look(db: FormDB): Promise<void> {
  await db.query("SELECT name FROM cities WHERE country = 'FR' AND name = 'City 7'");
}

async function seriousFindings(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const found = (await page.evaluate("axe.run()")) as {
    violations: { id: string; impact: string; nodes: { html: string }[] }[];
  };
  return found.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
}

describe("the page in a browser", () => {
  test("gives a verdict, numbers that move, a query and its plan, and no error in the console", async () => {
    await using at = await served();
    const load = setInterval(() => void look(at.db), 5);
    try {
      const { page, faults } = await opened(at.server.url);
      await page.getByText("queries a second").waitFor();
      // On a busy machine the event loop may well be blocked.
      expect(await page.locator("#verdict-state").textContent()).toMatch(/^(?:healthy|event loop blocked)$/);
      const before = await page.locator("#verdict-because").textContent();
      await expect
        .poll(() => page.locator("#verdict-because").textContent(), { timeout: 10_000 })
        .not.toBe(before);
      expect(await page.locator("canvas").count()).toBe(10);

      await page.fill("#query-text", "SELECT name FROM cities WHERE name = $1");
      await page.fill("#query-params", '["City 7"]');
      await page.press("#query-text", "Control+Enter");
      await page.locator("#query-result td").waitFor();
      expect(await page.locator("#query-result td").allTextContents()).toEqual(["City 7"]);

      await page.getByRole("button", { name: "Show the plan" }).click();
      const plan = await page.locator("#query-result pre").textContent();
      expect(plan).toContain("cities");
      expect(plan!.split("\n").length).toBeGreaterThan(3);

      await page
        .getByRole("button", { name: /^Plan of SELECT/i })
        .first()
        .click();
      await page.locator("#query-result pre").waitFor();

      await page
        .getByRole("button", { name: /^Plan of/i })
        .first()
        .waitFor();
      await page.getByRole("table", { name: "Cached plans" }).locator("td.shape").first().waitFor();
      await page.locator("details summary").first().click();
      await page.locator("details tbody tr").nth(1).waitFor();
      expect(faults).toEqual([]);
      await page.close();
    } finally {
      clearInterval(load);
    }
  });

  test("shows of each row what it holds itself, also by the names that every object knows", async () => {
    await using at = await served();
    const odd = JSON.parse('{"id":"2","constructor":3,"__proto__":{"x":1}}') as { id: string };
    await at.db.batchInsert("odd", [{ id: "1" }, odd]);
    const { page, faults } = await opened(at.server.url);
    await page.fill("#query-text", "SELECT * FROM odd ORDER BY id");
    await page.press("#query-text", "Control+Enter");
    await page.locator("#query-result td").first().waitFor();
    expect(await page.locator("#query-result thead th").allTextContents()).toEqual([
      "id",
      "constructor",
      "__proto__",
    ]);
    expect(await page.locator("#query-result td").allTextContents()).toEqual([
      "1",
      "",
      "",
      "2",
      "3",
      '{"x":1}',
    ]);
    expect(faults).toEqual([]);
    await page.close();
  });

  test.each(["light", "dark"] as const)(
    "has nothing serious for axe, %s and 360 px wide",
    async (colorScheme) => {
      await using at = await served();
      await look(at.db);
      const { page, faults } = await opened(at.server.url, {
        colorScheme,
        viewport: { width: 360, height: 740 },
      });
      await page.locator("canvas").first().waitFor();
      await page.locator("#statements td").first().waitFor();
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
      expect(await seriousFindings(page)).toEqual([]);
      expect(faults).toEqual([]);
      await page.close();
    },
  );

  test("says that the connection is lost, and comes back", async () => {
    const first = await served();
    const { page } = await opened(first.server.url);
    await page.getByText("Connected", { exact: true }).waitFor();
    await first[Symbol.asyncDispose]();
    await page.getByText("The connection to the server is lost").waitFor();
    // What was said of the server no longer holds.
    expect(await page.locator("#verdict-state").textContent()).toBe("no connection");
    await using _second = await served({ port: first.server.port });
    await page.getByText("Connected", { exact: true }).waitFor();
    await page.locator("#verdict[data-state=healthy], #verdict[data-state=fault]").waitFor();
    await page.close();
  });

  test("asks for the key, refuses a wrong one and takes the right one", async () => {
    await using at = await served({ apiKey: KEY });
    const { page } = await opened(at.server.url);
    await page.locator("#verdict-state", { hasText: "a key is needed" }).waitFor();
    await page.fill("#key-input", "another-key");
    await page.press("#key-input", "Enter");
    await page.getByText("The key is not one of this server's").waitFor();
    // No browser sends such a one. Taken, it would be the tab's key until that is closed.
    await page.fill("#key-input", `${KEY}\u200b`);
    await page.press("#key-input", "Enter");
    expect(await page.locator("#key-form").isVisible()).toBe(true);
    expect(await page.locator("#key-input").evaluate((input) => input.matches(":invalid"))).toBe(true);
    await page.fill("#key-input", ` ${KEY} `);
    await page.press("#key-input", "Enter");
    await page.getByText("Connected", { exact: true }).waitFor();
    expect(await page.locator("#key-form").isVisible()).toBe(false);
    await page.close();
  });

  test("sends parameters as they were written: an integer is refused and not rounded", async () => {
    await using at = await served();
    const { page } = await opened(at.server.url);
    await page.fill("#query-text", "SELECT name FROM cities WHERE n = $1");
    await page.fill("#query-params", "[9007199254740993]");
    await page.press("#query-text", "Control+Enter");
    await page.getByText("The integer 9007199254740993 could be rounded").waitFor();
    await page.close();
  });

  test("shows a failed query's message, never as markup", async () => {
    await using at = await served();
    const { page } = await opened(at.server.url);
    await page.fill("#query-text", "SELECT FROM <img src=x>");
    await page.getByRole("button", { name: "Run" }).click();
    await expect.poll(() => page.locator("#query-error").textContent(), { timeout: 10_000 }).not.toBe("");
    expect(await page.locator("#query-error img").count()).toBe(0);
    // The mark below the query stands where the fault is.
    // biome-ignore lint/performance/useDomNodeTextContent: the lines as they are shown are what is asked
    expect(await page.locator("#query-error").innerText()).toMatch(/\n {2}SELECT FROM <img src=x>\n {9}\^$/);
    await page.close();
  });
});
