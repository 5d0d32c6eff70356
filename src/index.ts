export { FormDBError } from "./base/errors.ts";
