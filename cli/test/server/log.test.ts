import type { FastifyBaseLogger } from "fastify";
import { expect, it } from "vitest";
import { harmless } from "../../src/server/log.ts";

it("a logger that can't write, as on a full disk, fails no request", () => {
  const told: unknown[] = [];
  const logger = {
    error: (...entry: unknown[]) => {
      told.push(entry);
      throw new Error("ENOSPC: no space left on device, write");
    },
  } as unknown as FastifyBaseLogger;
  harmless(logger).error({ reqId: "1" }, "a request failed");
  expect(told).toEqual([[{ reqId: "1" }, "a request failed"]]);
});
