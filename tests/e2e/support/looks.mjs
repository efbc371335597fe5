// How a page looks, and whether everybody can use it: pictures for people to look at, axe-core for the machine.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { screenshotFolder } from './files.mjs';

const axe = readFileSync(path.join(import.meta.dirname, '../node_modules/axe-core/axe.min.js'), 'utf8');
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

async function findings(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate((values) => globalThis.axe.run(document, { runOnly: { type: 'tag', values } }), rules);
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' | ')}`);
}

/**
 * Looks at the page that is open, light and dark, on a desk and on a phone: takes `{name}-{scheme}-{width}.png`, and
 * fails on a serious finding of axe-core, on a page that is wider than the screen, on an empty title.
 */
export async function look(page, name) {
  const before = page.viewportSize();
  assert.notEqual(await page.title(), '', `${name} has no title`);
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: width === 360 ? 740 : 800 });
      await page.screenshot({ path: path.join(screenshotFolder(), `${name}-${colorScheme}-${width}.png`), fullPage: true });
      const found = await findings(page);
      assert.deepEqual(found, [], `${name}, ${colorScheme}, ${width} px`);
    }
  }
  await page.setViewportSize({ width: 320, height: 740 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 320, `${name} is ${wide} px wide on a screen of 320`);
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
  await page.setViewportSize(before);
}
