// WeChat's own tools over a mini program, offline: miniprogram-ci's compiler for JavaScript and JSON, wcc and wcsc for
// WXML and WXSS, and the npm builder over a consumer of the kit.
// stdin is {project, consumer, tgz}: the folder with project.config.json, an empty folder, and the kit as `npm pack` made
// it. stdout is {compiled: {file: bytes…}, npm: [file…]}. What a tool refuses ends the script with status 1.
const { execFileSync } = require("node:child_process");
const { generateKeyPairSync } = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");

// The tools write to stdout as they like.
console.log = console.info = console.warn = console.error;

async function main() {
  const { wxmlToJs, wxssToJs } = require("miniprogram-compiler");
  const { project, consumer, tgz } = JSON.parse(fs.readFileSync(0, "utf8"));
  const { miniprogramRoot } = JSON.parse(fs.readFileSync(path.join(project, "project.config.json"), "utf8"));
  const root = path.join(project, miniprogramRoot);
  for (const compiled of [wxmlToJs(root), wxssToJs(root)]) new Function("global", compiled);
  const ci = require("miniprogram-ci");
  const compiled = await compile(ci, project);
  process.stdout.write(JSON.stringify({ compiled, npm: await buildNpm(ci, consumer, tgz) }));
}

/** Compile as an upload would; resolves with the size of each file. */
async function compile(ci, projectPath) {
  const encoding = { type: "pkcs1", format: "pem" };
  const options = { modulusLength: 2048, privateKeyEncoding: encoding, publicKeyEncoding: encoding };
  const { privateKey } = generateKeyPairSync("rsa", options);
  const ignores = ["node_modules/**/*"];
  const project = new ci.Project({ appid: "wx51a051a000000001", type: "miniProgram", projectPath, privateKey, ignores });
  project.attr = async () => ci.DefaultProjectAttr; // else it asks WeChat's servers for the limits of this app
  const setting = { es6: true, enhance: true, minify: true };
  const zip = path.join(fs.mkdtempSync(path.join(require("node:os").tmpdir(), "compiled-")), "compiled.zip");
  const result = await ci.getCompiledResult({ project, version: "1.0.0", setting, onProgressUpdate() {} }, zip);
  fs.rmSync(path.dirname(zip), { recursive: true });
  return Object.fromEntries(Object.entries(result).map(([file, content]) => [file, Buffer.byteLength(content)]));
}

/** Build the npm packages of a mini program that depends on the kit; resolves with the names of the files. */
async function buildNpm(ci, consumer, tgz) {
  const name = "authsvc-miniprogram";
  const installed = path.join(consumer, "node_modules", name);
  fs.mkdirSync(installed, { recursive: true });
  execFileSync("tar", ["xzf", tgz, "--strip-components=1", "-C", installed]);
  const packageJsonPath = path.join(consumer, "package.json");
  fs.writeFileSync(packageJsonPath, JSON.stringify({ dependencies: { [name]: "*" } }));
  const { warnList } = await ci.packNpmManually({ packageJsonPath, miniprogramNpmDistDir: consumer });
  if (warnList.length > 0) throw new Error(JSON.stringify(warnList));
  return fs.readdirSync(path.join(consumer, "miniprogram_npm", name));
}

main().then(
  () => process.exit(0), // the compiler's helper processes would keep it alive
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
