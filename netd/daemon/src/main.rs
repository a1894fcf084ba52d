//! The network of the device and of each app: DHCP, DNS proxy, time, packet filter.
//!
//! Started by appmgr as root, with a socket pair to it; takes from itself what it does not need before it reads
//! anything, and ends with appmgr's end of the pair. One thread waits for everything; what servers and apps say is
//! read in `nacre-netd-core`.
#![forbid(unsafe_code)]

mod actions;
mod appmgr;
mod apps;
mod clock;
mod confinement;
mod daemon;
mod event_loop;
mod flows;
mod netlink;
mod random;
mod resolver;
mod ruleset;
mod time;
mod udp;
mod uplink;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use nacre_sys::inherited;
use nacre_wire::net::SOCKET_FD;

use daemon::Daemon;
use nacre_diag::CauseChain;

#[cfg(all(target_arch = "arm", target_env = "musl"))]
#[global_allocator]
static HEAP: nacre_sys::allocator::Allocator = nacre_sys::allocator::Allocator::new();

fn main() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The last words; nobody is left to tell that they could not be written.
            let _ = writeln!(io::stderr(), "{}", CauseChain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn work() -> Result<(), Box<dyn Error>> {
    let appmgr = inherited::take(SOCKET_FD)?;
    let confined = confinement::confine()?;
    Daemon::start(appmgr, confined)?.run()
}
