// Operations, cut into the steps in which a history is played.

/** An operation, as docs/operations.md has it: an insertion, a deletion, or a deletion backwards. */
type Operation = ["i", number, string] | ["d" | "b", number, number];

type Id = [agent: string, seq: number];

/** Events of one agent that follow each other. */
export interface Txn {
  agent: string;
  seq: number;
  parents: Id[];
  ops: Operation[];
}

/** A few events of one agent: one step of the slider. */
export type Step = Txn;

/** There are about so many steps at most: more cannot be told apart on a slider. */
const MOST_STEPS = 20_000;

/** The steps of the operations, and of those that come after them. Each is as large as the others. */
export function stepsOf(first: readonly Txn[], rest: readonly Txn[]): [Step[], Step[]] {
  const events = [...first, ...rest].reduce((all, { ops }) => all + lengthOf(ops), 0);
  const size = Math.max(1, Math.ceil(events / MOST_STEPS));
  return [cut(first, size), cut(rest, size)];
}

function lengthOf(ops: readonly Operation[]): number {
  return ops.reduce((all, operation) => all + eventsOf(operation), 0);
}

function eventsOf(operation: Operation): number {
  if (operation[0] !== "i") return operation[2];
  let count = 0;
  for (const _ of operation[2]) count += 1;
  return count;
}

function cut(txns: readonly Txn[], size: number): Step[] {
  return txns.flatMap(({ agent, seq, parents, ops }) => {
    const steps: Step[] = [];
    let [at, before, room] = [seq, parents, 0];
    for (const piece of ops.flatMap((operation) => pieces(operation, size))) {
      const events = eventsOf(piece);
      const last = steps.at(-1);
      if (last !== undefined && events <= room) {
        last.ops.push(piece);
        room -= events;
      } else {
        steps.push({ agent, seq: at, parents: before, ops: [piece] });
        room = size - events;
      }
      at += events;
      before = [[agent, at - 1]];
    }
    return steps;
  });
}

/** A long insertion as several ones; deletions are left whole. */
function pieces(operation: Operation, size: number): Operation[] {
  if (operation[0] !== "i") return [operation];
  const [, position, text] = operation;
  const characters = Array.from(text);
  const cuts: Operation[] = [];
  for (let from = 0; from < characters.length; from += size) {
    cuts.push(["i", position + from, characters.slice(from, from + size).join("")]);
  }
  return cuts;
}
