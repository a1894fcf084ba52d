//! `nacre attack`: a hostile app tries everything it knows on an image's twin, with every layer of the sandbox,
//! without each of them, and without any. What counts is what a witness sees.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use nacre_manifest::board::Board;
use regex::Regex;

use crate::board_file::{self, BoardFile};
use crate::failure::{Exit, Failure, OrFail};
use crate::inspect::check::Trust;
use crate::interrupt::{self, Interrupts};
use crate::programs::find_executable;
use crate::run::{self, Ended, Events, FolderLock, Network, Progress, Run};
use crate::terminal::Terminal;
use crate::workspace::Workspace;

mod capture;
pub mod catalogue;
mod configuration;
mod console;
pub mod html;
pub mod results;
pub mod table;
mod twin;

pub use catalogue::{Attack, Selection};
pub use configuration::{Configuration, KERNEL_CONFIG, Kernels};
pub use results::{Outcome, Results, Row};

use capture::Capture;
use console::{Console, Verdict};
use twin::Workshop;

/// What an attack may take on the slowest board, with what a restart costs; a twin that takes longer hangs.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(120), Duration::from_secs(12));

/// How long the witness may say nothing: three of the slowest attacks, or a boot. The twin is then taken to stand still,
/// for good; started again, the witness sees which attack was going on.
const STANDSTILL: Duration = Duration::from_secs(120);

/// How often a twin that ended before all was tried, or stands still, is started again, from where it was.
const MOST_RESTARTS: u32 = 6;

/// What is to be done.
#[derive(Debug)]
pub struct Campaign<'a> {
    /// The image's board.
    pub board: &'a Board,
    /// Its kernel, which the twins must have as well; without it any.
    pub kernel: Option<&'a [u8]>,
    /// Its name and version.
    pub image: String,
    /// The attacks.
    pub attacks: Vec<Attack>,
    /// The configurations in which they are run.
    pub configurations: Vec<Configuration>,
    /// Which kernels they have.
    pub kernels: Kernels,
    /// Virtual machines at a time.
    pub jobs: usize,
}

/// Virtual machines that run now, and how each is told to end.
#[derive(Default)]
struct Running {
    count: AtomicUsize,
    stops: Mutex<Vec<Box<dyn Fn() + Send>>>,
}

impl Running {
    /// Ends them all, and waits until they have.
    fn stop(&self) {
        for stop in self.stops.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            stop();
        }
        let until = Instant::now() + Duration::from_secs(5);
        while self.count.load(Ordering::SeqCst) > 0 && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Does it.
///
/// # Errors
/// When a twin can't be built, started or understood. That an attack wins is no error here.
pub fn attack(
    campaign: &Campaign<'_>,
    workspace: &Workspace,
    trust: &Trust,
    terminal: &Terminal,
    interrupts: &Interrupts,
) -> Result<Results, Failure> {
    let workshop = Workshop::open(workspace, campaign.board, terminal, interrupts)?;
    let running = Arc::new(Running::default());
    interrupt::at_end({
        let (running, folder) = (Arc::clone(&running), workshop.folder().to_owned());
        move || {
            running.stop();
            let _ = std::fs::remove_dir_all(folder);
        }
    });
    let attacks: Vec<&Attack> = campaign.attacks.iter().collect();
    let show = Show::new(terminal, attacks.len());
    let outcomes = Mutex::new(BTreeMap::new());
    let problem = Mutex::new(None);
    let failed = |failure: Failure| {
        problem.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    };
    let has_failed = || problem.lock().unwrap_or_else(PoisonError::into_inner).is_some();
    let (ready, images) = channel();
    let images = Mutex::new(images);
    thread::scope(|scope| {
        for _ in 0..campaign.jobs.max(1) {
            scope.spawn(|| {
                while let Some((configuration, folder)) = next(&images) {
                    if has_failed() {
                        continue;
                    }
                    match run_twin(campaign, configuration, &folder, trust, &running, &show) {
                        Ok(found) => {
                            let mut all = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                            all.insert(configuration, found);
                        }
                        Err(failure) => failed(failure),
                    }
                    // A twin takes 25 MB of disk.
                    let _ = std::fs::remove_dir_all(&folder);
                }
            });
        }
        for configuration in &campaign.configurations {
            if has_failed() {
                break;
            }
            match workshop.build(*configuration, &attacks, campaign.kernels) {
                Ok(folder) => drop(ready.send((*configuration, folder))),
                Err(failure) => failed(failure),
            }
        }
        drop(ready);
    });
    if let Some(failure) = problem.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(failure);
    }
    let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Results::new(campaign, outcomes))
}

type Image = (Configuration, std::path::PathBuf);

fn next(images: &Mutex<Receiver<Image>>) -> Option<Image> {
    images.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Runs one twin until every attack was made.
fn run_twin(
    campaign: &Campaign<'_>,
    configuration: Configuration,
    folder: &Path,
    trust: &Trust,
    running: &Running,
    show: &Show,
) -> Result<BTreeMap<String, Outcome>, Failure> {
    let step = || format!("can't attack the twin {configuration}");
    let _lock = FolderLock::take(folder).or_fail(Exit::Internal, step)?;
    let (disk, _) = run::prepare(folder, true).or_fail(Exit::Internal, step)?;
    let board_file = BoardFile::read(&folder.join(board_file::FILE_NAME)).or_fail(Exit::Internal, step)?;
    run::check_board(&disk, board_file.digest(), &trust.roots).or_fail(Exit::VerificationFailed, step)?;
    let board = board_file.parse()?;
    let program = find_executable(&board.qemu.program).ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("`{}` is not installed", board.qemu.program))
            .hint(format!("install it: apt-get install {}", board.qemu.package))
    })?;
    if let (Some(kernel), false) = (campaign.kernel, configuration.has_control_kernel(campaign.kernels)) {
        let twins = run::kernel_of(&disk, &board, board_file.digest(), &trust.roots)
            .or_fail(Exit::VerificationFailed, step)?;
        if twins != kernel {
            let what =
                "the image's kernel is not the one that this checkout builds: its twin would be another";
            return Err(Failure::new(Exit::BadInput, what).hint("build the image anew, with this checkout"));
        }
    }
    let done = Regex::new(r"\] witness: attacks done$").or_fail(Exit::Internal, step)?;
    let said = Regex::new(r"\] witness: ").or_fail(Exit::Internal, step)?;
    let settings = Run {
        dir: folder,
        disk: &disk,
        program: &program,
        board: &board,
        board_digest: board_file.digest(),
        roots: &trust.roots,
        memory_mib: board.memory_bytes >> 20,
        network: Network::Online(&[]),
        uarts: &[],
        capture: None,
        expect: Some(&done),
        deadline: None,
        progress: Some(Progress { lines: &said, within: STANDSTILL }),
    };
    let bar = show.begin(configuration);
    let mut told = |_: &str| bar.inc(1);
    let mut console = Console::new(&mut told);
    let count = u32::try_from(campaign.attacks.len()).unwrap_or(u32::MAX);
    let deadline = Instant::now() + PATIENCE.0 + PATIENCE.1 * count;
    let mut restarts = 0;
    let mut capture = Capture::default();
    let ended = loop {
        let captured =
            tempfile::Builder::new().prefix("capture-").tempdir_in(folder).or_fail(Exit::Internal, step)?;
        let events = Events::default();
        {
            let mut stops = running.stops.lock().unwrap_or_else(PoisonError::into_inner);
            stops.push(Box::new(events.interrupter()));
            running.count.fetch_add(1, Ordering::SeqCst);
        }
        let settings = Run { deadline: Some(deadline), capture: Some(captured.path()), ..settings };
        let ended = run::run(&settings, &events, &mut console, &mut |_| {});
        running.count.fetch_sub(1, Ordering::SeqCst);
        capture.read(captured.path());
        match ended.or_fail(Exit::Internal, step)? {
            // An attack may switch it off, or have its kernel do nothing else any more.
            Ended::PoweredOff | Ended::Stalled if restarts < MOST_RESTARTS => restarts += 1,
            ended => break ended,
        }
    };
    let (verdicts, transcript) = (console.verdicts.clone(), console.transcript.clone());
    if let Some(keep) = std::env::var_os("NACRE_ATTACK_CONSOLE") {
        let path = Path::new(&keep).join(format!("{}-{}.log", board.board, configuration.folder()));
        let _ = std::fs::write(path, transcript.join("\n"));
    }
    let unfinished = match ended {
        Ended::Matched => "the witness said nothing about it",
        Ended::Interrupted => "it was interrupted",
        Ended::PoweredOff => "the device switched itself off",
        Ended::Stalled => "the device stood still too often",
        Ended::TimedOut => "the time was over",
    };
    let outcome = |attack: &Attack| match verdicts.get(&attack.name) {
        None => Outcome::Unknown(unfinished.to_owned()),
        Some(Verdict::Won) => Outcome::Won,
        Some(Verdict::Stopped(how)) => Outcome::Stopped(how.clone()),
        Some(Verdict::NotTried(why)) => Outcome::Unknown(why.clone()),
        Some(Verdict::Sent(token, how)) => match capture.has(token) || is_on_console(&transcript, token) {
            true => Outcome::Won,
            false => Outcome::Stopped(how.clone()),
        },
    };
    let found: BTreeMap<String, Outcome> =
        campaign.attacks.iter().map(|attack| (attack.name.clone(), outcome(attack))).collect();
    show.end(configuration, &bar, &found);
    Ok(found)
}

/// Whether a line has a token that stands there as nobody's: apps' lines begin with their names.
fn is_on_console(transcript: &[String], token: &str) -> bool {
    let has_name = |line: &str| line.contains("] witness: ") || line.contains("] attacker: ");
    transcript.iter().any(|line| line.contains(token) && !has_name(line))
}

/// How far the campaign is.
struct Show {
    bars: MultiProgress,
    interactive: bool,
    attacks: u64,
}

impl Show {
    fn new(terminal: &Terminal, attacks: usize) -> Self {
        let bars = MultiProgress::new();
        if !terminal.interactive {
            bars.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self { bars, interactive: terminal.interactive, attacks: u64::try_from(attacks).unwrap_or(0) }
    }

    fn begin(&self, configuration: Configuration) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(self.attacks).with_message(configuration.to_string()));
        if let Ok(style) =
            ProgressStyle::with_template("{spinner} {elapsed:>4} {msg:28} {bar:30} {pos}/{len}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    fn end(&self, configuration: Configuration, bar: &ProgressBar, found: &BTreeMap<String, Outcome>) {
        let seconds = bar.elapsed().as_secs_f64();
        bar.finish_and_clear();
        let won = found.values().filter(|outcome| **outcome == Outcome::Won).count();
        let unknown = found.values().filter(|outcome| matches!(outcome, Outcome::Unknown(_))).count();
        let unknown = if unknown == 0 { String::new() } else { format!(", {unknown} could not be tried") };
        let line = format!("{configuration}: {won} of {} won{unknown}, {seconds:.0} s", found.len());
        if self.interactive {
            let _ = self.bars.println(line);
        } else {
            eprintln!("{line}");
        }
    }
}
