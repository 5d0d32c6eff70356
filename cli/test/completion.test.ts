import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { runCli } from "./run-cli.ts";

const { stdout: script } = await runCli(["completion", "bash"]);

/** What bash offers for the last of the words. */
function offered(...words: string[]): string[] {
  const ask = `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _formdb; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync("bash", ["-c", ask, "bash", "formdb", ...words], { encoding: "utf8" })
    .split("\n")
    .filter((word) => word !== "");
}

it.each([
  [["i"], ["import"]],
  [["se"], ["serve"]],
  [["import", "--re"], ["--rejects"]],
  [
    ["import", "a.json", "--format", ""],
    ["ndjson", "json", "csv", "tsv"],
  ],
  [["query", "SELECT 1", "--format", "nd"], ["ndjson"]],
  [["completion", "z"], ["zsh"]],
  [["import", "file"], []],
])("bash completes %j to %j", (words, found) => {
  expect(offered(...words)).toEqual(found);
});

it("zsh has the script through its bash emulation, fish one of its own", async () => {
  expect((await runCli(["completion", "zsh"])).stdout).toContain("bashcompinit");
  const fish = (await runCli(["completion", "fish"])).stdout;
  expect(fish).toContain("complete -c formdb -n '__fish_seen_subcommand_from import' -l rejects -d");
});

it("another shell is refused", async () => {
  const { code, stderr } = await runCli(["completion", "tcsh"]);
  expect(code).toBe(2);
  expect(stderr).toContain("Allowed choices are bash, zsh, fish");
});
