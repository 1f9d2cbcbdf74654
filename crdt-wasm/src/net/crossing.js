// What crosses with every keystroke between the browser and the module, in one call each: a call of
// its own for every property takes longer than the merge.

/** Adds a replacement to the list of what a merge changed; makes the list when there is none. */
export function withChange(list, position, deleted, inserted) {
  const change = { position, deleted, inserted };
  if (list === undefined) return [change];
  list.push(change);
  return list;
}

/** The bytes of a message, or `undefined` of one that is text. */
export function bytesOf(event) {
  const { data } = event;
  return data instanceof ArrayBuffer ? new Uint8Array(data) : undefined;
}
