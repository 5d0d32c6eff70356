import { afterEach, expect, it, vi } from "vitest";
import { painterOf } from "../../src/print/colours.ts";
import { printTable } from "../../src/print/table.ts";
import { runCli } from "../run-cli.ts";
import { printed } from "./printed.ts";

const TERMINAL = { isTTY: true, hasColors: () => true, on() {} } as unknown as NodeJS.WriteStream;
const RED = "\u001b[31m";

afterEach(() => vi.unstubAllEnvs());

it.each([
  ["a terminal with colours", TERMINAL, {}, true],
  ["a terminal without colours", { ...TERMINAL, hasColors: () => false }, {}, false],
  ["a file", { ...TERMINAL, isTTY: false }, {}, false],
  ["NO_COLOR", TERMINAL, { NO_COLOR: "1" }, false],
  ["an empty NO_COLOR, which says nothing", TERMINAL, { NO_COLOR: "" }, true],
  ["FORCE_COLOR", { ...TERMINAL, isTTY: false }, { FORCE_COLOR: "1" }, true],
  ["FORCE_COLOR=0", TERMINAL, { FORCE_COLOR: "0" }, false],
] as const)("%s", (_name, stream, env, isPainted) => {
  vi.stubEnv("NO_COLOR", undefined);
  vi.stubEnv("FORCE_COLOR", undefined);
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const painted = painterOf(stream as typeof TERMINAL)("red", "text");
  expect(painted.includes(RED)).toBe(isPainted);
});

it("a table's head is bold, and its columns stay as wide", async () => {
  vi.stubEnv("NO_COLOR", undefined);
  vi.stubEnv("FORCE_COLOR", undefined);
  const drawn = async (hasColors: boolean): Promise<string> => {
    const terminal = { isTTY: true, hasColors: () => hasColors };
    return (await printed((output) => printTable([{ name: "Ada", n: 1 }], output, 40), terminal)).text;
  };
  const painted = await drawn(true);
  expect(painted).toContain("\u001b[1mname\u001b[22m");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the colours
  expect(painted.replaceAll(/\u001b\[\d+m/g, "")).toBe(await drawn(false));
});

it("errors are red where colours are asked for, and --no-color is obeyed", async () => {
  const args = ["query", "SELECT", "--db", "sqlite::memory:"];
  const env = { FORCE_COLOR: "1", NO_COLOR: "" };
  expect((await runCli(args, { env })).stderr).toContain(`${RED}formdb:`);
  expect((await runCli([...args, "--no-color"], { env })).stderr).toMatch(/^formdb: /);
});
