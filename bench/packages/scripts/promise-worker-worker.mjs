import registerPromiseWorker from 'promise-worker/register.js'

registerPromiseWorker((message) => `pong of ${message}`)
