// Makes docs/screenshot.png: the list of pods with one of them beside it.
import { cluster } from './fixture.js'
import { Server, context, live, login, quit } from './harness.js'

const server = await Server.start()
await cluster(server, 260)
const c = await context({ viewport: { width: 1440, height: 860 } })
const page = await login(server, c, 'token-admin', '/ui/api/v1/pods?sort=restarts&desc=1')
await live(page)
await page.keyboard.press('j')
for (let i = 0; i < 4; i++) await page.keyboard.press('j')
await page.keyboard.press('Enter')
await page.waitForSelector('#panel [data-object]')
await page.waitForTimeout(1000)
await page.screenshot({ path: new URL('../docs/screenshot.png', import.meta.url).pathname })
await quit()
await server.stop()
