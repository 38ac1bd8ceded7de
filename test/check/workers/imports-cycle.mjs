export let later = 1
export const set = (v) => {
  later = v
}
export { set as default, later as seen }
