import type { Document, Row } from "../../src/base/document.ts";

/** One query of an example and what it must give. */
export interface ExampleStep {
  readonly query: string;
  readonly params: readonly unknown[] | { readonly [name: string]: unknown };
  /** The rows of the result; undefined where the example does not say. */
  readonly rows: readonly Row[] | undefined;
  /** Whether the rows come in this order. */
  readonly ordered: boolean;
  /** The code of the error that is due instead of a result. */
  readonly error: string | undefined;
}

/** One example of a document: steps that are run one after the other on a fresh database. */
export interface Example {
  /** The heading that it stands under and its number there, as in `Paths 2`. */
  readonly title: string;
  /** The line of its block, from 1. */
  readonly line: number;
  /** What each collection holds at the start. */
  readonly given: Readonly<Record<string, readonly Document[]>>;
  readonly steps: readonly ExampleStep[];
}

/**
 * The examples of a Markdown text: its fenced blocks named `example`. A block `documents NAME` before them has one JSON
 * document a line. In an example an empty line ends a step; a step is a query, then perhaps its parameters behind
 * `$`, then rows behind `=>`, or `=> nothing`, or the code of an error behind `!`.
 */
export function readExamples(markdown: string): Example[] {
  const examples: Example[] = [];
  let given: Record<string, readonly Document[]> = {};
  let heading = "";
  let count = 0;
  const lines = markdown.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const title = /^#+ (.*)$/.exec(lines[i]!)?.[1];
    if (title !== undefined) {
      heading = title;
      count = 0;
    }
    const info = /^```(.+)$/.exec(lines[i]!)?.[1];
    if (info === undefined) continue;
    const line = i + 1;
    const end = lines.indexOf("```", line);
    if (end === -1) throw new Error(`The block at line ${line} has no end`);
    const body = lines.slice(line, end);
    i = end;
    if (info.startsWith("documents ")) {
      const documents = body.map((text) => JSON.parse(text) as Document);
      given = { ...given, [info.slice("documents ".length)]: documents };
    } else if (info === "example") {
      examples.push({ title: `${heading} ${++count}`, line, given, steps: readSteps(body) });
    }
  }
  return examples;
}

function readSteps(lines: readonly string[]): ExampleStep[] {
  const steps = lines.join("\n").split(/\n\s*\n/);
  return steps.map((step) => readStep(step.split("\n")));
}

function readStep(lines: readonly string[]): ExampleStep {
  const query: string[] = [];
  const rows: Row[] = [];
  let params: ExampleStep["params"] = [];
  let error: string | undefined;
  let hasRows = false;
  for (const line of lines) {
    if (line.startsWith("$ ")) params = JSON.parse(line.slice(2)) as ExampleStep["params"];
    else if (line.startsWith("! ")) error = line.slice(2);
    else if (line.startsWith("=> ")) {
      hasRows = true;
      if (line !== "=> nothing") rows.push(JSON.parse(line.slice(3)) as Row);
    } else query.push(line);
  }
  const text = query.join("\n");
  return {
    query: text,
    params,
    rows: hasRows ? rows : undefined,
    ordered: /\bORDER BY\b/i.test(text),
    error,
  };
}
