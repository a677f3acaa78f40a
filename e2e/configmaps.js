// ConfigMaps of the namespace shop, for the tests that edit and delete them.
import { quiet } from './harness.js'

/** base is where they are in the API. */
export const base = '/api/v1/namespaces/shop/configmaps'

/** config is one of them. */
export const config = (data, name = 'settings') => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'shop' }, data })

/** type replaces, in the editor's first line that has from, from by to. */
export async function type(page, from, to) {
  await page.waitForSelector('.cm-content')
  await page.evaluate(([from, to]) => {
    const line = [...document.querySelectorAll('.cm-line')].find((l) => l.textContent.includes(from))
    const range = document.createRange()
    range.selectNodeContents(line)
    getSelection().removeAllRanges()
    getSelection().addRange(range)
    document.querySelector('.cm-content').focus()
    window.replaced = line.textContent.replace(from, to)
  }, [from, to])
  await quiet(page, 50)
  await page.keyboard.insertText(await page.evaluate(() => window.replaced))
}
