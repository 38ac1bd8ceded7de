const { ThreadedClassManager, threadedClass } = require('threadedclass')

const main = async () => {
  const professor = await threadedClass('./threadedclass-professor.cjs', 'Professor', [40])
  if ((await professor.add(2)) !== 42) throw new Error('another sum')
  await ThreadedClassManager.destroyAll()
}
main()
