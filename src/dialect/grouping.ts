import { getOrInsert } from "../base/maps.ts";
import type { Aggregate, Field, Subject } from "../base/subject.ts";
import { type Column, type Conditions, conditionsOn, type Grouping } from "./expression-dialect.ts";

/** How an engine spells one value of a group: as a column, in an order, and as the term `T` of a condition. */
export interface GroupValue<T> {
  readonly column: Column;
  orderBy(descending: boolean): readonly string[];
  term(): T;
}

/** The same of a field that the rows are grouped by. */
export interface GroupField<T> extends GroupValue<T> {
  readonly groupBy: string;
  orderTotally(): readonly string[];
}

/** What dialects spell each in their way. */
export interface GroupSpelling<T, F extends GroupField<T>> extends Pick<Grouping, "from"> {
  /** The n-th field that is asked for, from 0; asked once for each. */
  field(field: Field, n: number): F;
  aggregate(aggregate: Aggregate, of: F | undefined): GroupValue<T>;
  readonly conditions: Conditions<T>;
}

/** A grouped SELECT by the spelling of its values. */
export function groupingOf<T, F extends GroupField<T>>(spelling: GroupSpelling<T, F>): Grouping {
  const fields = new Map<string, F>();
  const ofField = (field: Field): F =>
    getOrInsert(fields, JSON.stringify([field.type, field.path]), () => spelling.field(field, fields.size));
  const groupValue = (subject: Subject): GroupValue<T> =>
    subject.type === "aggregate"
      ? spelling.aggregate(subject, subject.of && ofField(subject.of))
      : ofField(subject);
  return {
    from: spelling.from,
    groupBy: (field) => [ofField(field).groupBy],
    column: (subject) => groupValue(subject).column,
    orderBy: (subject, descending) => groupValue(subject).orderBy(descending),
    orderTotally: (field) => ofField(field).orderTotally(),
    conditions: conditionsOn(spelling.conditions, (subject) => groupValue(subject).term()),
  };
}
