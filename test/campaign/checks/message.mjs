// What is said.
export const expected = 'here I am'
