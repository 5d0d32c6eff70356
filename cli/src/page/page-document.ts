import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire, stripTypeScriptTypes } from "node:module";

/** The page as one document, and the policy that lets a browser run what is in it and nothing else. */
export interface PageDocument {
  readonly html: string;
  readonly contentSecurityPolicy: string;
}

/** The modules of the page's script, each after those that it imports. */
const MODULES = [
  "../live/verdict",
  "../live/event-stream",
  "./browser/elements",
  "./browser/api",
  "./browser/charts",
  "./browser/query-box",
  "./browser/main",
] as const;

/** Puts the page together: its styles, uPlot and its script are in the document, and nothing is loaded from elsewhere. */
export function pageDocument(): PageDocument {
  const uplot = createRequire(import.meta.url).resolve("uplot/dist/uPlot.iife.min.js");
  const styles = `${readFileSync(uplot.replace("iife.min.js", "min.css"), "utf8")}\n${read("./page.css")}`;
  const plotting = readFileSync(uplot, "utf8");
  const script = MODULES.map(moduleText).join("\n");
  const html = read("./page.html")
    .replace("/* STYLES */", () => styles)
    .replace("/* UPLOT */", () => plotting)
    .replace("/* SCRIPT */", () => script);
  return {
    html,
    contentSecurityPolicy: [
      "default-src 'none'",
      `script-src ${digest(plotting)} ${digest(script)}`,
      `style-src ${digest(styles)}`,
      "img-src data:",
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join("; "),
  };
}

/**
 * A module as a part of one script, in which all modules share one scope: without its imports and exports. In a checkout
 * it is TypeScript, whose types are taken out.
 */
function moduleText(name: string): string {
  const isSource = import.meta.url.endsWith(".ts");
  const text = read(`${name}${isSource ? ".ts" : ".js"}`);
  return (isSource ? stripTypeScriptTypes(text) : text)
    .replace(/^import [^;]*;$/gm, "")
    .replace(/^export (?=(?:async |class |const |function ))/gm, "")
    .replace(/^export \{\};$/gm, "");
}

function read(name: string): string {
  return readFileSync(new URL(name, import.meta.url), "utf8");
}

function digest(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}
