import { readFileSync, writeFileSync } from "node:fs";

/**
 * Adds to a lock file the platform packages that an optional dependency names and that `npm install` left out, as it
 * does where it can't see them. `npm ci` refuses a lock file without them. Usage: node scripts/complete-lock-file.ts
 * package-lock.json
 */
interface LockedPackage {
  version: string;
  dev?: boolean;
  optional?: boolean;
  cpu?: string[];
  os?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

const CPUS = ["x64", "arm64", "arm", "ia32", "ppc64", "riscv64", "s390x", "loong64", "wasm32"];
const SYSTEMS = ["linux", "darwin", "win32", "android", "freebsd", "openharmony", "sunos", "aix"];

function entryFor(name: string, version: string, dev: boolean): LockedPackage {
  const words = name.split(/[/-]/);
  const cpu = CPUS.filter((word) => words.includes(word));
  const os = SYSTEMS.filter((word) => words.includes(word));
  const libc = words.some((word) => word.startsWith("musl"))
    ? ["musl"]
    : words.some((word) => word.startsWith("gnu"))
      ? ["glibc"]
      : [];
  return {
    version: version.replace(/^[~^=]/, ""),
    ...(cpu.length > 0 ? { cpu } : {}),
    ...(dev ? { dev } : {}),
    ...(libc.length > 0 ? { libc } : {}),
    optional: true,
    ...(os.length > 0 ? { os } : {}),
  };
}

for (const file of process.argv.slice(2)) {
  const lock = JSON.parse(readFileSync(file, "utf8")) as { packages: Record<string, LockedPackage> };
  const { packages } = lock;
  for (const [path, parent] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
      const [nested, top] = [`${path}/node_modules/${name}`, `node_modules/${name}`];
      if (packages[nested] === undefined && packages[top] === undefined) {
        packages[top] = entryFor(name, version, parent.dev === true);
        console.log(`${file}: ${name} ${version}`);
      }
    }
  }
  lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(file, `${JSON.stringify(lock, undefined, 2)}\n`);
}
