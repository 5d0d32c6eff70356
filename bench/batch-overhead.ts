import { encodeDocument } from "../src/base/document.ts";
import { BatchProcessor } from "../src/batch/batch-processor.ts";
import { compare } from "./harness/compare.ts";
import { report, tabulate } from "./harness/report.ts";

// What the processor costs beside JSON.stringify: the sink does nothing.
const COUNT = 10_000;
const documents = Array.from({ length: COUNT }, (_, i) => ({
  id: `user-${String(i).padStart(8, "0")}`,
  name: `Person ${i}`,
  age: i % 90,
  tags: ["a", "b"],
  address: { city: "Kraków", street: `Long Street ${i}` },
}));
const sink = async (): Promise<void> => {};
const processor = new BatchProcessor(sink, { maxQueued: 100_000 });
let length = 0;

const measured = await compare([
  {
    name: "submitAll, groups of 1 000",
    operations: COUNT,
    run: async () => {
      await processor.submitAll("insert", "users", documents, { maxBatchSize: 1_000 });
    },
  },
  {
    name: "submit, awaited together",
    operations: COUNT,
    run: async () => {
      await Promise.all(
        documents.map((document) => processor.submit("insert", "users", undefined, document)),
      );
    },
  },
  {
    name: "JSON.stringify alone",
    operations: COUNT,
    run: () => {
      for (const document of documents) length += JSON.stringify(document).length;
    },
  },
  {
    name: "checked encoding alone",
    operations: COUNT,
    run: () => {
      for (const document of documents) length += encodeDocument(document).length;
    },
  },
]);
report("Batch: operations into a sink that does nothing", measured);
const stringify = measured[2]!.perSecond;
tabulate(
  "What it costs beside JSON.stringify",
  ["", "µs an operation"],
  measured.slice(0, 2).map(({ name, perSecond }) => [name, (1e6 / perSecond - 1e6 / stringify).toFixed(2)]),
);
if (length === 0) throw new Error("nothing was encoded");
