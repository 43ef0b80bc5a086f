// Runs the tests in `bound.js`: a test binary that wasm-bindgen has bound for Node, with the harness of wasm-bindgen-test.

// Until all tests have passed.
process.exitCode = 1;

// The harness calls both. It catches what a test throws, and prints its report.
globalThis.__wbg_test_invoke = (test) => test();
globalThis.__wbgtest_og_console_log = console.log;
// It announces each test there.
console.debug = () => {};

const { WasmBindgenTestContext, __wasm } = require('./bound.js');
const tests = Object.keys(__wasm).filter((name) => name.startsWith('__wbgt_')).map((name) => __wasm[name]);
new WasmBindgenTestContext(false).run(tests).then((passed) => { process.exitCode = passed ? 0 : 1; });
