const path = require('node:path')
const Bree = require('bree')

const bree = new Bree({
  root: false,
  logger: false,
  jobs: [{ name: 'job', path: path.join(__dirname, 'bree-job.cjs') }],
})
bree.on('worker deleted', () => bree.stop())
bree.run('job')
