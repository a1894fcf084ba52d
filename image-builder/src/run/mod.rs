//! Booting an image in a VM: the part of the first stage, played on the host.
//!
//! Nothing runs that was not verified: QEMU ends where a machine would restart, and each start begins with
//! [`first_stage`], on the disk as the guest left it.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nacre_manifest::board::Board;
use nacre_verify::digest::Digest;
use nacre_verify::key::PublicKey;
use regex::Regex;

mod channel;
pub(crate) mod console;
mod first_stage;
mod forward;
mod knock;
mod kvm;
mod machine;
mod qmp;
mod uart;
mod vm;
mod watch;
mod work_disk;

pub use first_stage::{VerifyDiskError, check_board};
pub use forward::{ChoosePortsError, Forward, choose_ports};
pub use uart::{PlugUartError, UartEnd, UartPlug, check_uarts};
pub use vm::{Events, StartVmError};
pub use work_disk::{DiskState, FolderLock, PrepareDiskError, prepare};

use crate::device::locate::socket_link;
use channel::SharedChannel;
use first_stage::Bootable;
use knock::Knocker;
use machine::{Accelerator, Files, Start};
use qmp::GuestEnd;
use vm::Vm;
pub use watch::Progress;
use watch::{Watched, Watcher};

/// A VM that is to be run.
#[derive(Debug)]
pub struct Run<'a> {
    /// The output folder; its lock is held.
    pub dir: &'a Path,
    /// The VM's disk.
    pub disk: &'a Path,
    /// QEMU.
    pub program: &'a Path,
    /// The board.
    pub board: &'a Board,
    /// SHA-256 of the description that the board was read from.
    pub board_digest: Digest,
    /// Root keys that the image may be signed with.
    pub roots: &'a [PublicKey],
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Which network it has.
    pub network: Network<'a>,
    /// Where its serial ports for apps lead to; [`check_uarts`] has found these good. The others lead nowhere.
    pub uarts: &'a [UartPlug],
    /// Folder for what passes the network card: `0.pcap` of the first start, `1.pcap` of the next.
    pub capture: Option<&'a Path>,
    /// Ends the run as soon as a console line matches.
    pub expect: Option<&'a Regex>,
    /// Ends the run when it passes.
    pub deadline: Option<Instant>,
    /// Ends the run when the guest stands still.
    pub progress: Option<Progress<'a>>,
}

/// Which network a VM has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network<'a> {
    /// None, whatever the image wants: it has no network card.
    Offline,
    /// With these ports of this machine that lead to the device; [`choose_ports`] has found them free. If there
    /// are none, a network card is there when an app of the image has a network.
    Online(&'a [Forward]),
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// A console line matched.
    Matched,
    /// The device switched itself off.
    PoweredOff,
    /// The deadline passed.
    TimedOut,
    /// The guest made no progress.
    Stalled,
    /// The person stopped it.
    Interrupted,
}

/// What is worth saying during a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The slot is good and will be started.
    Verified {
        /// Image, version and board.
        what: String,
        /// Whether its keys are a development set.
        development_keys: bool,
    },
    /// An app has a network, and the board no network card.
    NoCard,
    /// Ports are forwarded, and no app has a network.
    NoListener,
    /// A forwarded port has begun to answer; after a restart of the device once more.
    Answers(Forward),
    /// The device restarts; slot a is verified again. With the kernel's reason after a panic.
    Restarts(Option<String>),
}

/// Why a VM could not be run to an end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The slot may not be started.
    #[error("verifying the image")]
    Verify(#[from] VerifyDiskError),
    /// QEMU did not start.
    #[error("starting the VM")]
    Start(#[from] StartVmError),
    /// A file or socket of the VM could not be made.
    #[error("{step}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// QEMU ended by itself.
    #[error("QEMU ended: {0}")]
    QemuEnded(String),
}

/// Runs the VM until there is a reason to end it. Console lines go to `out`.
///
/// # Errors
/// When the image is refused, or QEMU does not do its part.
pub fn run(
    run: &Run<'_>,
    events: &Events,
    out: &mut dyn Write,
    notify: &mut dyn FnMut(Notice),
) -> Result<Ended, RunError> {
    let files = Files::new().map_err(|source| RunError::Io { step: "making a private folder", source })?;
    // QEMU takes what stands before a colon in a relative path for a protocol.
    let disk =
        std::path::absolute(run.disk).map_err(|source| RunError::Io { step: "finding the disk", source })?;
    let mut watcher = Watcher::new(out, run.expect, run.deadline, run.progress);
    let mut accelerator = None;
    let mut starts = 0;
    loop {
        let capture = run.capture.map(|folder| folder.join(format!("{starts}.pcap")));
        starts += 1;
        let bootable = first_stage::verify(run.disk, run.board, run.board_digest, run.roots)?;
        let slot = &bootable.slot.slot;
        notify(Notice::Verified {
            what: format!("{} {} for {}", slot.image, slot.version, slot.board),
            development_keys: bootable.slot.key_set.development,
        });
        let forwards = run.network.of(bootable.network);
        if forwards.is_some() && run.board.qemu.network_device.is_none() {
            notify(Notice::NoCard);
        }
        if forwards.is_some() && !bootable.network {
            notify(Notice::NoListener);
        }
        put(&files, &bootable)
            .map_err(|source| RunError::Io { step: "writing the kernel for QEMU", source })?;
        let mut start = Start {
            disk: &disk,
            memory_mib: run.memory_mib,
            command_line: &bootable.command_line,
            has_device_tree: !bootable.device_tree.is_empty(),
            network: forwards,
            uarts: run.uarts,
            capture: capture.as_deref(),
            accelerator: Accelerator::Tcg,
        };
        start.accelerator =
            *accelerator.get_or_insert_with(|| kvm::choose(run.program, run.board, &files, &start));
        let line = machine::arguments(run.board, &files, &start);
        let mut vm = Vm::start(run.program, &line, &files.control(), &events.sender)?;
        let channel = Channel::open(run.dir, &files)
            .map_err(|source| RunError::Io { step: "opening the device channel", source })?;
        vm.resume(&events.sender)?;
        let knocker = forwards
            .filter(|forwards| !forwards.is_empty())
            .map(|forwards| Knocker::start(forwards, files.ports(), &events.sender));
        let watched = watcher.watch(&events.receiver, &mut |forward| notify(Notice::Answers(forward)));
        drop(knocker);
        let complaints = vm.end();
        drop(channel);
        // What the guest said before it was ended belongs to this start, not to the next.
        let interrupted = watcher.drain(&events.receiver);
        match watched {
            Watched::Matched => return Ok(Ended::Matched),
            Watched::TimedOut => return Ok(Ended::TimedOut),
            Watched::Stalled => return Ok(Ended::Stalled),
            Watched::Interrupted => return Ok(Ended::Interrupted),
            Watched::Ended(Some(GuestEnd::PowerOff)) => return Ok(Ended::PoweredOff),
            Watched::Ended(_) if interrupted => return Ok(Ended::Interrupted),
            Watched::Ended(Some(GuestEnd::Reset)) => {
                notify(Notice::Restarts(watcher.panic().map(str::to_owned)));
            }
            Watched::Ended(Some(GuestEnd::Other(reason))) => return Err(RunError::QemuEnded(reason)),
            Watched::Ended(None) => {
                let reason = if complaints.is_empty() { "it gave no reason".to_owned() } else { complaints };
                return Err(RunError::QemuEnded(reason));
            }
        }
    }
}

/// The kernel of a disk's slot a, once that has been verified.
///
/// # Errors
/// When the slot is refused.
pub fn kernel_of(
    disk: &Path,
    board: &Board,
    board_digest: Digest,
    roots: &[PublicKey],
) -> Result<Vec<u8>, VerifyDiskError> {
    first_stage::verify(disk, board, board_digest, roots).map(|bootable| bootable.kernel)
}

/// Name and version of the image in a disk's slot a, once that has been verified.
///
/// # Errors
/// When the slot is refused.
pub fn name_of(
    disk: &Path,
    board: &Board,
    board_digest: Digest,
    roots: &[PublicKey],
) -> Result<String, VerifyDiskError> {
    let slot = first_stage::verify(disk, board, board_digest, roots)?.slot.slot;
    Ok(format!("{} {}", slot.image, slot.version))
}

impl<'a> Network<'a> {
    /// The forwarded ports of a VM that is to have a network card.
    fn of(self, wanted: bool) -> Option<&'a [Forward]> {
        match self {
            Self::Offline => None,
            Self::Online(forwards) => (wanted || !forwards.is_empty()).then_some(forwards),
        }
    }
}

fn put(files: &Files, bootable: &Bootable) -> io::Result<()> {
    std::fs::write(files.kernel(), &bootable.kernel)?;
    std::fs::write(files.device_tree(), &bootable.device_tree)
}

/// The shared device channel, with the link by which clients find it.
struct Channel {
    link: PathBuf,
    _shared: SharedChannel,
}

impl Channel {
    fn open(dir: &Path, files: &Files) -> io::Result<Self> {
        let shared = SharedChannel::open(UnixStream::connect(files.port())?, &files.device())?;
        let link = socket_link(dir);
        match std::fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::os::unix::fs::symlink(files.device(), &link)?;
        Ok(Self { link, _shared: shared })
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // Left behind it leads nowhere, which a client takes for "no VM runs".
        let _ = std::fs::remove_file(&self.link);
    }
}

#[cfg(test)]
pub(crate) mod tests;
