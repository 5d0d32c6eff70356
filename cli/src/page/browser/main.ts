import type { LiveEvent } from "../../live/live-event.ts";
import { verdictOf } from "../../live/verdict.ts";
import { AnswerError, getJson, readEvents, useKey } from "./api.ts";
import { Charts } from "./charts.ts";
import { byId, type Column, element, shown, table } from "./elements.ts";
import { QueryBox } from "./query-box.ts";

/** What the charts show: one event a second. */
const MAX_EVENTS = 300;
const RECONNECT_MS = 1_000;
const STATEMENTS_EVERY = 3;
const SHOWN_ROWS = 25;

interface Statement {
  readonly shape: string;
  readonly calls: number;
  readonly errors: number;
  readonly rows: number;
  readonly cacheHits: number;
  readonly totalMs: number;
  readonly meanMs: number;
  readonly p99Ms: number;
}

interface CachedPlan {
  readonly shape: string;
  readonly hits: number;
  readonly ageMs: number;
  readonly bytes: number;
  readonly compileMs: number;
  readonly state: string;
}

const charts = new Charts();
const queryBox = new QueryBox();
let events: LiveEvent[] = [];
let received = 0;

function receive(data: string): void {
  const event = JSON.parse(data) as LiveEvent;
  events = [...events, event].slice(-MAX_EVENTS);
  showVerdict();
  charts.show(events);
  showHolders(event);
  showErrors(event);
  byId("empty").hidden = event.queries.total > 0;
  if (received++ % STATEMENTS_EVERY !== 0) return;
  void showStatements();
  void showPlans();
}

function showVerdict(): void {
  const { state, because } = verdictOf(events);
  tellState(state, because, state === "healthy" ? "healthy" : "fault");
}

function tellState(state: string, because: string, kind: "healthy" | "fault" | "waiting"): void {
  byId("verdict").dataset.state = kind;
  // Read out only when it changes.
  if (byId("verdict-state").textContent !== state) byId("verdict-state").textContent = state;
  byId("verdict-because").textContent = because;
}

function tellConnection(): void {
  showConnection("Connected", false);
  tellState("connected", "The first figures come within a second", "waiting");
}

/** Without a connection nothing is known of the server: what was said of it no longer holds. */
function tellLoss(): void {
  showConnection("The connection to the server is lost; trying again …", true);
  const last = events.at(-1);
  const because =
    last === undefined
      ? "The server has not answered yet"
      : `What is shown here is of ${new Date(last.time).toLocaleTimeString("en-GB")}`;
  tellState("no connection", because, "fault");
}

function showHolders({ pools }: LiveEvent): void {
  const holders = pools[0]?.holders ?? [];
  const columns = [
    { head: "connection", cell: ({ connection }: (typeof holders)[number]) => String(connection) },
    { head: "held, ms", cell: ({ heldMs }: (typeof holders)[number]) => heldMs },
  ];
  byId("holders").replaceChildren(
    holders.length === 0 ? quiet("No connection is in use.") : table("Connections in use", columns, holders),
  );
}

function showErrors({ errors, errorTotals }: LiveEvent): void {
  const codes = Object.entries(errorTotals).sort((a, b) => b[1] - a[1]);
  const columns = [
    { head: "code", cell: ([code]: [string, number]) => code },
    { head: "in the last second", cell: ([code]: [string, number]) => errors[code] ?? 0 },
    { head: "since the start", cell: ([, total]: [string, number]) => total },
  ];
  byId("errors").replaceChildren(codes.length === 0 ? quiet("None.") : table("Errors", columns, codes));
}

async function showStatements(): Promise<void> {
  const answer = await asked<{ statements: Statement[] }>("v1/statements");
  const columns = [
    { head: "statement", className: "shape", cell: ({ shape }: Statement) => shape },
    { head: "plan", cell: ({ shape }: Statement) => planButton(shape) },
    { head: "total, ms", cell: ({ totalMs }: Statement) => totalMs },
    { head: "calls", cell: ({ calls }: Statement) => calls },
    { head: "mean, ms", cell: ({ meanMs }: Statement) => meanMs },
    { head: "p99, ms", cell: ({ p99Ms }: Statement) => p99Ms },
    { head: "rows", cell: ({ rows }: Statement) => rows },
    { head: "plan cached", className: "number", cell: cached },
    { head: "errors", cell: ({ errors }: Statement) => errors },
  ];
  showTable("statements", "Statements by total time", columns, answer?.statements);
}

async function showPlans(): Promise<void> {
  const answer = await asked<{ plans: CachedPlan[] }>("v1/plans");
  const columns = [
    { head: "statement", className: "shape", cell: ({ shape }: CachedPlan) => shape },
    { head: "plan", cell: ({ shape }: CachedPlan) => planButton(shape) },
    { head: "hits", cell: ({ hits }: CachedPlan) => hits },
    { head: "age, s", cell: ({ ageMs }: CachedPlan) => Math.round(ageMs / 1_000) },
    { head: "bytes", cell: ({ bytes }: CachedPlan) => bytes },
    { head: "compiled in, ms", cell: ({ compileMs }: CachedPlan) => compileMs },
    { head: "state", cell: ({ state }: CachedPlan) => state },
  ];
  showTable("plans", "Cached plans", columns, answer?.plans);
}

/** A lost connection is told by the stream of events. */
function asked<T>(path: string): Promise<T | undefined> {
  return getJson<T>(path).catch(() => undefined);
}

function showTable<R>(
  id: string,
  caption: string,
  columns: readonly Column<R>[],
  rows: readonly R[] | undefined,
): void {
  const place = byId(id);
  // What has the keyboard's focus is not taken away from under it.
  if (rows === undefined || place.querySelector(":focus") !== null) return;
  place.replaceChildren(
    rows.length === 0 ? quiet("None yet.") : table(caption, columns, rows.slice(0, SHOWN_ROWS)),
  );
}

/** Only what is a query's text has a plan. */
function cached({ shape, cacheHits, calls }: Statement): string {
  return calls === 0 || !/^[A-Z]/.test(shape) ? "" : `${shown(Math.round((cacheHits * 100) / calls))}%`;
}

function planButton(shape: string): HTMLElement | string {
  if (!/^(select|delete)\b/i.test(shape)) return "";
  const button = element(
    "button",
    { type: "button", class: "link", "aria-label": `Plan of ${shape}` },
    "Plan",
  );
  button.addEventListener("click", () => queryBox.explain(shape));
  return button;
}

function quiet(text: string): HTMLElement {
  return element("p", { class: "quiet" }, text);
}

function showConnection(text: string, isLost: boolean): void {
  const place = byId("connection");
  place.toggleAttribute("data-lost", isLost);
  if (place.textContent !== text) place.textContent = text;
}

/** Watches for as long as the page is open: a lost connection is told, and made anew. */
async function watch(): Promise<void> {
  let hasKey = true;
  while (hasKey) {
    try {
      await readEvents(tellConnection, receive);
    } catch (error) {
      const status = error instanceof AnswerError ? error.status : undefined;
      hasKey = status !== 401 && status !== 403;
      if (!hasKey) askForKey(error as Error);
    }
    if (!hasKey) return;
    tellLoss();
    await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
  }
}

function askForKey(error: Error): void {
  showConnection("A key is needed", true);
  tellState("a key is needed", "Nothing of this server can be shown without one", "waiting");
  byId("key-error").textContent = sessionStorage.length > 0 ? error.message : "";
  byId("key-form").hidden = false;
  byId("key-input").focus();
}

byId("key").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = byId<HTMLInputElement>("key-input");
  useKey(input.value.trim());
  input.value = "";
  byId("key-form").hidden = true;
  void watch();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.redraw(events));
void watch();
