// site.mjs ADDRESS TOKEN FOLDER PATH...: signs in to a status page, opens each PATH in Chromium and prints, as
// JSON, what the accessibility checker finds in light, dark and narrow, what goes beyond the width, what was
// requested from elsewhere, what the console said, and how much is readable without scripts. A PATH `watch` keeps
// the first page open until a cycle has begun and ended, and prints what it showed meanwhile. Screenshots are put
// into FOLDER unless it is `-`.
import { axe, browser } from './browser.mjs';

const [address, token, folderOrNone, ...paths] = process.argv.slice(2);
const folder = folderOrNone === '-' ? null : folderOrNone;

async function signIn(page) {
  await page.goto(address + '/');
  await page.fill('input[name="token"]', token);
  await page.click('main button[type="submit"]');
  await page.waitForURL(address + '/');
}

const views = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 900 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 900 } },
  narrow: { colorScheme: 'light', viewport: { width: 360, height: 740 } },
};
const result = { violations: [], overflow: [], elsewhere: [], console: [], withoutScripts: {}, focusable: {} };
const pages = paths.filter((path) => path !== 'watch');
const file = (path) => path.replace(/[^a-z0-9]+/gi, '-').replace(/^-|-$/g, '') || 'overview';

// First, because the cycle may be running already.
if (paths.includes('watch')) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await signIn(page);
  const seen = [];
  const words = page.locator('.progress .words');
  const began = Date.now();
  let ran = false;
  while (Date.now() - began < 60000) {
    const shown = await page.locator('.progress').first().isVisible().catch(() => false);
    const text = shown ? await words.first().textContent().catch(() => '') : '';
    if (text && text !== seen[seen.length - 1]) seen.push(text);
    if (folder && shown && seen.length === 4) await page.screenshot({ path: `${folder}/running.png` });
    ran = ran || shown;
    if (ran && !shown) break;
    await page.waitForTimeout(50);
  }
  await page.waitForTimeout(1500);
  result.watched = { seen, after: await page.locator('main').innerText() };
  await context.close();
}

for (const [name, view] of Object.entries(views)) {
  const context = await browser.newContext({ ...view, bypassCSP: true });
  const page = await context.newPage();
  await page.goto(address + '/sign-in');
  const check = async (path) => {
    await page.evaluate(axe);
    const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    result.violations.push(...found.violations.map((one) => `${name} ${path}: ${one.id}: ${one.nodes[0].html} ${one.nodes[0].failureSummary}`));
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (over > 0) result.overflow.push(`${name} ${path}: ${over}`);
    if (!folder) return;
    const height = Math.min(2200, await page.evaluate(() => document.documentElement.scrollHeight));
    const clip = { x: 0, y: 0, width: view.viewport.width, height };
    await page.screenshot({ path: `${folder}/${file(path)}-${name}.png`, fullPage: true, clip });
  };
  await check('/sign-in');
  await signIn(page);
  for (const path of pages) {
    await page.goto(address + path);
    await page.evaluate(() => document.querySelectorAll('details.part').forEach((part) => { part.open = true; }));
    await check(path);
  }
  if (folder && name === 'light') {
    await page.emulateMedia({ media: 'print' });
    await page.goto(address + pages[0]);
    await page.screenshot({ path: `${folder}/${file(pages[0])}-print.png`, fullPage: true });
  }
  await context.close();
}

// As it is served, with its policy.
const context = await browser.newContext();
const page = await context.newPage();
page.on('request', (request) => {
  if (!request.url().startsWith(address) && !request.url().startsWith('data:')) result.elsewhere.push(request.url());
});
page.on('console', (message) => result.console.push(message.text()));
page.on('pageerror', (error) => result.console.push(String(error)));
await signIn(page);
for (const path of pages) {
  await page.goto(address + path);
  await page.keyboard.press('Tab');
  result.focusable[path] = await page.evaluate(() => document.activeElement.className);
}
await context.close();

const plain = await browser.newContext({ javaScriptEnabled: false });
const bare = await plain.newPage();
await signIn(bare);
for (const path of pages) {
  await bare.goto(address + path);
  result.withoutScripts[path] = (await bare.locator('main').textContent()).length;
}
await plain.close();
await browser.close();
process.stdout.write(JSON.stringify(result));
