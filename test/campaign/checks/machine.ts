// A machine that a module exports, as `faultline simulate --machine` takes it.
import { here } from '../../../src/simulate/machines/here.ts'

export default { ...here, name: 'here-but-slower', smtFactor: 1.5 }
