// Programs that a test starts: each is ours from its start to its end, and only ours are ever ended.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';

const running = new Set();

// Whatever ends this process, its children must not outlive it.
function endAll() {
  for (const program of running) {
    program.child.kill('SIGKILL');
  }
}
process.once('exit', endAll);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    endAll();
    process.exit(1);
  });
}

/**
 * Starts `command` with its output in the file `log`.
 *
 * @returns {Program}
 */
export function startProgram(name, command, { log, env = {}, cwd }) {
  const output = openSync(log, 'a');
  const child = spawn(command[0], command.slice(1), {
    cwd,
    // Nothing of the developer's own environment may decide what a test sees, except where programs are found.
    env: { PATH: process.env.PATH, HOME: process.env.HOME, LANG: 'C.UTF-8', NO_COLOR: '1', ...env },
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  return new Program(name, child, log);
}

class Program {
  constructor(name, child, log) {
    this.name = name;
    this.child = child;
    this.log = log;
    running.add(this);
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => {
        running.delete(this);
        resolve({ error });
      });
      child.once('exit', (code, signal) => {
        running.delete(this);
        resolve({ code, signal });
      });
    });
  }

  get isRunning() {
    return running.has(this);
  }

  output() {
    return readFileSync(this.log, 'utf8');
  }

  /** Waits until `isReady` answers true; a program that ends before that fails the test with its log. */
  async ready(isReady, milliseconds = 60_000) {
    const deadline = Date.now() + milliseconds;
    for (;;) {
      if (!this.isRunning) {
        const { error, code, signal } = await this.ended;
        throw new Error(`${this.name} ended before it was ready (${error ?? signal ?? code}):\n${this.output()}`);
      }
      if (await isReady().catch(() => false)) {
        return;
      }
      if (Date.now() > deadline) {
        throw new Error(`${this.name} was not ready in ${milliseconds} ms:\n${this.output()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  /** Asks it to end, waits, and insists after `patience` milliseconds. Answers how it ended. */
  async stop(signal = 'SIGTERM', patience = 10_000) {
    if (this.isRunning) {
      this.child.kill(signal);
    }
    const insist = setTimeout(() => this.child.kill('SIGKILL'), patience);
    const end = await this.ended;
    clearTimeout(insist);
    return end;
  }
}

/** Waits until `check` answers something true, and answers that; fails after `milliseconds`. */
export async function eventually(what, check, milliseconds = 20_000) {
  const deadline = Date.now() + milliseconds;
  let last;
  for (;;) {
    try {
      const answer = await check();
      if (answer) {
        return answer;
      }
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`did not happen in ${milliseconds} ms: ${what}`, { cause: last });
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
