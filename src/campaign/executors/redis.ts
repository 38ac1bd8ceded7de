// What the campaign and its workers share on Redis or Valkey: a queue for each code, and which campaigns and workers
// are there.
//
// BullMQ and ioredis are loaded when a queue is asked for: whoever asks for none need not have them.

import type { Redis } from 'ioredis'
import { codeDigest } from '../code.ts'

/** A queue cannot be used. */
export class QueueRefused extends Error {
  override readonly name = 'QueueRefused'
  readonly remedy: string

  constructor(message: string, remedy: string) {
    super(message)
    this.remedy = remedy
  }
}

/** Loads BullMQ. @throws QueueRefused where it is not installed */
export async function loadBullmq(): Promise<typeof import('bullmq')> {
  try {
    await import('ioredis')
    return await import('bullmq')
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new QueueRefused('a queue needs the packages bullmq and ioredis', 'npm install bullmq ioredis')
  }
}

/** The tasks of one code: workers of another never see them. */
export function queueName(): string {
  return `faultline-${codeDigest()}`
}

/** How BullMQ connects: what is asked for while the server is away is asked for again. */
export function connectionTo(url: string): { url: string; maxRetriesPerRequest: null } {
  return { url, maxRetriesPerRequest: null }
}

/** Who says that he is there. */
export type Role = 'campaign' | 'worker'

/** A process that was killed is forgotten after so long. */
const FORGOTTEN_MS = 60_000

/** A connection of our own, beside those of BullMQ. @throws QueueRefused where nobody answers */
export async function connect(url: string): Promise<Redis> {
  const { Redis: Client } = await import('ioredis')
  let isThere = false
  const client = new Client(url, {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    // The first time is not tried again: the address may be wrong.
    retryStrategy: (times) => (isThere ? Math.min(times * 100, 2000) : null),
  })
  client.on('error', () => {})
  try {
    await client.connect()
  } catch (error) {
    client.disconnect()
    throw new QueueRefused(
      `the queue at ${withoutPassword(url)} does not answer: ${(error as Error).message}`,
      'start Redis or Valkey there, or correct the address',
    )
  }
  isThere = true
  return client
}

/** An address as it may be shown. */
export function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//…@')
}

/** Says that a campaign or a worker of this code is here, until the function that it returns is called. */
export async function announce(client: Redis, role: Role): Promise<() => Promise<void>> {
  const key = `${prefixOf(role)}${codeDigest()}:${process.pid}-${Math.random().toString(36).slice(2)}`
  const say = (): Promise<unknown> => client.set(key, '1', 'PX', FORGOTTEN_MS)
  await say()
  const timer = setInterval(() => void say().catch(() => {}), FORGOTTEN_MS / 4)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await client.del(key)
  }
}

/** The digests of the code of the campaigns or workers that are here. */
export async function presentOn(client: Redis, role: Role): Promise<Set<string>> {
  const prefix = prefixOf(role)
  const digests = new Set<string>()
  let cursor = '0'
  do {
    const [next, keys] = await client.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', 1000)
    for (const key of keys) digests.add(key.slice(prefix.length).split(':')[0]!)
    cursor = next
  } while (cursor !== '0')
  return digests
}

function prefixOf(role: Role): string {
  return `faultline:${role}:`
}
