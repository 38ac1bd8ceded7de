// Several threads in one address space: what one thread's call means for the accesses of another, and how threads
// come and go.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Machine, type MemoryFile } from '../../src/memory.ts'
import { Random } from '../reference/random.ts'
import { ARENA, at, type Configuration, configurations, designNames, mapAt, PAGE, until } from './support.ts'
import { everySecond, extent } from '../extent.ts'
import {
  finish,
  makeControl,
  more,
  pause,
  STATE,
  Thread,
  untilReady,
  withThreads,
  within,
} from './thread-support.ts'

for (const [row, configuration] of configurations.entries()) {
  describe(`threads: ${configuration.design}, ${configuration.rwsem}`, () => {
    const it = everySecond(row)
    it('a thread that attaches by handle sees the same memory, and each thread has a CPU of its own', async () => {
      await withThreads(configuration, async (space) => {
        mapAt(space, 0, 1)
        space.writeUint32(ARENA, 42)
        const control = makeControl()
        const [seen] = await finish(
          [new Thread(space, { scenario: 'writeOnce', control, pages: 1 })],
          control,
        )
        assert.deepEqual(seen, { before: 42, fault: 'SEGV_MAPERR' })
        assert.equal(space.readUint32(ARENA), 4711)
        const cpus = makeControl()
        const threads = [0, 1, 2].map(
          (thread) => new Thread(space, { scenario: 'whichCpu', control: cpus, thread }),
        )
        await untilReady(cpus, 3)
        const numbers = (await finish(threads, cpus)) as number[]
        assert.equal(new Set(numbers).size, 3, numbers.join(', '))
        assert.ok(numbers.every((cpu) => cpu >= 0 && cpu < 4))
      })
    })

    // The oracle is a count beside the mapping: what was stable around an access must be what the access met.
    it('after munmap returns no thread reads the old page, after mmap returns each reads the new one [mtest06, mmap1]', async () => {
      await withThreads(configuration, async (space) => {
        const control = makeControl()
        const pages = 3
        mapAt(space, 0, pages)
        for (let page = 0; page < pages; page++) space.writeUint32(at(page), page)
        const threads = [0, 1].map(
          (thread) => new Thread(space, { scenario: 'watchMapping', control, pages, thread }),
        )
        await untilReady(control, 2)
        for (let generation = 1; more(control, generation); generation++) {
          Atomics.add(control, STATE, 1)
          space.munmap(ARENA, pages * PAGE)
          Atomics.add(control, STATE, 1)
          pause(generation)
          Atomics.add(control, STATE, 1)
          mapAt(space, 0, pages)
          for (let page = 0; page < pages; page++) space.writeUint32(at(page), generation * 100 + page)
          Atomics.add(control, STATE, 1)
          pause(generation)
        }
        const results = await finish<{ wrong: string[]; mapped: number; unmapped: number }>(threads, control)
        for (const { wrong } of results) assert.deepEqual(wrong, [])
        assert.ok(results.reduce((sum, { mapped }) => sum + mapped, 0) > 0)
        assert.ok(results.reduce((sum, { unmapped }) => sum + unmapped, 0) > 0)
      })
    })

    it('two addresses that swap what they show are never both seen as before [mmap19]', async () => {
      await withThreads(configuration, async (space, machine) => {
        const files = [1, 2].map((value) =>
          machine.createFile({ size: PAGE, contents: Uint8Array.of(value) }),
        ) as [MemoryFile, MemoryFile]
        const show = (page: number, file: MemoryFile) =>
          mapAt(space, page, 1, { file, shared: true, protection: 'r' })
        show(0, files[0])
        show(1, files[1])
        const control = makeControl()
        const threads = [new Thread(space, { scenario: 'watchSwap', control })]
        await untilReady(control, 1)
        for (let round = 1; more(control, round); round++) {
          Atomics.add(control, STATE, 1)
          show(0, files[round % 2]!)
          show(1, files[1 - (round % 2)]!)
          Atomics.add(control, STATE, 1)
          pause(round)
        }
        const [result] = await finish<{ wrong: string[]; stable: number }>(threads, control)
        assert.deepEqual(result!.wrong, [])
        assert.ok(result!.stable > 0)
        space.munmap(ARENA, 2 * PAGE)
        for (const file of files) file.close()
      })
    })

    it('after mprotect returns no thread writes through its old translation, and no write that succeeded is lost', async () => {
      await withThreads(configuration, async (space) => {
        mapAt(space, 0, 3)
        const control = makeControl()
        const threads = [0, 1].map(
          (thread) => new Thread(space, { scenario: 'watchProtection', control, thread, address: at(1) }),
        )
        await untilReady(control, 2)
        for (let round = 1; more(control, round); round++) {
          Atomics.add(control, STATE, 1)
          space.mprotect(at(1), PAGE, 'r')
          Atomics.add(control, STATE, 1)
          const seen = [space.readUint32(at(1)), space.readUint32(at(1, 4))]
          pause(round)
          assert.deepEqual([space.readUint32(at(1)), space.readUint32(at(1, 4))], seen)
          Atomics.add(control, STATE, 1)
          space.mprotect(at(1), PAGE, 'rw')
          Atomics.add(control, STATE, 1)
          pause(round)
        }
        const results = await finish<{ wrong: string[]; written: number; refused: number }>(threads, control)
        for (const { wrong } of results) assert.deepEqual(wrong, [])
        assert.ok(results.reduce((sum, { written }) => sum + written, 0) > 0)
        assert.ok(results.reduce((sum, { refused }) => sum + refused, 0) > 0)
        for (const thread of [0, 1]) assert.equal(space.readUint32(at(1, 4 * thread)), control[8 + thread])
      })
    })

    it('writing a private copy while another thread gives it up never reaches the file [dirtyc0w]', async () => {
      await withThreads(configuration, async (space, machine) => {
        const pages = 4
        const contents = new Uint8Array(pages * PAGE)
        for (let page = 0; page < pages; page++)
          contents.set([page + 1, 0, 0, 0, 0, 0, 0, 0, page + 1], page * PAGE)
        const file = machine.createFile({ size: pages * PAGE, contents })
        mapAt(space, 0, pages, { file })
        const control = makeControl()
        const threads = [new Thread(space, { scenario: 'writePrivate', control, pages })]
        await untilReady(control, 1)
        for (let round = 0; more(control, round); round++) space.madvise(at(round % pages), PAGE, 'dontneed')
        const [result] = await finish<{ wrong: string[]; count: number }>(threads, control)
        assert.deepEqual(result!.wrong, [])
        assert.ok(result!.count > 0)
        assert.deepEqual(file.read(0, pages * PAGE), contents)
        space.munmap(ARENA, pages * PAGE)
        file.close()
      })
    })

    it('threads that fault the same new pages at once each keep every word, and each page is had once [mtest05, mmstress]', async () => {
      await withThreads(configuration, async (space) => {
        const pages = 16
        const rounds = 40
        mapAt(space, 0, pages * rounds)
        const control = makeControl(16 + rounds)
        control[STATE] = 3
        const threads = [0, 1, 2].map(
          (thread) => new Thread(space, { scenario: 'faultTogether', control, pages, thread }),
        )
        const results = (await within(
          Promise.all(threads.map(({ result }) => result)),
          'faulting together',
        )) as { wrong: string[] }[]
        await Promise.all(threads.map(({ exited }) => exited))
        for (const { wrong } of results) assert.deepEqual(wrong, [])
        assert.equal(space.rss.anonymous, pages * rounds)
        for (let page = 0; page < pages * rounds; page++) {
          for (let thread = 0; thread < 3; thread++) {
            assert.equal(
              space.readUint32(at(page, thread * 8)),
              Math.floor(page / pages) * 1000 + (page % pages) + 1,
            )
          }
        }
      })
    })
  })
}

describe('threads come and go', () => {
  test('one thread more than there are CPUs gets a clear error, and a CPU given back is taken again', async () => {
    const machine = Machine.create({ memory: '4MiB', cpus: 3 })
    const space = machine.createAddressSpace()
    mapAt(space, 0, 4)
    space.writeUint8(ARENA, 1) // this thread uses a CPU
    for (let repeat = 0; repeat < 3; repeat++) {
      const control = makeControl()
      const threads = [0, 1].map(
        (thread) => new Thread(space, { scenario: 'whichCpu', control, thread }, true),
      )
      await untilReady(control, 2)
      const extra = new Thread(space, { scenario: 'attachMachine', control }, true)
      await assert.rejects(within(extra.result, 'the refusal'), (error: Error) => {
        assert.match(error.message, /3/)
        assert.match(error.message, /cpus/i)
        return true
      })
      await extra.exited
      await finish(threads, control)
    }
    space.destroy()
  })

  test('a thread works on two machines at once', async () => {
    await withThreads({}, async (space) => {
      const other = Machine.create({ memory: '4MiB', cpus: 2 })
      mapAt(space, 0, 4)
      const control = makeControl()
      const [seen] = await finish(
        [new Thread(space, { scenario: 'twoMachines', control, machine: other.handle })],
        control,
      )
      assert.deepEqual(seen, [1, 1001, 2, 1002, 3, 1003, 4, 1004])
      assert.equal(other.usage().framesFree, Machine.create({ memory: '4MiB', cpus: 2 }).usage().framesFree)
    })
  })

  test('a file is mapped by handle from another thread', async () => {
    await withThreads({}, async (space, machine) => {
      const file = machine.createFile({ size: PAGE, contents: Uint8Array.of(7) })
      const control = makeControl()
      const [seen] = (await finish(
        [new Thread(space, { scenario: 'readFile', control, file: file.handle })],
        control,
      )) as [{ size: number; first: number; mapped: number }]
      assert.equal(seen.size, PAGE)
      assert.equal(seen.first, 7)
      assert.equal(file.read(8, 1)[0], 99)
      space.munmap(seen.mapped, PAGE)
      file.close()
    })
  })

  test('speculation is tried by speculative designs, by some only where there are several threads', async () => {
    for (const design of designNames) {
      const machine = Machine.create({ memory: '16MiB', cpus: 4, design })
      const space = machine.createAddressSpace()
      mapAt(space, 0, 64)
      for (let page = 0; page < 64; page++) space.writeUint8(at(page), 1)
      // The patches of 2009 to 2014 and Linux since 6.4 do not ask how many threads there are.
      const asks = design === 'classic' || /^(dufour|lespinasse)/.test(design)
      if (asks) assert.equal(machine.counters()['spf_attempt'], 0, design)
      // A try that fails late has been counted already (R36).
      const counted = machine.counters()['pgfault']!
      assert.ok(counted >= 64 && counted <= 65, `${counted} faults`)
      space.munmap(ARENA, 64 * PAGE)
      mapAt(space, 0, 128)
      const control = makeControl(16 + 8)
      control[STATE] = 2
      const threads = [0, 1].map(
        (thread) => new Thread(space, { scenario: 'faultTogether', control, pages: 16, thread }),
      )
      await within(Promise.all(threads.map(({ result }) => result)), 'faulting together')
      await Promise.all(threads.map(({ exited }) => exited))
      const attempts = machine.counters()['spf_attempt'] ?? 0
      if (design === 'classic') assert.equal(attempts, 0)
      else assert.ok(attempts > 50, `${design}: ${attempts}`)
      space.destroy()
    }
  })

  /** FAULTLINE_VICTIMS=500: for as long as one likes; `npm run faults` ends threads too. */
  const victims = Number(process.env['FAULTLINE_VICTIMS'] ?? extent(1, 2))
  const turn = Math.floor(Math.random() * 4)
  for (const [index, configuration] of configurations.entries()) {
    if ((index + turn) % extent(4, 1) !== 0) continue
    test(`a thread terminated at any moment: ${configuration.design}, ${configuration.rwsem}`, async () => {
      await outliveVictims(configuration, victims, Random.derive(7, victims))
    })
  }
})

/** Terminates threads in the middle of their work, one after another. Nobody else notices: they finish their call. */
async function outliveVictims(configuration: Configuration, count: number, random: Random): Promise<void> {
  const machine = Machine.create({ memory: '8MiB', cpus: 3, ...configuration })
  const space = machine.createAddressSpace()
  for (let victim = 0; victim < count; victim++) {
    const control = makeControl()
    const work = { control, pages: 8, thread: 1, seed: random.next() }
    const survivor = new Thread(space, { ...work, scenario: 'outlive', thread: 0 }, true)
    const doomed = new Thread(space, { ...work, scenario: 'faultForever' }, true)
    await untilReady(control, 2)
    // At a random moment of its work: counted in rounds, which take some tens of microseconds each.
    const rounds = random.below(200)
    await until(() => Atomics.load(control, STATE) >= rounds, [doomed.worker])
    await within(doomed.worker.terminate(), 'terminate()')
    const [result] = await finish<{ rounds: number }>([survivor], control)
    assert.ok(result!.rounds > 50)
    // The victim's memory is still there, and so is everything else.
    space.munmap(ARENA, 64 * PAGE)
    assert.deepEqual(space.maps(), [])
  }
}
