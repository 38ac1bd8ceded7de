import { expose } from '@wordpress/worker-threads/worker'

expose({ sum: async (a, b) => a + b })
