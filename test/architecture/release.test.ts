import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string): string => readFileSync(`${root}${path}`, "utf8");
const { version } = JSON.parse(read("package.json")) as { version: string };

function releaseCheck(tag: string): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, ["scripts/release-check.mjs", tag], { cwd: root, encoding: "utf8" });
}

describe("a release", () => {
  it("has one version in the tag, both packages and the dependency between them", () => {
    // The CHANGELOG's heading comes with the release.
    expect(releaseCheck(`v${version}`).stderr).not.toContain("must be one version");
    expect(releaseCheck("v99.0.0").stderr).toContain("must be one version");
    expect(releaseCheck(version).status).toBe(1);
  });

  it("is published by a workflow that checks, holds no token and signs where it comes from", () => {
    const workflow = parse(read(".github/workflows/publish.yml")) as {
      on: { release: { types: string[] } };
      permissions: Record<string, string>;
      jobs: { publish: { steps: { run?: string }[] } };
    };
    expect(workflow.on.release.types).toEqual(["published"]);
    expect(workflow.permissions).toEqual({ contents: "read", "id-token": "write" });
    const commands = workflow.jobs.publish.steps.map(({ run = "" }) => run);
    const place = (text: string): number => commands.findIndex((command) => command.includes(text));
    expect(place("release-check")).toBeGreaterThan(-1);
    expect(place(".ci/run")).toBeGreaterThan(place("release-check"));
    const publishes = commands.filter((command) => command.startsWith("npm publish"));
    expect(publishes).toHaveLength(2);
    expect(publishes.every((command) => command.includes("--provenance"))).toBe(true);
    expect(place("npm publish")).toBeGreaterThan(place(".ci/run"));
    expect(read(".github/workflows/publish.yml")).not.toMatch(/secrets\.|NODE_AUTH_TOKEN|NPM_TOKEN/);
  });
});
