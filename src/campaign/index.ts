// Campaigns: many jobs, here or on a queue.

export { type Campaign, readCampaign } from './campaign.ts'
export { LocalExecutor } from './executors/local.ts'
export { campaignPage, campaignText, hasFailed } from './report.ts'
export { type CampaignProgress, runCampaign } from './run.ts'
export { Store } from './store.ts'
