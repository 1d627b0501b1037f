// check.mjs FILE WORD [FOLDER]: opens a page of ours in Chromium and prints, as JSON, what the accessibility
// checker finds in light, dark and narrow, what the page asked the network for, what the console said, how many
// rows are shown before and after searching for WORD, and what is readable without scripts. With FOLDER,
// screenshots are put there.
import { pathToFileURL } from 'node:url';
import { axe, browser } from './browser.mjs';

const [file, word, folder] = process.argv.slice(2);
const address = pathToFileURL(file).href;

const views = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 900 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 900 } },
  narrow: { colorScheme: 'light', viewport: { width: 360, height: 740 } },
};
const result = { violations: {}, requests: [], console: [], overflow: {} };
for (const [name, view] of Object.entries(views)) {
  const context = await browser.newContext({ ...view, bypassCSP: true });
  const page = await context.newPage();
  await page.goto(address);
  await page.evaluate(() => document.querySelectorAll('details').forEach((part) => { part.open = true; }));
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  result.violations[name] = found.violations.map((one) => `${one.id}: ${one.nodes[0].html} ${one.nodes[0].failureSummary}`);
  result.overflow[name] = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (folder) await page.screenshot({ path: `${folder}/${name}.png` });
  await context.close();
}

const context = await browser.newContext();
const page = await context.newPage();
page.on('request', (request) => result.requests.push(request.url()));
page.on('console', (message) => result.console.push(message.text()));
page.on('pageerror', (error) => result.console.push(String(error)));
await page.goto(address);
const shown = () => page.evaluate(() => [...document.querySelectorAll('.row')].filter((row) => !row.hidden).length);
result.rows = await shown();
await page.keyboard.press('Tab');
result.focusable = await page.evaluate(() => document.activeElement !== document.body);
const search = page.locator('#search');
if (await search.count()) {
  await search.fill(word);
  await page.waitForTimeout(400);
  result.found = await shown();
  result.told = await page.locator('#found').textContent();
  await search.fill('');
  const actions = await page.locator('select[data-of="section"] option').evaluateAll((all) => all.map((one) => one.value));
  result.byAction = {};
  for (const action of actions.filter(Boolean)) {
    await page.selectOption('select[data-of="section"]', action);
    result.byAction[action] = await shown();
  }
}
await context.close();

const plain = await browser.newContext({ javaScriptEnabled: false });
const bare = await plain.newPage();
await bare.goto(address);
result.withoutScripts = {
  text: (await bare.locator('main').textContent()).length,
  filters: await bare.locator('.filters').isVisible().catch(() => false),
};
await bare.locator('details.part > summary').first().click().catch(() => {});
await plain.close();
await browser.close();
process.stdout.write(JSON.stringify(result));
