import { checkCollectionName } from "../../base/collection-name.ts";

/** The paths of the HTTP API. */
export function collectionPath(collection: string): string {
  return `/v1/collections/${encodeURIComponent(checkCollectionName(collection))}`;
}

export function documentsPath(collection: string): string {
  return `${collectionPath(collection)}/documents`;
}

export function documentPath(collection: string, id: string): string {
  return `${documentsPath(collection)}/${encodeURIComponent(id)}`;
}
