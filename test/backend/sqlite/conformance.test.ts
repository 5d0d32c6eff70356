import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { open } from "../../../src/engine/open.ts";
import { describeConformance } from "../../conformance.ts";

const folder = mkdtempSync(join(tmpdir(), "formdb-conformance-"));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describeConformance("SQLite in a file", () => open(`sqlite:${join(folder, "conformance.db")}`));
describeConformance("SQLite in memory", () => open("sqlite::memory:"));
