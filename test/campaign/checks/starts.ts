// A script starts a Worker, so that it turns out how many threads there are, and that they choose between events.

export default { threads: [new URL('./main-thread.mjs', import.meta.url)] }
