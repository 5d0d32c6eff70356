/** A sample as it was read: `name{labels} value [# {labels} value [time]]`. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly exemplar: Sample | undefined;
}

export interface ParsedFamily {
  readonly name: string;
  type: string | undefined;
  help: string | undefined;
  unit: string | undefined;
  readonly samples: Sample[];
}

const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: ["_total", "_created"],
  gauge: [""],
  histogram: ["_bucket", "_sum", "_count", "_created"],
};

/**
 * Reads exposition text as strictly as the formats are written: by the grammar of OpenMetrics 1.0, or by that
 * of text 0.0.4, and with what must hold beyond the grammar: metadata before samples, families in one piece, no
 * series twice, buckets ascending and never falling, `+Inf` equal to `_count`, units as suffixes, exemplars
 * only where they may be and within their bucket, `# EOF` at the end and nowhere else. Throws on anything else.
 */
export function parseExposition(
  text: string,
  format: "prometheus" | "openmetrics",
): Map<string, ParsedFamily> {
  const openMetrics = format === "openmetrics";
  if (!text.endsWith("\n")) throw new Error("The last line must end in a line feed");
  const lines = text.slice(0, -1).split("\n");
  if (openMetrics && lines.pop() !== "# EOF") throw new Error("OpenMetrics must end in # EOF");
  const families = new Map<string, ParsedFamily>();
  let current: ParsedFamily | undefined;
  for (const line of lines) {
    if (line.startsWith("#")) {
      const meta = /^# (HELP|TYPE|UNIT) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/s.exec(line);
      if (meta === null) throw new Error(`Not a metadata line: ${JSON.stringify(line)}`);
      const [, kind, name, rest] = meta as unknown as [string, string, string, string];
      if (current?.name !== name) {
        if (families.has(name)) throw new Error(`${name} is not in one piece`);
        current = { name, type: undefined, help: undefined, unit: undefined, samples: [] };
        families.set(name, current);
      }
      if (current.samples.length > 0) throw new Error(`Metadata of ${name} after its samples`);
      readMeta(current, kind, rest, openMetrics);
      continue;
    }
    if (current?.type === undefined) throw new Error(`No TYPE before ${JSON.stringify(line)}`);
    const sample = readSample(line, openMetrics);
    checkName(current, sample.name, openMetrics);
    current.samples.push(sample);
  }
  for (const family of families.values()) checkFamily(family, openMetrics);
  return families;
}

function readMeta(family: ParsedFamily, kind: string, rest: string, openMetrics: boolean): void {
  if (kind === "TYPE") {
    if (family.type !== undefined) throw new Error(`Two TYPE lines for ${family.name}`);
    if (!Object.hasOwn(SUFFIXES, rest)) throw new Error(`No such type: ${rest}`);
    family.type = rest;
  } else if (kind === "HELP") {
    if (family.help !== undefined) throw new Error(`Two HELP lines for ${family.name}`);
    family.help = unescaped(rest, openMetrics ? '"' : "");
    if (openMetrics && /(?<!\\)(?:\\\\)*"/.test(rest)) throw new Error(`A bare quote in HELP: ${rest}`);
  } else {
    if (!openMetrics) throw new Error("UNIT is of OpenMetrics only");
    if (family.unit !== undefined) throw new Error(`Two UNIT lines for ${family.name}`);
    if (!family.name.endsWith(`_${rest}`)) throw new Error(`${family.name} does not end in its unit ${rest}`);
    family.unit = rest;
  }
}

function unescaped(text: string, alsoEscaped: string): string {
  return text.replace(/\\(.?)/gs, (_, character: string) => {
    if (character === "\\") return "\\";
    if (character === "n") return "\n";
    if (character !== "" && alsoEscaped.includes(character)) return character;
    throw new Error(`A bad escape in ${JSON.stringify(text)}`);
  });
}

const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;

function readNumber(text: string): number {
  if (text === "+Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  if (text === "NaN") return Number.NaN;
  if (!NUMBER.test(text)) throw new Error(`Not a number: ${JSON.stringify(text)}`);
  return Number(text);
}

const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|\})/y;

function readLabels(text: string, from: number): { labels: Record<string, string>; end: number } {
  const labels: Record<string, string> = {};
  let at = from;
  if (text[at] === "}") return { labels, end: at + 1 };
  for (;;) {
    LABEL.lastIndex = at;
    const match = LABEL.exec(text);
    if (match === null) throw new Error(`Bad labels at ${at} of ${JSON.stringify(text)}`);
    const [all, name, value, next] = match as unknown as [string, string, string, string];
    if (Object.hasOwn(labels, name)) throw new Error(`The label ${name} twice in ${JSON.stringify(text)}`);
    labels[name] = unescaped(value, '"');
    at += all.length;
    if (next === "}") return { labels, end: at };
  }
}

function readSample(line: string, openMetrics: boolean): Sample {
  const name = /^[a-zA-Z_:][a-zA-Z0-9_:]*/.exec(line)?.[0];
  if (name === undefined) throw new Error(`Not a sample: ${JSON.stringify(line)}`);
  let at = name.length;
  let labels: Record<string, string> = {};
  if (line[at] === "{") ({ labels, end: at } = readLabels(line, at + 1));
  if (line[at] !== " ") throw new Error(`No space before the value of ${JSON.stringify(line)}`);
  const rest = line.slice(at + 1);
  const hash = rest.indexOf(" # ");
  if (hash === -1) return { name, labels, value: readNumber(rest), exemplar: undefined };
  if (!openMetrics) throw new Error(`An exemplar in text 0.0.4: ${JSON.stringify(line)}`);
  const exemplarText = rest.slice(hash + 3);
  if (exemplarText[0] !== "{") throw new Error(`Not an exemplar: ${JSON.stringify(line)}`);
  const exemplar = readLabels(exemplarText, 1);
  const [empty, value, time, ...more] = exemplarText.slice(exemplar.end).split(" ");
  if (empty !== "" || value === undefined || more.length > 0) throw new Error(`Not an exemplar: ${line}`);
  if (time !== undefined && !Number.isFinite(readNumber(time))) throw new Error(`Not a time: ${line}`);
  const characters = [...Object.entries(exemplar.labels).flat().join("")].length;
  if (characters > 128) throw new Error(`An exemplar of ${characters} characters`);
  return {
    name,
    labels,
    value: readNumber(rest.slice(0, hash)),
    exemplar: { name: "", labels: exemplar.labels, value: readNumber(value), exemplar: undefined },
  };
}

function checkName(family: ParsedFamily, name: string, openMetrics: boolean): void {
  const suffixes = SUFFIXES[family.type!]!.filter((suffix) => openMetrics || suffix !== "_created");
  const allowed =
    !openMetrics && family.type === "counter"
      ? [family.name]
      : suffixes.map((suffix) => family.name + suffix);
  if (!allowed.includes(name)) throw new Error(`${name} is no sample of the ${family.type} ${family.name}`);
}

function checkFamily(family: ParsedFamily, openMetrics: boolean): void {
  const seen = new Set<string>();
  for (const { name, labels, value, exemplar } of family.samples) {
    const key = JSON.stringify([name, Object.entries(labels).toSorted()]);
    if (seen.has(key)) throw new Error(`The series ${key} twice`);
    seen.add(key);
    if (family.type === "counter" && !(value >= 0)) throw new Error(`${name} is ${value}`);
    if (exemplar !== undefined && !/_(bucket|total)$/.test(name)) throw new Error(`An exemplar on ${name}`);
  }
  if (family.type === "histogram") checkHistogram(family, openMetrics);
}

function checkHistogram(family: ParsedFamily, openMetrics: boolean): void {
  const sets = Map.groupBy(family.samples, ({ labels }) => {
    const { le: _, ...others } = labels;
    return JSON.stringify(Object.entries(others).toSorted());
  });
  for (const [labels, samples] of sets) {
    let bound = -Infinity;
    let count = 0;
    for (const sample of samples.filter(({ name }) => name.endsWith("_bucket"))) {
      const { le } = sample.labels;
      if (le === undefined) throw new Error(`A bucket without le: ${labels}`);
      if (openMetrics && !/[.e]|Inf/.test(le))
        throw new Error(`le must be a float in OpenMetrics, not ${le}`);
      const upper = readNumber(le);
      if (!(upper > bound)) throw new Error(`The bound ${upper} follows ${bound}`);
      if (!Number.isInteger(sample.value) || sample.value < count) {
        throw new Error(`A bucket of ${sample.value} follows one of ${count}`);
      }
      const example = sample.exemplar?.value ?? upper;
      if (example > upper || (sample.exemplar !== undefined && example <= bound)) {
        throw new Error(`The exemplar ${example} is not between ${bound} and ${upper}`);
      }
      bound = upper;
      count = sample.value;
    }
    if (bound !== Infinity) throw new Error(`No +Inf bucket: ${labels}`);
    const total = samples.find(({ name }) => name.endsWith("_count"));
    const sum = samples.find(({ name }) => name.endsWith("_sum"));
    if ((total === undefined) !== (sum === undefined)) throw new Error(`A sum without a count: ${labels}`);
    if (total === undefined && !openMetrics) throw new Error(`No _count: ${labels}`);
    if (total !== undefined && total.value !== count) {
      throw new Error(`_count is ${total.value}, the +Inf bucket ${count}`);
    }
  }
}
