import { FormDBError } from "../base/errors.ts";
import { didYouMean } from "../base/nearest.ts";
import { show } from "../base/options.ts";
import type { Operand } from "../query/syntax-tree.ts";
import type { Parameters } from "./plan.ts";

/** What parameters a statement takes: so many by position, or those by name. */
export interface ParameterSignature {
  readonly positions: number;
  readonly names: ReadonlySet<string>;
}

/**
 * Refuses parameters that a statement does not take, or too few of them. Throws `FORMDB_PARAMETER_MISMATCH`.
 */
export function checkParameters({ positions, names }: ParameterSignature, parameters: Parameters): void {
  if (isPositional(parameters)) {
    if (parameters.length === positions && names.size === 0) return;
    if (names.size > 0) {
      throw mismatch(`The parameters must be an object with ${list(names)}, not an array`);
    }
    throw mismatch(
      positions === 0
        ? `The query takes no parameters, but was given ${parameters.length}`
        : `The query takes ${count(positions)}, but was given ${parameters.length}`,
    );
  }
  if (typeof parameters !== "object" || parameters === null) {
    throw mismatch(`The parameters must be an array or an object, not ${show(parameters)}`);
  }
  if (positions > 0) {
    throw mismatch(
      `The parameters must be an array of ${positions}, not an object: the query has them by position`,
    );
  }
  for (const name of names) {
    if (Object.hasOwn(parameters, name)) continue;
    const other = Object.keys(parameters).find((given) => !names.has(given));
    const found = other === undefined ? "" : `; :${other} was given, which the query does not have`;
    throw mismatch(`The parameter :${name} is missing${found}`, `:${name}`);
  }
  for (const name in parameters) {
    if (names.has(name) || !Object.hasOwn(parameters, name)) continue;
    throw mismatch(`The query has no parameter :${name}${didYouMean(name, names)}`, `:${name}`);
  }
}

/** The value that an operand stands for, as it was given. */
export function resolveOperand(
  operand: Operand,
  values: readonly unknown[],
  parameters: Parameters,
): unknown {
  switch (operand.type) {
    case "literal":
      return operand.value;
    case "slot":
      return values[operand.index];
    case "parameter":
      return isPositional(parameters) ? parameters[operand.index] : undefined;
    case "named":
      return isPositional(parameters) ? undefined : parameters[operand.name];
    default:
      return operand satisfies never;
  }
}

/** How a text names an operand: `$1`, `:name`. */
export function operandName(operand: Operand): string {
  switch (operand.type) {
    case "parameter":
      return `$${operand.index + 1}`;
    case "named":
      return `:${operand.name}`;
    default:
      return "A value in the query";
  }
}

/** The error for parameters that do not fit. `parameter` names the one that is meant, where it is one. */
export function mismatch(message: string, parameter?: string, cause?: unknown): FormDBError {
  return new FormDBError("FORMDB_PARAMETER_MISMATCH", message, {
    cause,
    ...(parameter === undefined ? {} : { details: { parameter } }),
  });
}

function isPositional(parameters: Parameters): parameters is readonly unknown[] {
  return Array.isArray(parameters);
}

function count(positions: number): string {
  return positions === 1 ? "1 parameter" : `${positions} parameters`;
}

function list(names: ReadonlySet<string>): string {
  return [...names].map((name) => `:${name}`).join(", ");
}
