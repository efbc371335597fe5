//! The `doorward` command. The only place that ends the process.

use std::process::ExitCode;

fn main() -> ExitCode {
    doorward::cli::run()
}
