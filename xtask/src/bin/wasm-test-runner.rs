//! The runner that `cargo test --target wasm32-unknown-unknown` starts for each test binary: wasm-bindgen's own runner
//! as a library, in the version of the lock file, so that no matching command has to be installed.

use std::process::ExitCode;

fn main() -> ExitCode {
    match wasm_bindgen_cli::wasm_bindgen_test_runner::run_cli_with_args(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
