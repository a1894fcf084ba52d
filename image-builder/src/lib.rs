//! `nacre`, the command line on the host: build, run, verify, inspect, and talk to a device.
//!
//! [`cli`] holds one file per subcommand; each parses its arguments and calls one of the other modules.
#![forbid(unsafe_code)]

pub mod app_filter;
pub mod app_image;
pub mod app_project;
pub mod app_vm;
pub mod attack;
pub mod board_file;
pub mod build;
pub mod cache;
pub mod cli;
pub mod data_image;
pub mod device;
pub mod device_programs;
pub mod diff;
pub mod disk;
pub mod elf;
pub mod failure;
pub mod guid;
pub mod host_run;
pub mod import;
pub mod inspect;
pub mod interrupt;
pub mod kernel;
pub mod keys;
pub mod learn;
pub mod output;
pub mod package_file;
pub mod programs;
pub mod progress;
pub mod root_image;
pub mod run;
pub mod sizes;
pub mod slot;
pub mod terminal;
pub mod toolchain;
pub mod workspace;
