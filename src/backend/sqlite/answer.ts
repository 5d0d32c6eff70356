import type { SqliteSession } from "./session.ts";
import type { RequestKind, RequestOf, SessionRequest, SessionResults } from "./session-protocol.ts";

/** Answers one request to a session, on whichever thread the session lives. */
export function answer<K extends RequestKind>(
  session: SqliteSession,
  request: RequestOf<K>,
): SessionResults[K] {
  return answerAny(session, request) as SessionResults[K];
}

function answerAny(session: SqliteSession, request: SessionRequest): SessionResults[RequestKind] {
  switch (request.do) {
    case "bootstrap":
      return session.bootstrap(request.texts);
    case "execute": {
      const start = performance.now();
      const result = session.execute(request);
      return Object.assign(result, { ms: performance.now() - start });
    }
    case "openStream":
      return session.openStream(request.text, request.values);
    case "readStream":
      return session.readStream(request.stream);
    case "closeStream":
      return session.closeStream(request.stream);
    case "write":
      return session.write(request.group, request.inTransaction);
    case "getMany":
      return session.getMany(request.collection, request.ids);
    case "lookUpToken":
      return session.lookUpToken(request.token);
    case "pruneTokens":
      return session.pruneTokens(request.before);
    case "begin":
      return session.begin();
    case "commit":
      return session.commit();
    case "rollback":
      return session.rollback();
    case "close":
      return session.close();
    default:
      return request satisfies never;
  }
}
