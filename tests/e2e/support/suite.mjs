// A file of tests that share one stack: started once, its logs printed when one of them failed.
import { after, afterEach, before } from 'node:test';

import { assertNothingRefused, freshBrowser } from './browser.mjs';
import { startStack } from './stack.mjs';

/**
 * Registers the hooks. Answers `stack()` for the stack, and `browser(options)` for a browser that nobody has used, which
 * is closed at the end of the test.
 */
export function suite(name, options) {
  let stack;
  let failed = false;
  const contexts = [];
  before(async () => { stack = await startStack(name, options); });
  afterEach(async (test) => {
    // Node tells a hook about the test only as far as `passed`.
    failed ||= test.passed === false;
    await Promise.all(contexts.splice(0).map((context) => context.close()));
    try {
      assertNothingRefused();
    } catch (error) {
      failed = true;
      throw error;
    }
  });
  after(async () => { await stack?.stop(failed); });
  return {
    stack: () => stack,
    async browser(settings) {
      const context = await freshBrowser(stack.browser, settings);
      contexts.push(context);
      return context;
    },
  };
}
