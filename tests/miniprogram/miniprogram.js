// A mini program's JavaScript as a phone runs it: CommonJS modules below one folder, in a context that has nothing of
// Node and nothing of a browser. `program.ahead` is how many milliseconds the phone's clock is wrong.
import { readFileSync } from "node:fs";
import path from "node:path";
import vm from "node:vm";

const MOVED_DATE = `((clock) => {
  const Real = Date;
  Date = class extends Real {
    constructor(...given) {
      super(...(given.length > 0 ? given : [Date.now()]));
    }
    static now() {
      return Real.now() + clock.ahead;
    }
  };
})`;

/**
 * Start a mini program: nothing is loaded yet. Quitting the app is forgetting what this returns. `twin`, {file, text,
 * by}, spoils a module, so that tests can be seen to fail; `replaced` gives the exports of some files.
 */
export function launch(root, phone, { ahead = 0, globals = {}, twin, replaced = {} } = {}) {
  const modules = new Map(
    Object.entries(replaced).map(([file, exports]) => [path.resolve(root, file), { exports }]),
  );
  const timers = new Map();
  const program = {
    ahead,
    /** Whatever was written to the console. */
    logged: [],
    timers,
    require: (file) => load(path.resolve(root, file)),
    /** Let every timer that is set go off now. */
    ring() {
      const due = [...timers.values()];
      timers.clear();
      for (const callback of due) callback();
    },
  };
  const note = (...words) => void program.logged.push(words);
  const context = vm.createContext({
    wx: phone.wx,
    console: { log: note, info: note, warn: note, error: note, debug: note },
    setTimeout(callback) {
      const id = Math.floor(Math.random() * 2 ** 31);
      timers.set(id, callback);
      return id;
    },
    clearTimeout: (id) => void timers.delete(id),
    ...globals,
  });
  vm.runInContext(MOVED_DATE, context)(program);

  function source(file) {
    const text = readFileSync(file, "utf8");
    if (path.basename(file) !== twin?.file) return text;
    if (!text.includes(twin.text)) throw new Error(`${file} has no ${twin.text}`);
    return text.replace(twin.text, twin.by);
  }

  function load(wanted) {
    const file = wanted.endsWith(".js") ? wanted : `${wanted}.js`;
    if (!file.startsWith(path.resolve(root) + path.sep)) throw new Error(`${file} is outside the mini program`);
    if (!modules.has(file)) {
      const module = { exports: {} };
      modules.set(file, module);
      const options = { filename: file, parsingContext: context };
      const run = vm.compileFunction(source(file), ["require", "module", "exports"], options);
      run((name) => load(path.resolve(path.dirname(file), name)), module, module.exports);
    }
    return modules.get(file).exports;
  }
  return program;
}

/**
 * Open a whole mini program, as WeChat does with `query`: app.js, then its first page or `path`. `pages` is the stack,
 * the shown one last; a page has its data, its handlers, and `loaded`, what its onLoad returned. WXML is not drawn.
 */
export async function open(root, phone, { path: first, query = {}, ...options } = {}) {
  const pages = [];
  const defined = {};
  let app;
  const globals = {
    App: (definition) => void (app = definition),
    Page: (definition) => void (defined.page = definition),
    getApp: () => app,
    getCurrentPages: () => [...pages],
  };
  const program = launch(root, phone, { ...options, globals });
  const definitions = new Map();

  function definitionOf(route) {
    if (!definitions.has(route)) {
      program.require(route);
      definitions.set(route, defined.page);
    }
    return definitions.get(route);
  }

  function push(url) {
    const [route, text = ""] = url.replace(/^\//, "").split("?");
    const definition = definitionOf(route);
    const page = Object.assign(Object.create(null), definition, { route, data: plain(definition.data ?? {}) });
    page.setData = (changes) => Object.assign(page.data, plain(changes));
    pages.push(page);
    // Queries reach onLoad undecoded.
    page.loaded = page.onLoad?.(Object.fromEntries(text.split("&").filter(Boolean).map((pair) => pair.split(/=(.*)/))));
    return page;
  }

  const close = (number) => pages.splice(pages.length - number, number).forEach((page) => page.onUnload?.());
  Object.assign(phone.wx, {
    navigateTo: async ({ url }) => void push(url),
    navigateBack: async ({ delta = 1 } = {}) => close(Math.min(delta, pages.length - 1)),
    reLaunch: async ({ url }) => {
      close(pages.length);
      push(url);
    },
  });

  const manifest = JSON.parse(readFileSync(path.join(root, "app.json"), "utf8"));
  program.require("app");
  app.onLaunch?.({ path: first ?? manifest.pages[0], query });
  push(`${first ?? manifest.pages[0]}?${Object.entries(query).map((pair) => pair.join("=")).join("&")}`);
  return Object.assign(program, { pages, manifest, open: push, shown: () => pages.at(-1) });
}

/** What comes from a program's context, as an object of ours that deepEqual can compare. */
export const plain = (value) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));

/** What a promise was rejected with; fails when it was not. */
export async function rejection(promise) {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error) => ({ error }),
  );
  if (!outcome.error) throw new Error(`resolved with ${JSON.stringify(outcome.value)}`);
  return outcome.error;
}

/** Resolves when a condition holds; rejects after five seconds. */
export async function until(condition) {
  const end = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`never true: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
