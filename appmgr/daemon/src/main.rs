//! The app manager: package store, cgroups, log capture, device channel.
//!
//! Started by init as root. One thread waits for everything; what to do next is decided in
//! `nacre-appmgr-core`. After SIGTERM it stops all apps and exits with 0.
#![forbid(unsafe_code)]

mod app_grants;
mod app_network;
mod app_requests;
mod app_runs;
mod cgroup;
mod channel_commands;
mod clock;
mod daemon;
mod data_folder;
mod device_channel;
mod device_nodes;
mod devices;
mod event_loop;
mod identity;
mod image;
mod incoming;
mod launch;
mod layers;
mod limits;
mod log;
mod log_capture;
mod netd;
mod network_service;
mod notify;
mod open_ports;
mod package_mount;
mod package_store;
mod paths;
mod plain_file;
mod process;
mod sideload;
mod slot;
mod startup;
mod uids;

use std::error::Error;
use std::io;
use std::process::ExitCode;

use daemon::Daemon;
use log::Log;
use nacre_diag::CauseChain;
use paths::Paths;

#[cfg(all(target_arch = "arm", target_env = "musl"))]
#[global_allocator]
static HEAP: nacre_sys::allocator::Allocator = nacre_sys::allocator::Allocator::new();

fn main() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            Log::new(Box::new(io::stdout())).own(&CauseChain(&*error).to_string());
            ExitCode::FAILURE
        }
    }
}

fn work() -> Result<(), Box<dyn Error>> {
    let log = Log::new(Box::new(io::stdout()));
    Ok(Daemon::start(Paths::device(), log)?.run()?)
}
