// A thread that polls until another has stored something, in several ways, and does something in each turn.

export type Poll = 'wait' | 'sleep' | 'waitAsync' | 'race' | 'timers' | 'interval' | 'recursion'
export type Work = 'nothing' | 'counts' | 'counts in a field' | 'pushes' | 'adds' | 'piles up' | 'looks'

export interface PollState {
  readonly cells: Int32Array
  /** What the thread that polls has found. */
  told: string
}

const sleep = (time: number) => new Promise<void>((resolve) => setTimeout(resolve, time))

/** A thread that gives up after `most` turns besides, and so is never again as it was; 0 for one that does not. */
export function make(poll: Poll, work: Work, most: number) {
  const polling = (state: PollState): unknown => {
    const { cells } = state
    const list: number[] = []
    const field = { count: 0 }
    let resolveOld: () => void = () => undefined
    const old = new Promise<void>((resolve) => {
      resolveOld = resolve
    })
    let count = 0
    let turns = 0
    const isOver = (): boolean => {
      if (Atomics.load(cells, 0) !== 0) return true
      if (most > 0 && ++turns > most) throw new Error('too many turns')
      if (work === 'counts') return ++count > 3
      if (work === 'counts in a field') field.count++
      else if (work === 'pushes') return list.push(1) > 2
      else if (work === 'adds') Atomics.add(cells, 1, 1)
      else if (work === 'piles up') void old.then(() => count++)
      else if (work === 'looks' && Atomics.load(cells, 1) === 2) return true
      return false
    }
    const end = (): void => {
      if (work === 'piles up') resolveOld()
      const tell = (): void => {
        state.told = [count, field.count, list.length].join()
      }
      if (work === 'piles up') void old.then(tell)
      else tell()
    }
    switch (poll) {
      case 'wait':
        while (!isOver()) Atomics.wait(cells, 0, 0, 5)
        return end()
      case 'sleep':
        return (async () => {
          while (!isOver()) await sleep(5)
          end()
        })()
      case 'waitAsync':
        return (async () => {
          while (!isOver()) await Atomics.waitAsync(cells, 0, 0, 5).value
          end()
        })()
      case 'race':
        return (async () => {
          while (!isOver()) await Promise.race([sleep(5), sleep(9)])
          end()
        })()
      case 'timers':
        return new Promise<void>((resolve, reject) => {
          const again = (): void => {
            try {
              if (!isOver()) return void setTimeout(again, 5)
              end()
              resolve()
            } catch (error) {
              reject(error as Error)
            }
          }
          again()
        })
      case 'interval':
        return new Promise<void>((resolve, reject) => {
          const timer = setInterval(() => {
            try {
              if (!isOver()) return
              clearInterval(timer)
              end()
              resolve()
            } catch (error) {
              clearInterval(timer)
              reject(error as Error)
            }
          }, 5)
        })
      case 'recursion': {
        const again = async (): Promise<number> => {
          if (isOver()) return 0
          await sleep(5)
          return work === 'counts' ? 1 + (await again()) : again()
        }
        return again().then((depth) => {
          count += depth
          end()
        })
      }
    }
  }
  return {
    setup: (): PollState => ({ cells: new Int32Array(new SharedArrayBuffer(8)), told: '' }),
    threads: [
      polling,
      ({ cells }: PollState) => {
        if (work === 'looks') Atomics.store(cells, 1, 2)
        if (work === 'adds') Atomics.store(cells, 1, Atomics.load(cells, 1) * 16)
        Atomics.store(cells, 0, 1)
        Atomics.notify(cells, 0)
      },
    ],
  }
}
