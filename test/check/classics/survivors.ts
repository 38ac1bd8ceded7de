// Mutants of the examples that survive, with the reason.
//
// A test that a mutant passes tells nothing of it where the mutant is the same for everybody who uses the algorithm
// ('same'). Some are right but slower, or no longer lock-free ('slower'): the checker takes a loop that changes nothing
// for one that waits. Of some it is not known whether longer programs would find them ('open').

import type { Mutant } from './mutate.ts'

export interface Survivor extends Pick<Mutant, 'operator' | 'before' | 'after'> {
  readonly name: string
  readonly kind: 'same' | 'slower' | 'open'
  readonly reason: string
}

type Row = readonly [Mutant['operator'], before: string, after: string, Survivor['kind'], reason: string]

const rows: Readonly<Record<string, readonly Row[]>> = {
  bakery: [
    [
      'access made plain',
      'Atomics.load(this.#numbers, me)',
      'this.#numbers[me]',
      'same',
      'nobody else writes the number of a thread',
    ],
    ['condition weakened', 'other < me', 'other <= me', 'same', 'the other is never the thread itself'],
  ],
  barrier: [
    [
      'access made plain',
      'Atomics.store(this.cells, COUNT, this.threads)',
      '(this.cells[COUNT] = this.threads)',
      'same',
      'who counts next has read the flag, which is stored after it',
    ],
  ],
  'bounded-channel': [
    [
      'neighbours swapped',
      'this.#values[this.#values[0]!] = value this.signal(NOT_EMPTY)',
      'this.signal(NOT_EMPTY);',
      'same',
      'both are done under the lock',
    ],
    [
      'neighbours swapped',
      'this.signal(NOT_EMPTY) this.unlock()',
      'this.unlock();',
      'same',
      'a signal may come after the lock is given back',
    ],
    [
      'neighbours swapped',
      'this.#values[0]!-- this.signal(NOT_FULL)',
      'this.signal(NOT_FULL);',
      'same',
      'both are done under the lock',
    ],
    [
      'neighbours swapped',
      'this.signal(NOT_FULL) this.unlock()',
      'this.unlock();',
      'same',
      'a signal may come after the lock is given back',
    ],
    [
      'access made plain',
      'Atomics.load(this.cells, condition)',
      'this.cells[condition]',
      'same',
      'signals are counted under the lock',
    ],
    [
      'operation taken apart',
      'Atomics.add(this.cells, condition, 1)',
      '((value) => updateApart(this.cells, condition, (old) => old + value))(1)',
      'same',
      'signals are counted under the lock',
    ],
  ],
  'chase-lev-deque': [
    [
      'access made plain',
      'Atomics.load(cells, BOTTOM)',
      'cells[BOTTOM]',
      'same',
      'only the owner, who reads it here, writes the bottom',
    ],
    [
      'access made plain',
      'Atomics.load(cells, LOG)',
      'cells[LOG]',
      'same',
      'only the owner, who reads it here, writes the size',
    ],
    [
      'condition weakened',
      'at < bottom',
      'at <= bottom',
      'same',
      'one place more is copied, which is written next',
    ],
    [
      'access made plain',
      'Atomics.store(cells, place(log, at), Atomics.load(cells, place(log - 1, at)))',
      '(cells[place(log, at)] = Atomics.load(cells, place(log - 1, at)))',
      'same',
      'thieves find the new array by its size, which is stored after it',
    ],
    [
      'access made plain',
      'Atomics.load(cells, place(log - 1, at))',
      'cells[place(log - 1, at)]',
      'same',
      'only the owner writes what is in the arrays',
    ],
    [
      'access made plain',
      'Atomics.load(cells, place(Atomics.load(cells, LOG), bottom))',
      'cells[place(Atomics.load(cells, LOG), bottom)]',
      'same',
      'only the owner writes what is in the arrays',
    ],
    [
      'access made plain',
      'Atomics.load(this.cells, BOTTOM)',
      'this.cells[BOTTOM]',
      'same',
      'only the owner, who reads it here, writes the bottom',
    ],
  ],
  dekker: [
    [
      'neighbours swapped',
      'Atomics.store(this.cells, TURN, 1 - me) Atomics.store(this.cells, me, 0)',
      'Atomics.store(this.cells, me, 0);',
      'same',
      'the turn only says who gives way where both want to enter, and is set in time for that either way',
    ],
  ],
  'futex-mutex': [
    [
      'condition negated',
      'seen === 2 || Atomics.compareExchange(this.cells, WORD, 1, 2) !== 0',
      '!(seen === 2 || Atomics.compareExchange(this.cells, WORD, 1, 2) !== 0)',
      'slower',
      'it spins where it should sleep',
    ],
    [
      'condition weakened',
      'seen === 2 || Atomics.compareExchange(this.cells, WORD, 1, 2) !== 0',
      'seen === 2',
      'slower',
      'it spins where it should sleep',
    ],
    [
      'condition weakened',
      'seen === 2 || Atomics.compareExchange(this.cells, WORD, 1, 2) !== 0',
      'Atomics.compareExchange(this.cells, WORD, 1, 2) !== 0',
      'same',
      'where it has seen 2, the swap only fails',
    ],
    [
      'statement dropped',
      'Atomics.wait(this.cells, WORD, 2)',
      ';',
      'slower',
      'it spins where it should sleep',
    ],
    [
      'condition negated',
      'seen !== 2',
      '!(seen !== 2)',
      'same',
      'the word is exchanged in the first turn of the loop',
    ],
    [
      'statement dropped',
      'seen = Atomics.exchange(this.cells, WORD, 2)',
      ';',
      'same',
      'the word is exchanged in the first turn of the loop',
    ],
  ],
  'lamport-queue': [
    [
      'access made plain',
      'Atomics.load(this.indices, TAIL)',
      'this.indices[TAIL]',
      'same',
      'only the producer, who reads it here, writes the tail',
    ],
    [
      'access made plain',
      'Atomics.load(this.indices, HEAD)',
      'this.indices[HEAD]',
      'same',
      'only the consumer, who reads it here, writes the head',
    ],
  ],
  'michael-scott-queue': [
    [
      'neighbours swapped',
      'Atomics.store(cells, VALUE + node, value) // E2 Atomics.store(cells, NEXT + node, changed(Atomics.load(cells, NEXT + node), 0))',
      'Atomics.store(cells, NEXT + node, changed(Atomics.load(cells, NEXT + node), 0));',
      'same',
      'the node is not in the queue yet',
    ],
    [
      'access made plain',
      'Atomics.load(cells, NEXT + node)',
      'cells[NEXT + node]',
      'same',
      'nobody else writes to a node that is not in the queue: the counts differ',
    ],
    [
      'statement dropped',
      'Atomics.compareExchange(cells, TAIL, tail, changed(tail, nodeOf(next)))',
      ';',
      'slower',
      'it waits for whoever has put the last node in, and is no longer lock-free',
    ],
    [
      'operation taken apart',
      'Atomics.compareExchange(cells, TAIL, tail, changed(tail, nodeOf(next)))',
      'casApart(cells, TAIL, tail, changed(tail, nodeOf(next)))',
      'open',
      'the tail can fall back; it does harm only where the node that it falls back to is in use again, for which longer programs are needed',
    ],
    [
      'statement dropped',
      'Atomics.compareExchange(cells, TAIL, tail, changed(tail, node))',
      ';',
      'same',
      'whoever comes next moves the tail on',
    ],
    [
      'statement dropped',
      'this.help(tail, next)',
      ';',
      'slower',
      'it waits for whoever has put the last node in, and is no longer lock-free',
    ],
    [
      'condition negated',
      'this.waitsForTail',
      '!(this.waitsForTail)',
      'same',
      'the tail has been moved on, by this thread or by another, before the node is taken',
    ],
    [
      'statement dropped',
      'Atomics.compareExchange(this.cells, TAIL, tail, changed(tail, next))',
      ';',
      'slower',
      'it waits for whoever has put the last node in, and is no longer lock-free',
    ],
    [
      'operation taken apart',
      'Atomics.compareExchange(this.cells, TAIL, tail, changed(tail, next))',
      'casApart(this.cells, TAIL, tail, changed(tail, next))',
      'open',
      'the tail can fall back; it does harm only where the node that it falls back to is in use again, for which longer programs are needed',
    ],
  ],
  rcu: [
    [
      'access made plain',
      'Atomics.load(this.cells, CURRENT)',
      'this.cells[CURRENT]',
      'same',
      'only the updater, who reads it here, writes it',
    ],
    [
      'statement dropped',
      'this.#nodes[old] = 0',
      ';',
      'same',
      'it only makes a reader that comes too late easier to see; the next update writes there, too',
    ],
    [
      'access made plain',
      'Atomics.load(this.cells, PHASE)',
      'this.cells[PHASE]',
      'same',
      'only the updater, who reads it here, writes the phase',
    ],
    [
      'statement dropped',
      'Atomics.store(this.cells, PHASE, phase)',
      ';',
      'slower',
      'it waits until no reader is inside, and so for those that come later, too',
    ],
    [
      'condition weakened',
      'its !== 0 && its !== phase',
      'its !== 0',
      'slower',
      'it waits until no reader is inside, and so for those that come later, too',
    ],
  ],
  'reader-writer-lock': [
    [
      'statement dropped',
      'Atomics.wait(this.cells, WORD, WRITER)',
      ';',
      'slower',
      'it spins where it should sleep',
    ],
    [
      'statement dropped',
      'Atomics.wait(this.cells, WORD, seen)',
      ';',
      'slower',
      'it spins where it should sleep',
    ],
  ],
  seqlock: [
    [
      'neighbours swapped',
      'cells[LEFT] = value cells[RIGHT] = value',
      'cells[RIGHT] = value;',
      'same',
      'a reader takes neither before both are there',
    ],
  ],
  'vyukov-queue': [
    [
      'access made plain',
      'Atomics.load(cells, VALUES + slot)',
      'cells[VALUES + slot]',
      'same',
      'the turn of the slot orders it',
    ],
    [
      'access made plain',
      'Atomics.store(cells, VALUES + slot, value)',
      '(cells[VALUES + slot] = value)',
      'same',
      'the turn of the slot orders it',
    ],
  ],
}

export const survivors: readonly Survivor[] = Object.entries(rows).flatMap(([name, its]) =>
  its.map(([operator, before, after, kind, reason]) => ({ name, operator, before, after, kind, reason })),
)
