// Names of properties that typed arrays carry while a program is stepped: they lead from an array to its view.

/** Set on arrays whose accesses are watched. */
export const SHARED = '$shared'
/** Set on these, and on arrays whose changes only are undone. */
export const TRACKED = '$tracked'
