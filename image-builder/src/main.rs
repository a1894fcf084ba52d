//! `nacre`, the command line on the host: build, run, verify, inspect, and talk to a device.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    nacre_image_builder::cli::main()
}
