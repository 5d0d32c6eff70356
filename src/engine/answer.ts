/** What a call gives: at once where there is nothing to wait for, else as a promise. */
export type Answer<T> = T | Promise<T>;

/** What `give` makes of an answer. */
export function answered<A, B>(answer: Answer<A>, give: (answer: A) => B): Answer<B> {
  return answer instanceof Promise ? answer.then(give) : give(answer);
}

/** A call's answer as its caller is given it. What is answered at once costs this one promise. */
export function promised<T>(call: () => Answer<T>): Promise<T> {
  try {
    return Promise.resolve(call());
  } catch (error) {
    return Promise.reject(error);
  }
}
