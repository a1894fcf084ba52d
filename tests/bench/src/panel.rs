//! panel under load and the memory that the demo leaves, both beside panel under a busybox init, on the same
//! kernel in the same VM, with no sandbox, no packet filter and no limits.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Result;
use crate::load;
use crate::peer::{Peer, Root, make_root, program};
use crate::programs::Programs;
use crate::rebuild::{DEMO, build};
use crate::samples::Samples;
use crate::table::Row;
use crate::vm::{Vm, device_info};

/// The program of the peer. It needs nothing of the OS; recorder and reporter do.
const APP: &str = "panel";
/// Three of them, as the demo has three apps. The address is the one that the VM's network offers.
const INITTAB: &str = "\
::sysinit:/bin/busybox mount -t proc proc /proc
::sysinit:/bin/busybox ifconfig lo 127.0.0.1 up
::sysinit:/bin/busybox ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
::sysinit:/bin/busybox route add default gw 10.0.2.2
::respawn:/bin/panel --port 8080
::respawn:/bin/panel --port 8081
::respawn:/bin/panel --port 8082
::once:/bin/sh -c 'busybox sleep 8; busybox grep MemAvailable /proc/meminfo'
";

/// Where panel's share of the processor stands.
const MANIFEST: &str = "recipes/apps/panel/nacre.yaml";
const SHARE: &str = "cpu: 30%";
const WHOLE: &str = "cpu: 100%";

/// A document of panel that is the same with and without the OS.
const DOCUMENT: &str = "/icon.svg";

const ROUNDS: usize = 5;
/// How long each of them is asked.
const TIME: Duration = Duration::from_secs(6);
/// How long they rest first: by then reporter has reported, and everything is in memory that will be.
const REST: Duration = Duration::from_secs(7);

/// What a VM showed, round by round.
#[derive(Debug, Default)]
struct Shown {
    available_kib: Vec<u64>,
    per_answer: Vec<Duration>,
    half: Vec<Duration>,
    most: Vec<Duration>,
}

/// Boots and asks all of them, in turns.
pub(crate) fn rows(programs: &Programs, checkout: &Path, demo: &Path, work: &Path) -> Result<Vec<Row>> {
    let unlimited = build_unlimited(programs, checkout, work)?;
    let scratch = tempfile::tempdir()?;
    let program = program(programs, demo, APP, scratch.path())?;
    let root = make_root(programs, &program, INITTAB, scratch.path())?;
    let peer = Peer::like(start(programs, demo)?.0.qemu()?, Root::Disk(&root), scratch.path())?;

    let (mut shipped, mut whole, mut theirs) = (Shown::default(), Shown::default(), Shown::default());
    for _ in 0..ROUNDS {
        for (image, shown) in [(demo, &mut shipped), (&unlimited, &mut whole)] {
            let (vm, address) = start(programs, image)?;
            sleep(REST);
            shown.available_kib.push(device_info(programs, image, "memory_available_kib")?);
            shown.ask(address)?;
            drop(vm);
        }
        let (mut vm, address) = start_peer(&peer)?;
        theirs.available_kib.push(vm.wait_for(available)?);
        theirs.ask(address)?;
    }
    let rates = |what: &str, ours: &Shown| -> Result<Row> {
        let [ours, peer] = [ours, &theirs].map(|shown| Samples::new(shown.per_answer.clone()));
        Ok(Row::of_rates(what, "a second", &ours?, &peer?))
    };
    let times = |what: &str, ours: &[Duration], peer: &[Duration]| -> Result<Row> {
        Ok(Row::of_times(what, &Samples::new(ours.to_vec())?, &Samples::new(peer.to_vec())?))
    };
    Ok(vec![
        Row::of_kib(
            "available of 24 MiB, demo running; busybox init with panel three times, no network filter",
            &shipped.available_kib,
            &theirs.available_kib,
        ),
        rates("answers of panel to 4 connections, its CPU limit lifted; under busybox, no sandbox", &whole)?,
        times("time within which half of them came; the same", &whole.half, &theirs.half)?,
        times("time within which 99 of 100 came; the same", &whole.most, &theirs.most)?,
        rates("answers of panel as it is, with 30 % of the CPU; the same, which has all of it", &shipped)?,
    ])
}

/// The demo image, in which panel may use the whole processor.
fn build_unlimited(programs: &Programs, checkout: &Path, work: &Path) -> Result<PathBuf> {
    let manifest = checkout.join(MANIFEST);
    let original = fs::read_to_string(&manifest)?;
    if !original.contains(SHARE) {
        return Err(format!("{MANIFEST} has no `{SHARE}`").into());
    }
    fs::write(&manifest, original.replace(SHARE, WHOLE))?;
    let built = build(programs, checkout, DEMO, &work.join("demo-unlimited"));
    fs::write(&manifest, original)?;
    built
}

/// Boots an image until panel answers.
fn start(programs: &Programs, image: &Path) -> Result<(Vm, SocketAddr)> {
    let mut vm = Vm::start(programs, image, &["--memory", "24M", "--forward", "0:8080"])?;
    let address = vm.wait_for_port()?;
    Ok((vm, address))
}

fn start_peer(peer: &Peer) -> Result<(Vm, SocketAddr)> {
    // A port that was free a moment ago.
    let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let mut vm = Vm::of(peer.command(Some(address.port())))?;
    vm.wait_for(|line| line.starts_with("serving on port 8080").then_some(()))?;
    let until = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_err() && Instant::now() < until {
        sleep(Duration::from_millis(100));
    }
    Ok((vm, address))
}

/// The figure in a line of /proc/meminfo.
fn available(line: &str) -> Option<u64> {
    line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB")?.trim_end().parse().ok()
}

impl Shown {
    fn ask(&mut self, address: SocketAddr) -> Result<()> {
        let load = load::run(address, DOCUMENT, TIME)?;
        self.per_answer.push(load.per_answer);
        self.half.push(load.times.within(50));
        self.most.push(load.times.within(99));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read_from_its_line_only() {
        assert_eq!(available("MemAvailable:   12664 kB"), Some(12_664));
        assert_eq!(available("MemFree:        12664 kB"), None);
        assert_eq!(available("MemAvailable: much"), None);
    }
}
