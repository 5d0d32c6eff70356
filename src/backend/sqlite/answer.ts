import type { SqliteSession } from "./session.ts";
import type { RequestKind, RequestOf, SessionRequest, SessionResults } from "./session-protocol.ts";
import { type Stopwatch, wallTime } from "./thread-usage.ts";

/** Answers one request to a session, on whichever thread the session lives. */
export function answer<K extends RequestKind>(
  session: SqliteSession,
  request: RequestOf<K>,
  stopwatch: Stopwatch = wallTime,
): SessionResults[K] {
  return answerAny(session, request, stopwatch) as SessionResults[K];
}

function answerAny(
  session: SqliteSession,
  request: SessionRequest,
  stopwatch: Stopwatch,
): SessionResults[RequestKind] {
  switch (request.do) {
    case "bootstrap":
      return session.bootstrap(request.texts);
    case "execute": {
      const tookMs = stopwatch();
      const result = session.execute(request);
      return Object.assign(result, { ms: tookMs() });
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
