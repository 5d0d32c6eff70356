import type { SyntaxNode } from "@lezer/common";
import { parser } from "@prometheus-io/lezer-promql";
import type { MetricDefinition } from "../../src/metrics/definitions.ts";

/** What a series name can be asked for. */
interface Known {
  /** Whether it only grows, so that `rate` means something. */
  readonly grows: boolean;
  readonly labels: ReadonlySet<string>;
  /** The values of labels that can have no others. */
  readonly values: Readonly<Record<string, readonly string[]>>;
}

/** Labels that Prometheus gives every series it scrapes. */
const TARGET_LABELS = ["job", "instance"];

/** Functions that need what only grows. */
const OF_COUNTERS: ReadonlySet<string> = new Set(["rate", "irate", "increase", "resets"]);

/**
 * Checks PromQL against what a catalogue exports: that every metric exists as a sample (`_bucket`, `_sum` and `_count`
 * of histograms), has the labels it is asked for and those label values, that `rate` and its like are of
 * counters, that grouping and matching labels are there, and that both sides of an operator can match.
 */
export class PromqlCheck {
  readonly #known: Map<string, Known> = new Map();
  /** The names of series that were asked for. */
  readonly used: Set<string> = new Set();

  constructor(catalogue: readonly MetricDefinition[], prefix: string) {
    for (const { name, type, labels = [], known: values = {} } of catalogue) {
      const own = [...TARGET_LABELS, ...labels];
      const add = (suffix: string, grows: boolean, ...more: readonly string[]): void => {
        this.#known.set(`${prefix}_${name}${suffix}`, { grows, labels: new Set([...own, ...more]), values });
      };
      if (type === "histogram") {
        add("_bucket", true, "le");
        add("_sum", true);
        add("_count", true);
      } else add("", type === "counter");
    }
  }

  /** Checks an expression; what it gives may be asked for as `name` from now on. */
  record(name: string, expr: string): void {
    const labels = this.check(expr);
    if (labels === undefined) throw new Error(`${name} must record a vector, not a scalar: ${expr}`);
    if (this.#known.has(name)) throw new Error(`${name} is there already`);
    this.#known.set(name, { grows: false, labels, values: {} });
  }

  /** Gives the labels of what the expression gives, or undefined for a scalar. Throws on what can't be right. */
  check(expr: string): ReadonlySet<string> | undefined {
    const tree = parser.parse(expr);
    const cursor = tree.cursor();
    do {
      if (cursor.type.isError) throw new Error(`Not PromQL from character ${cursor.from} on: ${expr}`);
    } while (cursor.next());
    const root = tree.topNode.firstChild;
    if (root === null) throw new Error("There must be an expression");
    return this.#labels(root, expr);
  }

  #labels(node: SyntaxNode, text: string): ReadonlySet<string> | undefined {
    switch (node.name) {
      case "VectorSelector":
        return this.#selector(node, text).labels;
      case "AggregateExpr":
        return this.#aggregate(node, text);
      case "FunctionCall":
        return this.#call(node, text);
      case "BinaryExpr":
        return this.#binary(node, text);
      case "ParenExpr":
      case "MatrixSelector":
      case "SubqueryExpr":
      case "OffsetExpr":
        return this.#labels(node.firstChild!, text);
      case "UnaryExpr":
        return this.#labels(node.lastChild!, text);
      case "NumberDurationLiteral":
      case "StringLiteral":
        return undefined;
      default:
        throw new Error(`This check does not know ${node.name}: ${text.slice(node.from, node.to)}`);
    }
  }

  #selector(node: SyntaxNode, text: string): Known {
    const name = source(node.getChild("Identifier"), text);
    const known = this.#known.get(name);
    if (known === undefined) throw new Error(`Nothing exports ${name}: ${text}`);
    this.used.add(name);
    for (const matcher of node.getChild("LabelMatchers")?.getChildren("UnquotedLabelMatcher") ?? []) {
      const label = source(matcher.getChild("LabelName"), text);
      if (!known.labels.has(label)) throw new Error(`${name} has no label ${label}: ${text}`);
      const value = source(matcher.getChild("StringLiteral"), text).slice(1, -1);
      const possible = Object.hasOwn(known.values, label) ? known.values[label]! : undefined;
      for (const one of value.split("|")) {
        if (possible !== undefined && !value.includes("$") && !possible.includes(one)) {
          throw new Error(`The label ${label} of ${name} is never ${one}: ${text}`);
        }
      }
    }
    return known;
  }

  #aggregate(node: SyntaxNode, text: string): ReadonlySet<string> {
    const body = this.#vector(node, text);
    const modifier = node.getChild("AggregateModifier");
    const labels = labelsIn(modifier, text);
    for (const label of labels) {
      if (!body.has(label)) throw new Error(`Nothing to group by has the label ${label}: ${text}`);
    }
    const operation = source(node.getChild("AggregateOp"), text);
    if (operation === "topk" || operation === "bottomk") return body;
    if (modifier?.getChild("Without") === null || modifier === null) return new Set(labels);
    return new Set([...body].filter((label) => !labels.includes(label)));
  }

  #call(node: SyntaxNode, text: string): ReadonlySet<string> {
    const name = source(node.getChild("FunctionIdentifier"), text);
    const body = this.#vector(node, text);
    if (OF_COUNTERS.has(name)) {
      const selector = node
        .getChild("FunctionCallBody")
        ?.getChild("MatrixSelector")
        ?.getChild("VectorSelector");
      if (!selector || !this.#selector(selector, text).grows) {
        throw new Error(`${name} must be of a counter: ${text}`);
      }
    }
    if (name !== "histogram_quantile") return body;
    if (!body.has("le")) throw new Error(`A quantile needs the label le: ${text}`);
    return new Set([...body].filter((label) => label !== "le"));
  }

  /** The labels of the vector among the arguments. */
  #vector(node: SyntaxNode, text: string): ReadonlySet<string> {
    const body = node.getChild("FunctionCallBody");
    for (let child = body?.firstChild; child; child = child.nextSibling) {
      const labels = this.#labels(child, text);
      if (labels !== undefined) return labels;
    }
    throw new Error(`An argument must be a vector: ${source(node, text)}`);
  }

  #binary(node: SyntaxNode, text: string): ReadonlySet<string> | undefined {
    const left = this.#labels(node.firstChild!, text);
    const right = this.#labels(node.lastChild!, text);
    if (left === undefined || right === undefined) return left ?? right;
    const modifier = node.getChild("MatchingModifierClause");
    const on = modifier?.getChild("On") ? labelsIn(modifier, text) : undefined;
    if (modifier !== null && on === undefined) throw new Error(`This check knows only on (…): ${text}`);
    for (const label of on ?? []) {
      if (!left.has(label) || !right.has(label))
        throw new Error(`Both sides need the label ${label}: ${text}`);
    }
    if (on === undefined && !(left.size === right.size && [...left].every((label) => right.has(label)))) {
      throw new Error(`The sides can't match: ${[...left].join()} and ${[...right].join()} in ${text}`);
    }
    const setOperation = ["And", "Or", "Unless"].some((name) => node.getChild(name) !== null);
    return setOperation || on === undefined ? left : new Set(on);
  }
}

function labelsIn(modifier: SyntaxNode | null, text: string): string[] {
  const names = modifier?.getChild("GroupingLabels")?.getChildren("LabelName") ?? [];
  return names.map((name) => source(name, text));
}

function source(node: SyntaxNode | null, text: string): string {
  if (node === null) throw new Error(`This check can't read ${text}`);
  return text.slice(node.from, node.to);
}
