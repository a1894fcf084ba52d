//! One QEMU process: its console, its machine protocol, its end.
//!
//! QEMU gets no terminal at all: its standard input is empty, its console comes through a pipe, and it has
//! a process group of its own, so that Ctrl-C reaches only this program, which then ends it.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::forward::Forward;
use super::qmp::{GuestEnd, Qmp, QmpSender, TalkToQemuError};
use crate::programs::find_executable;

/// How long QEMU may take to open its control socket.
const START: Duration = Duration::from_secs(10);

/// How long QEMU may take to end when asked to.
const GRACE: Duration = Duration::from_secs(2);

/// What happens while a VM runs.
#[derive(Debug)]
pub(crate) enum Event {
    /// Bytes from the guest's console.
    Console(Vec<u8>),
    /// The console is closed: QEMU has ended.
    ConsoleEnd,
    /// The guest ended, or QEMU went without saying why.
    Guest(Option<GuestEnd>),
    /// A forwarded port has begun to answer.
    Answers(Forward),
    /// The person wants to stop.
    Interrupt,
}

/// What happens while VMs run, one after the other, and how a signal handler gets a word in.
#[derive(Debug)]
pub struct Events {
    pub(crate) sender: Sender<Event>,
    pub(crate) receiver: Receiver<Event>,
}

impl Default for Events {
    fn default() -> Self {
        let (sender, receiver) = channel();
        Self { sender, receiver }
    }
}

impl Events {
    /// What a signal handler calls to end the run.
    pub fn interrupter(&self) -> impl Fn() + Send + Sync + use<> {
        let sender = self.sender.clone();
        move || {
            // Fails only when the run is over already.
            let _ = sender.send(Event::Interrupt);
        }
    }
}

/// Why a VM could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartVmError {
    /// The program could not be started.
    #[error("starting `{}`", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// QEMU ended before the guest could start.
    #[error("QEMU ended at once: {0}")]
    Ended(String),
    /// QEMU did not open its control socket in time.
    #[error("QEMU did not open its control socket within {} s", START.as_secs())]
    NoControl,
    /// QEMU was there, but did not start the guest.
    #[error("starting the guest")]
    Control(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A VM. Dropping it kills QEMU.
#[derive(Debug)]
pub(crate) struct Vm {
    child: Child,
    /// Until the guest runs.
    paused: Option<Qmp>,
    /// Once the guest runs.
    control: Option<QmpSender>,
    readers: Vec<JoinHandle<()>>,
    complaints: Option<JoinHandle<String>>,
}

impl Vm {
    /// Starts QEMU with the guest paused. It must open its control socket at `control` and the guest's console on
    /// standard output.
    pub(crate) fn start(
        program: &Path,
        arguments: &[OsString],
        control: &Path,
        events: &Sender<Event>,
    ) -> Result<Self, StartVmError> {
        let child = command(program, arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|source| StartVmError::Spawn { program: program.to_owned(), source })?;
        let mut vm = Self { child, paused: None, control: None, readers: Vec::new(), complaints: None };
        if let Some(stderr) = vm.child.stderr.take() {
            vm.complaints = Some(std::thread::spawn(move || read_complaints(stderr)));
        }
        if let Some(stdout) = vm.child.stdout.take() {
            let events = events.clone();
            vm.readers.push(std::thread::spawn(move || read_console(stdout, &events)));
        }
        let stream = vm.connect(control)?;
        let qmp = Qmp::greet(stream).map_err(|error| vm.failed(error))?;
        vm.paused = Some(qmp);
        Ok(vm)
    }

    /// Lets the guest run.
    pub(crate) fn resume(&mut self, events: &Sender<Event>) -> Result<(), StartVmError> {
        let Some(paused) = self.paused.take() else { return Ok(()) };
        let (waiter, sender) = paused.resume().map_err(|error| self.failed(error))?;
        self.control = Some(sender);
        let events = events.clone();
        self.readers.push(std::thread::spawn(move || {
            let _ = events.send(Event::Guest(waiter.wait()));
        }));
        Ok(())
    }

    /// Ends QEMU: asked first, then killed. Everything it wrote is among the events afterwards. Gives back
    /// what QEMU itself complained about.
    pub(crate) fn end(mut self) -> String {
        if let Some(control) = &mut self.control {
            // If it is gone already, that is what was wanted.
            let _ = control.quit();
        }
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.reap()
    }

    fn connect(&mut self, control: &Path) -> Result<UnixStream, StartVmError> {
        let deadline = Instant::now() + START;
        loop {
            if let Ok(stream) = UnixStream::connect(control) {
                return Ok(stream);
            }
            if !matches!(self.child.try_wait(), Ok(None)) {
                return Err(self.ended());
            }
            if Instant::now() > deadline {
                return Err(StartVmError::NoControl);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn failed(&mut self, error: TalkToQemuError) -> StartVmError {
        match error {
            TalkToQemuError::Closed | TalkToQemuError::Io(_) => self.ended(),
            error => StartVmError::Control(Box::new(error)),
        }
    }

    fn ended(&mut self) -> StartVmError {
        let complaints = self.reap();
        StartVmError::Ended(if complaints.is_empty() { "it gave no reason".to_owned() } else { complaints })
    }

    fn reap(&mut self) -> String {
        // Both fail only when the process is gone and reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        self.complaints.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.reap();
    }
}

/// The command, under `setpriv --pdeathsig` where there is one (util-linux): should this program be killed
/// without a chance to clean up, the kernel ends QEMU as well.
fn command(program: &Path, arguments: &[OsString]) -> Command {
    let mut command = match find_executable("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL"]).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.args(arguments);
    command
}

fn read_console(mut stdout: impl Read, events: &Sender<Event>) {
    let mut piece = [0; 4096];
    while let Ok(n @ 1..) = stdout.read(&mut piece) {
        let bytes = piece.get(..n).unwrap_or_default().to_vec();
        if events.send(Event::Console(bytes)).is_err() {
            return;
        }
    }
    let _ = events.send(Event::ConsoleEnd);
}

/// QEMU's own messages, at most the first 4 KiB, on one line. The rest is read and dropped, or QEMU would block.
fn read_complaints(mut stderr: impl Read) -> String {
    let mut kept = Vec::new();
    let _ = stderr.by_ref().take(4096).read_to_end(&mut kept);
    let _ = io::copy(&mut stderr, &mut io::sink());
    let lines: Vec<_> = kept.split(|byte| *byte == b'\n').map(super::console::printable).collect();
    lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}
