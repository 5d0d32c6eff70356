import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const STANDARD_ERROR = 2;

/** The lines that are written to standard error's descriptor until this is disposed of, in place of it. */
export class StandardError implements Disposable {
  readonly lines: string[] = [];
  readonly #original = fs.writeSync;

  constructor() {
    const original = this.#original as (descriptor: number, ...rest: unknown[]) => number;
    this.#replace((descriptor: number, ...rest: unknown[]) => {
      if (descriptor !== STANDARD_ERROR) return original(descriptor, ...rest);
      this.lines.push(String(rest[0]).trimEnd());
      return 0;
    });
  }

  [Symbol.dispose](): void {
    this.#replace(this.#original);
  }

  #replace(writeSync: unknown): void {
    fs.writeSync = writeSync as typeof fs.writeSync;
    syncBuiltinESMExports();
  }
}
