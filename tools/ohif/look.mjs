// Opens a study in OHIF with headless Chromium once for each series of results, double-clicks it and takes a picture.
// node look.mjs BASE_URL STUDY_UID OUT_FOLDER CHROMIUM [MODALITY,...]   (playwright-core from PLAYWRIGHT_FROM or beside this file)
import { createRequire } from 'node:module';
const { chromium } = createRequire(process.env.PLAYWRIGHT_FROM ?? import.meta.url)('playwright-core');
const [base, study, out, executablePath, only = ''] = process.argv.slice(2);
const SERIES = '[data-cy="study-browser-thumbnail-no-image"]';
const wait = seconds => new Promise(done => setTimeout(done, 1000 * seconds));

const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist'],
});

async function opened() {
  const page = await browser.newPage({ viewport: { width: 1500, height: 950 } });
  page.on('console', message => message.type() === 'error' && console.log('console:', message.text().slice(0, 300)));
  page.on('pageerror', error => console.log('page error:', error.message));
  await page.route('**/*', route => (/^(data|blob):/.test(route.request().url()) || route.request().url().startsWith(base)
    ? route.continue() : route.abort()));  // nothing but our own server
  await page.addInitScript(() => localStorage.setItem('shownTours', '["basicViewerTour"]'));
  await page.goto(`${base}/viewer?StudyInstanceUIDs=${study}`, { waitUntil: 'domcontentloaded', timeout: 120000 });
  await page.waitForSelector(SERIES, { timeout: 180000 });
  await wait(Number(process.env.FIRST_WAIT ?? 20));
  return page;
}

const first = await opened();
const texts = (await first.locator(SERIES).allInnerTexts()).map(text => text.replace(/\s+/g, ' ').trim());
await first.screenshot({ path: `${out}/images.png` });
await first.close();
console.log(JSON.stringify(texts));
for (const [n, text] of texts.entries()) {
  const modality = text.split(' ')[0];
  if (only && !only.split(',').includes(modality)) continue;
  const page = await opened();
  await page.locator(SERIES).nth(n).dblclick({ force: true, timeout: 60000 });
  await wait(Number(process.env.WAIT ?? 20));
  await page.locator(modality === 'SR' ? '[data-cy="trackedMeasurements-btn"]' : '[data-cy="panelSegmentation-btn"]')
    .first().click({ timeout: 5000 }).catch(() => {});
  await wait(5);
  const name = text.slice(0, 40).replace(/[^A-Za-z0-9]+/g, '-');
  await page.screenshot({ path: `${out}/${n + 1}-${name}.png` });
  await page.close();
  console.log(`picture: ${n + 1}-${name}.png`);
}
await browser.close();
