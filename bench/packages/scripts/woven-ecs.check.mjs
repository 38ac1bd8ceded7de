import { World, addComponent, createEntity, defineComponent, field } from '@woven-ecs/core'

const Position = defineComponent({ n: field.uint32() })

const add =
  (n) =>
  ({ context, made }) => {
    const entity = createEntity(context)
    addComponent(context, entity, Position, { n })
    made[n] = entity
  }

export default {
  // oxlint-disable-next-line no-underscore-dangle -- the way to a context outside of a system
  setup: () => ({ context: new World([Position], { maxEntities: 8, threads: 1 })._getContext(), made: [] }),
  threads: [add(0), add(1)],
  invariant: ({ made }) => made.length === 2 && made[0] !== made[1],
}
