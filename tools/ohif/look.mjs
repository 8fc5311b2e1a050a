// Opens a study in OHIF with headless Chromium once for each series of results, double-clicks it and takes a picture.
// node look.mjs BASE_URL STUDY_UID OUT_FOLDER CHROMIUM [SERIES,...]   (playwright-core from PLAYWRIGHT_FROM or beside this file)
import { createRequire } from 'node:module';
const { chromium } = createRequire(process.env.PLAYWRIGHT_FROM ?? import.meta.url)('playwright-core');
const [base, study, out, executablePath, only = ''] = process.argv.slice(2);
const SERIES = '[data-cy="study-browser-thumbnail-no-image"]';
const PATIENCE = 1000 * Number(process.env.PATIENCE ?? 900);  // software rendering on a busy machine takes minutes
const [width, height] = (process.env.SIZE ?? '1500x950').split('x').map(Number);
const wait = seconds => new Promise(done => setTimeout(done, 1000 * seconds));

const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist'],
});

async function opened() {
  const page = await browser.newPage({ viewport: { width, height } });
  page.on('console', message => message.type() === 'error' && console.log('console:', message.text().slice(0, 300)));
  page.on('pageerror', error => console.log('page error:', error.message));
  await page.route('**/*', route => (/^(data|blob):/.test(route.request().url()) || route.request().url().startsWith(base)
    ? route.continue() : route.abort()));  // nothing but our own server
  await page.addInitScript(() => localStorage.setItem('shownTours', '["basicViewerTour"]'));
  await page.goto(`${base}/viewer?StudyInstanceUIDs=${study}`, { waitUntil: 'domcontentloaded', timeout: PATIENCE });
  page.setDefaultTimeout(PATIENCE);
  await page.waitForSelector(SERIES);
  await drawn(page);
  return page;
}

// Until the largest picture is no longer black and stays as it is for two looks; said, where it stays black.
async function drawn(page) {
  const light = () => page.evaluate(() => {
    const [canvas] = [...document.querySelectorAll('canvas')].sort((a, b) => b.width * b.height - a.width * a.height);
    const paint = canvas?.getContext('2d');
    if (!paint || !canvas.width || !canvas.height) return 0;
    const pixels = paint.getImageData(0, 0, canvas.width, canvas.height).data;
    let sum = 0;
    for (let n = 0; n < pixels.length; n += 4) sum += pixels[n] + pixels[n + 1] + pixels[n + 2];
    return Math.round(1000 * sum / (3 * 255 * canvas.width * canvas.height));
  }).catch(() => 0);
  const before = Date.now();
  for (let last = -1, now = 0; Date.now() - before < PATIENCE; last = now) {
    await wait(5);
    now = await light();
    if (now > 20 && now === last) return;
  }
  console.log('the picture is still black or changing');
}

// To a slice by its number, as the viewer counts them ("I: 41 (8/16)" is its eighth): whether a map lies on the slice that it belongs to.
async function turn(page, slice) {
  const said = () => page.locator('text=/^I:\\s*\\d+/').first().innerText({ timeout: 3000 }).catch(() => '');
  const at = async () => Number((await said()).match(/(\d+)\s*\//)?.[1] ?? 0);
  await page.locator('canvas').first().click({ force: true, position: { x: 60, y: 200 } }).catch(() => {});
  for (let tries = 0; tries < 200 && (await at()) !== slice; tries += 1) {
    await page.keyboard.press((await at()) < slice ? 'ArrowDown' : 'ArrowUp');
    await wait(0.3);
  }
  console.log(`slice ${await at()}`);
  await drawn(page);
}

// Where the viewer itself has the hottest voxel of the map that it draws: slice, row, column of its volume, and the place in mm (LPS).
const hottest = page => page.evaluate(() => {
  const map = window.cornerstone?.cache.getVolumes().find(volume => volume.volumeId.includes('pmap'));
  if (!map) return 'no map';
  const heat = map.voxelManager.getCompleteScalarDataArray();
  const at = heat.reduce((best, value, n) => (value > heat[best] ? n : best), 0);
  const [columns, rows] = map.dimensions;
  const index = [at % columns, Math.floor(at / columns) % rows, Math.floor(at / (columns * rows))];
  return { slice: index[2], row: index[1], column: index[0], mm: [...map.imageData.indexToWorld(index)].map(value => Math.round(100 * value) / 100) };
});

const first = await opened();
const texts = (await first.locator(SERIES).allInnerTexts()).map(text => text.replace(/\s+/g, ' ').trim());
await first.screenshot({ path: `${out}/images.png` });
await first.close();
console.log(JSON.stringify(texts));
for (const [n, text] of texts.entries()) {
  const modality = text.split(' ')[0];
  if (only && !only.split(',').some(part => text.includes(part))) continue;
  const page = await opened();
  await page.locator(SERIES).nth(n).dblclick({ force: true });
  await wait(Number(process.env.WAIT ?? 10));
  await drawn(page);
  await page.locator(modality === 'SR' ? '[data-cy="trackedMeasurements-btn"]' : '[data-cy="panelSegmentation-btn"]')
    .first().click({ timeout: 60000 }).catch(() => {});
  await wait(5);
  const name = text.slice(0, 40).replace(/[^A-Za-z0-9]+/g, '-');
  await page.screenshot({ path: `${out}/${n + 1}-${name}.png` });
  console.log(`picture: ${n + 1}-${name}.png`);
  if (modality === 'PMAP') console.log(`hottest voxel: ${JSON.stringify(await hottest(page).catch(error => error.message))}`);
  for (const slice of (process.env.SLICES ?? '').split(',').filter(Boolean)) {
    await turn(page, Number(slice));
    await page.screenshot({ path: `${out}/${n + 1}-${name}-slice-${slice}.png` });
  }
  await page.close();
}
await browser.close();
