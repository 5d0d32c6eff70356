export type { Journal, JournalGroup, JournalOperation } from "../base/journal.ts";
