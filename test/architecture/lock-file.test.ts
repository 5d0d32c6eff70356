import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const files = ["package-lock.json", "bench/package-lock.json", "tools/package-lock.json"];

it.each(files)(
  "%s names the optional packages of every platform, without which npm ci refuses it",
  (file) => {
    const text = readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), "utf8");
    const { packages } = JSON.parse(text) as {
      packages: Record<
        string,
        { optionalDependencies?: Record<string, string>; resolved?: string; link?: true }
      >;
    };
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) =>
          packages[`${path}/node_modules/${name}`] === undefined &&
          packages[`node_modules/${name}`] === undefined,
      ),
    );
    expect(missing).toEqual([]);
    // Only the packages of this repository, which are linked, say where they are.
    const located = Object.entries(packages).filter(
      ([, { resolved, link }]) => resolved !== undefined && !link,
    );
    expect(located).toEqual([]);
  },
);
