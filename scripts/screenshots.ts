import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import type { Readable } from "node:stream";
import { styleText } from "node:util";
import { type Browser, chromium } from "playwright-core";
import type { LiveEvent } from "../cli/src/live/live-event.ts";
import { frame, type View } from "../cli/src/top/frame.ts";
import { liveNews } from "../cli/src/top/live-source.ts";

/**
 * Makes the pictures of README and docs/dashboard.md: the live page, and `formdb top`, on the load of `formdb demo --serve`.
 * Needs Chromium at CHROMIUM (/usr/bin/chromium). `npm run screenshots`.
 */
const PLACE = new URL("../docs/images/", import.meta.url).pathname;
const MAIN = new URL("../cli/src/main.ts", import.meta.url).pathname;
/** The charts' history in the pictures. */
const LOADED_MS = 40_000;
const COLUMNS = 80;
const ROWS = 24;

mkdirSync(PLACE, { recursive: true });
const demo = spawn(process.execPath, ["--conditions=@formdb/source", MAIN, "demo", "--serve", "0"], {
  stdio: ["ignore", "pipe", "inherit"],
});
const ended = once(demo, "close");
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
try {
  const url = await urlOf(demo.stdout);
  const top = topAfter(url, LOADED_MS);
  await shootPage(browser, url);
  await shootTop(browser, await top);
} finally {
  await browser.close();
  demo.kill("SIGINT");
  await ended;
}

async function urlOf(stdout: Readable): Promise<string> {
  let text = "";
  for await (const part of stdout.iterator({ destroyOnReturn: false })) {
    text += String(part);
    const url = /The live page: (\S+)\n/.exec(text)?.[1];
    if (url !== undefined) {
      stdout.resume();
      return url;
    }
  }
  throw new Error(`The demo ended without a page: ${text}`);
}

async function shootPage(from: Browser, url: string): Promise<void> {
  const looks = [
    { name: "page-light", colorScheme: "light", width: 1_280, height: 1_000 },
    { name: "page-dark", colorScheme: "dark", width: 1_280, height: 1_000 },
  ] as const;
  const pages = await Promise.all(
    looks.map(async ({ colorScheme, width, height }) => {
      const page = await from.newPage({ colorScheme, viewport: { width, height } });
      await page.goto(url);
      return page;
    }),
  );
  await pages[0]!.waitForTimeout(LOADED_MS);
  for (const [i, { name }] of looks.entries()) {
    await pages[i]!.bringToFront();
    await pages[i]!.waitForTimeout(1_500);
    await pages[i]!.screenshot({ path: `${PLACE}${name}.png` });
  }
  const query = pages[0]!;
  await query.fill("#query-text", "SELECT name, lat, lng FROM cities WHERE country = $1 AND name LIKE $2");
  await query.fill("#query-params", '["FR", "Par%"]');
  await query.click("#explain");
  await query.locator("#query-result pre").waitFor();
  await query.locator("#query").screenshot({ path: `${PLACE}page-plan.png` });
}

async function topAfter(url: string, ms: number): Promise<string> {
  const end = AbortSignal.timeout(ms);
  const events: LiveEvent[] = [];
  let statements: View["statements"];
  for await (const news of liveNews({ url: new URL(url), key: undefined, intervalMs: 1_000 }, end)) {
    if (news.kind === "event") events.push(news.event);
    if (news.kind === "statements") statements = news.statements;
  }
  return frame(
    { address: url, events, statements, lost: undefined },
    {
      columns: COLUMNS,
      rows: ROWS,
      paint: (style, text) => styleText(style, text, { validateStream: false }),
    },
  );
}

/** The terminal's text as a browser shows it. */
async function shootTop(from: Browser, screen: string): Promise<void> {
  const classes: Readonly<Record<string, string>> = { "1": "b", "2": "d", "31": "r", "32": "g", "36": "c" };
  const html = screen
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the terminal's colours
    .replaceAll(/\u001b\[(\d+)m/g, (_, code: string) =>
      classes[code] === undefined ? "</span>" : `<span class="${classes[code]}">`,
    );
  const page = await from.newPage({ viewport: { width: 800, height: 600 } });
  await page.setContent(
    `<style>body{margin:0;background:#14161a}pre{display:inline-block;margin:0;padding:14px 18px;color:#d7dae0;background:#14161a;` +
      `font:14px/1.3 "DejaVu Sans Mono",monospace}.b{font-weight:700}.d{color:#8b929c}.r{color:#ff9d93}.g{color:#6fd598}` +
      `.c{color:#7fb8f5}</style><pre>${html}</pre>`,
  );
  await page.locator("pre").screenshot({ path: `${PLACE}top.png` });
}
