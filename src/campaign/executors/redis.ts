// What the campaign and its workers share on Redis or Valkey: a queue for each code, and which campaigns and workers
// are there.
//
// BullMQ and ioredis are loaded when a queue is asked for: whoever asks for none need not have them.

import { randomUUID } from 'node:crypto'
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

/**
 * A process that was killed is forgotten after so many milliseconds. A campaign may begin again on another machine, and
 * workers that end with it are to wait for that.
 */
const FORGOTTEN_MS: Readonly<Record<Role, number>> = { campaign: 600_000, worker: 60_000 }
const SAID_MS = 15_000

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

/** Where those who are here stand, by the time at which they are forgotten. */
function listOf(role: Role): string {
  return `faultline:${role}s`
}

/** The server's time, in milliseconds: the clocks of machines differ. */
async function timeOf(client: Redis): Promise<number> {
  const [seconds] = await client.time()
  return Number(seconds) * 1000
}

/**
 * Says that a campaign or a worker is here, until the function that it returns is called.
 *
 * @param threads that work; 0 of a campaign
 */
export async function announce(
  client: Redis,
  role: Role,
  threads: number,
  digest: string = codeDigest(),
): Promise<() => Promise<void>> {
  const member = `${digest} ${threads} ${randomUUID()}`
  const say = async (): Promise<void> => {
    await client.zadd(listOf(role), String((await timeOf(client)) + FORGOTTEN_MS[role]), member)
  }
  await say()
  // Where the connection breaks meanwhile, it is said again next time.
  const timer = setInterval(() => void say().catch(() => {}), SAID_MS).unref()
  return async () => {
    clearInterval(timer)
    await client.zrem(listOf(role), member)
  }
}

/** How many there are of a code, and how many threads they have. */
export interface Present {
  readonly count: number
  readonly threads: number
}

/** Who is here, by the digest of the code. */
export async function presentOn(client: Redis, role: Role): Promise<Map<string, Present>> {
  await client.zremrangebyscore(listOf(role), '-inf', String(await timeOf(client)))
  const present = new Map<string, Present>()
  for (const member of await client.zrange(listOf(role), '0', '-1')) {
    const [digest = '', threads] = member.split(' ')
    const before = present.get(digest) ?? { count: 0, threads: 0 }
    present.set(digest, { count: before.count + 1, threads: before.threads + Number(threads) })
  }
  return present
}
