// large.mjs FILE WORD [FOLDER]: opens a page of ours that has very many rows in Chromium, as a reader gets it, and
// prints, as JSON, what the accessibility checker finds, what goes beyond the width in light, dark and narrow, how
// many rows there are and how many hold WORD, the sheets that printing it takes, the same for the rows that are
// left after searching for WORD, and how long each step took in milliseconds. With FOLDER, screenshots are put there.
// The checker looks at the first rows of each list. Those in `.rest` have the same form and are taken out of the page for
// it, since it copies every element that there is.
import { pathToFileURL } from 'node:url';
import { axe, browser } from './browser.mjs';

const [file, word, folder] = process.argv.slice(2);
const address = pathToFileURL(file).href;

const patience = 10 * 60_000;
const result = { violations: [], overflow: {}, took: {} };
async function timed(name, work) {
  const begun = performance.now();
  const done = await work();
  result.took[name] = Math.round(performance.now() - begun);
  return done;
}

const views = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 900 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 900 } },
  narrow: { colorScheme: 'light', viewport: { width: 360, height: 740 } },
};
for (const [name, view] of Object.entries(views)) {
  const context = await browser.newContext({ ...view, bypassCSP: true });
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  await timed(`load ${name}`, () => page.goto(address));
  result.overflow[name] = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (folder) await page.screenshot({ path: `${folder}/large-${name}.png` });
  if (name === 'light') {
    await page.evaluate(() => document.querySelectorAll('.rest').forEach((rest) => rest.remove()));
    await page.evaluate(axe);
    const found = await timed('axe', () => page.evaluate(() => window.axe.run({ resultTypes: ['violations'] })));
    result.violations = found.violations.map((one) => `${one.id}: ${one.nodes[0].html} ${one.nodes[0].failureSummary}`);
  }
  await context.close();
}

const context = await browser.newContext();
const page = await context.newPage();
page.setDefaultTimeout(patience);
await page.goto(address);
const shown = () => page.evaluate(() => [...document.querySelectorAll('.row')].filter((row) => !row.hidden).length);
const sheets = (pdf) => (pdf.toString('latin1').match(/\/Type \/Page\b/g) ?? []).length;
// As from the menu: a browser tells the page before it prints.
const print = () => page.evaluate(() => window.dispatchEvent(new Event('beforeprint'))).then(() => page.pdf({ format: 'A4' }));
result.rows = await shown();
result.sheets = sheets(await timed('print', print));
await timed('search', async () => {
  await page.fill('#search', word);
  await page.waitForFunction(() => document.getElementById('found').textContent !== '');
});
result.found = await shown();
result.sheetsFound = sheets(await timed('print found', print));
await browser.close();
process.stdout.write(JSON.stringify(result));
