// require() for the login manager's files, which are CommonJS.
import files from "./kit.js";

const modules = {};

function require(name) {
  if (!modules[name]) {
    modules[name] = { exports: {} };
    files[name](require, modules[name], modules[name].exports);
  }
  return modules[name].exports;
}

export const { createAuth } = require("./index");
