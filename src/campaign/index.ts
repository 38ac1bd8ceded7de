// Campaigns: many jobs, here or on a queue.

export { type Campaign, readCampaign } from './campaign.ts'
export type { Crew, Executor } from './executors/executor.ts'
export { LocalExecutor } from './executors/local.ts'
export type { JobResult } from './job.ts'
export { QueueExecutor } from './executors/queue.ts'
export { withoutPassword } from './executors/redis.ts'
export { QueueWorker, type QueueWorkerOptions } from './executors/queue-worker.ts'
export { campaignPage, campaignText, hasFailed } from './report.ts'
export { type CampaignProgress, runCampaign } from './run.ts'
export { Store } from './store.ts'
