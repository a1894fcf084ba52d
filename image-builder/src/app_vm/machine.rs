//! The generic image of a board, and the VM that boots it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nacre_verify::digest::Digest;
use nacre_wire::channel::Command;

use super::PATIENCE;
use crate::board_file::{self, BoardFile};
use crate::build;
use crate::cache::Cache;
use crate::device::client::Client;
use crate::device::locate;
use crate::failure::{Exit, Failure, OrFail};
use crate::inspect::trust;
use crate::interrupt::{self, Interrupts};
use crate::keys::DEVELOPMENT;
use crate::programs::find_executable;
use crate::progress::Step;
use crate::run::{self, Events, FolderLock, Forward, Network, Run};
use crate::terminal::Terminal;
use crate::workspace::Workspace;

/// How long the VM may take until the device answers.
const BOOT: Duration = Duration::from_secs(120);

/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// How long it may take to end.
const ENDING: Duration = Duration::from_millis(500);

/// A VM with the generic image of a board. It ends with this.
#[derive(Debug)]
pub struct Machine {
    dir: PathBuf,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    thread: JoinHandle<()>,
    ended: Receiver<Result<run::Ended, String>>,
    stop: Stop,
}

/// Ends the VM.
struct Stop(Box<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stop")
    }
}

impl Machine {
    /// Boots the generic image of a board, as it was built, or joins the VM that runs it already. The image is built
    /// with the first call; what of it has changed since, with later ones.
    ///
    /// # Errors
    /// When the image can't be built, or the device does not answer.
    pub fn start(
        board: &str,
        forwards: &[Forward],
        terminal: &Terminal,
        interrupts: &Interrupts,
    ) -> Result<Self, Failure> {
        let here =
            std::env::current_dir().or_fail(Exit::Internal, || "can't find the current folder".to_owned())?;
        let checkout = Workspace::find(&[&here])?;
        // Two checkouts have two images: neither boots the other's programs.
        let digest = Digest::of(checkout.root().as_os_str().as_encoded_bytes()).to_string();
        let name = format!("{board}-{}", digest.get(..8).unwrap_or_default());
        let folder = Cache::open()?.folder(Path::new("app-vm").join(name))?;
        let dir = folder.join("image");
        if locate::connect(Some(&dir)).is_ok() {
            if !forwards.is_empty() {
                let what = format!("the VM of `{board}` runs already: its ports can't be forwarded any more");
                return Err(Failure::new(Exit::TryAgain, what).hint("end the other command first"));
            }
            terminal.notice(&format!("the VM of `{board}` runs already: the app is installed there"));
            return Ok(Self { dir, running: None });
        }
        let recipe = folder.join("recipe.yaml");
        let text = format!(
            "# Made for `nacre app run --vm` and `nacre app dev`.\nimage: generic\nversion: 0.1.0\n\
             rollback-index: 1\nprofile: development\nboard: {board}\napps: []\n"
        );
        fs::write(&recipe, text).or_fail(Exit::TryAgain, || format!("can't write `{}`", recipe.display()))?;
        let request =
            build::Request { recipe, board: None, out: Some(dir.clone()), keys: DEVELOPMENT.to_owned() };
        build::build(&request, terminal, interrupts)?;
        let step = Step::begin(terminal, format!("booting {board}"));
        let running = boot(&dir, forwards)?;
        let machine = Self { dir, running: Some(running) };
        machine.wait(&step)?;
        Ok(machine)
    }

    /// A connection to the device.
    ///
    /// # Errors
    /// When it has ended.
    pub fn connect(&self) -> Result<Client, Failure> {
        let step = || "connecting to the VM".to_owned();
        let (_, stream) = locate::connect(Some(&self.dir)).or_fail(Exit::TryAgain, step)?;
        Client::new(stream).map(|client| client.with_patience(PATIENCE)).or_fail(Exit::TryAgain, step)
    }

    fn wait(&self, step: &Step) -> Result<(), Failure> {
        let begin = Instant::now();
        loop {
            if let Some(Ok(Err(reason))) = self.running.as_ref().map(|running| running.ended.try_recv()) {
                return Err(Failure::new(Exit::Internal, format!("the VM ended: {reason}")));
            }
            if let Ok((_, stream)) = locate::connect(Some(&self.dir))
                && let Ok(client) = Client::new(stream)
                && client.with_patience(Duration::from_secs(2)).ask(Command::Apps).is_ok()
            {
                return Ok(());
            }
            if begin.elapsed() >= BOOT {
                return Err(Failure::new(Exit::TryAgain, "the device in the VM does not answer"));
            }
            step.detail(&format!("{} s", begin.elapsed().as_secs()));
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            (running.stop.0)();
            // It says nothing that matters any more.
            let _ = running.thread.join();
        }
    }
}

/// Boots the image in a thread of its own.
fn boot(dir: &Path, forwards: &[Forward]) -> Result<Running, Failure> {
    let step = || format!("can't boot `{}`", dir.display());
    let trust = trust::load(None)?;
    let lock = FolderLock::take(dir).or_fail(Exit::TryAgain, step)?;
    // Fresh: what an earlier app stored is not this one's, and no rollback index is remembered.
    let (disk, _) = run::prepare(dir, true).or_fail(Exit::Internal, step)?;
    let board_file = BoardFile::read(&dir.join(board_file::FILE_NAME)).or_fail(Exit::TryAgain, step)?;
    let digest = board_file.digest();
    run::check_board(&disk, digest, &trust.roots).or_fail(Exit::VerificationFailed, step)?;
    let board = board_file.parse()?;
    let program = find_executable(&board.qemu.program).ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("`{}` is not installed", board.qemu.program))
            .hint(format!("install it: apt-get install {}", board.qemu.package))
    })?;
    let events = Events::default();
    let (stop, at_end) = (events.interrupter(), events.interrupter());
    let (sender, ended) = channel();
    let (dir, forwards) = (dir.to_owned(), forwards.to_vec());
    let thread = std::thread::spawn(move || {
        let _lock = lock;
        let settings = Run {
            dir: &dir,
            disk: &disk,
            program: &program,
            board: &board,
            board_digest: digest,
            roots: &trust.roots,
            memory_mib: board.memory_bytes >> 20,
            network: Network::Online(&forwards),
            uarts: &[],
            capture: None,
            expect: None,
            deadline: None,
            progress: None,
        };
        let ended = run::run(&settings, &events, &mut io::sink(), &mut |_| {});
        // Nobody listens when the command is over.
        let _ = sender.send(ended.map_err(|error| nacre_diag::CauseChain(&error).to_string()));
    });
    interrupt::at_end(move || {
        at_end();
        // For QEMU and its files a moment is enough.
        std::thread::sleep(ENDING);
    });
    Ok(Running { thread, ended, stop: Stop(Box::new(stop)) })
}
