// Jobs in the order that the language gives them: run in a thread and by the engine, see async.test.ts.

type Log = string[]

const later = <T>(value: T): Promise<T> => new Promise((resolve) => queueMicrotask(() => resolve(value)))

async function nested(log: Log, name: string): Promise<string> {
  log.push(`${name} begins`)
  await Promise.resolve()
  log.push(`${name} goes on`)
  try {
    await Promise.reject(new Error(name))
  } catch (error) {
    log.push((error as Error).message)
  } finally {
    await later(0)
    log.push(`${name} ends`)
  }
  return name
}

class Thenable {
  readonly log: Log
  constructor(log: Log) {
    this.log = log
  }
  // eslint-disable-next-line unicorn/no-thenable -- it is there to be one
  then(resolve: (value: string) => void): void {
    this.log.push('then is called')
    resolve('thenable')
  }
}

class Late extends Error {}

const throws = async (log: Log, [first = 'none', ...others]: string[]): Promise<never> => {
  log.push(`${first} and ${others.length}`)
  throw new Late(await later('late'))
}

class Holder {
  #value = 1
  async add(log: Log, ...values: number[]): Promise<number> {
    for (const each of values) {
      if (each === 0) continue
      this.#value += await later(each)
      log.push(`sum ${this.#value} of ${arguments.length}`)
    }
    return this.#value
  }
}

export async function inOrder(log: Log): Promise<void> {
  queueMicrotask(() => log.push('first job'))
  const both = [nested(log, 'a'), nested(log, 'b')]
  log.push('both have begun')
  void Promise.resolve('c').then((value) => log.push(value))
  void Promise.resolve(new Thenable(log) as unknown as PromiseLike<string>).then((value) => log.push(value))
  void Promise.resolve(Promise.resolve('inner')).then((value) => log.push(value))
  void new Promise((resolve) => resolve(Promise.resolve('wrapped'))).then((value) =>
    log.push(value as string),
  )
  log.push(String(await Promise.all([...both, 3, later('d')])))
  log.push(await Promise.race([later('slow'), Promise.resolve('fast')]))
  const settled = await Promise.allSettled([throws(log, []), later(1)])
  log.push(settled.map(({ status }) => status).join())
  log.push(await Promise.any([Promise.reject(new Error('no')), later('any')]))
  await Promise.any([Promise.reject(new Error('no')), Promise.reject(new Error('neither'))]).catch(
    (error: Error) => log.push(error.constructor.name),
  )
  log.push(String(await new Holder().add(log, 1, 0, 2)))
  const caught = await throws(log, ['x', 'y']).then(
    () => 'nothing',
    (error: unknown) => `${error instanceof Late} ${(error as Error).message}`,
  )
  log.push(caught)
  await Promise.reject(new Error('final'))
    .finally(() => log.push('finally'))
    .catch((error: Error) => log.push(error.message))
  const deferred = Promise.withResolvers<string>()
  queueMicrotask(() => deferred.resolve('resolved'))
  log.push(await deferred.promise, String(deferred.promise instanceof Promise))
  for (const each of [later('one'), 'two']) log.push(await each)
  label: for (let turn = 0; ; turn++) {
    switch (await later(turn)) {
      case 0:
        continue label
      case 2:
        break label
      default:
        log.push(`turn ${turn}`)
    }
  }
  const value = { get: async () => (await later({ deep: 5 })).deep }
  log.push(`${(await value.get()) + (await later(1))} ${(await later(null)) ?? 'none'}`)
  process.nextTick((what: string) => log.push(what), 'tick')
  await Promise.resolve()
  log.push('before the tick')
  await new Promise((resolve) => setImmediate(resolve))
}
