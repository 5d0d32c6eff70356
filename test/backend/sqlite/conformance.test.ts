import { join } from "node:path";
import { open } from "../../../src/engine/open.ts";
import { describeConformance } from "../../conformance.ts";
import { useFolder } from "../../support/hooks.ts";

const folder = useFolder();

describeConformance("SQLite in a file", () => open(`sqlite:${join(folder, "conformance.db")}`));
describeConformance("SQLite in memory", () => open("sqlite::memory:"));
