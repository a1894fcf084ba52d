//! `nacre attack`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use nacre_manifest::board::{self, Board};

use crate::attack::table::{Marks, summary, table};
use crate::attack::{
    Attack, Campaign, Configuration, KERNEL_CONFIG, Kernels, Results, Selection, catalogue, html,
};
use crate::board_file::{self, BoardFile};
use crate::failure::{Exit, Failure, OrFail};
use crate::inspect::check::Trust;
use crate::inspect::trust;
use crate::interrupt::Interrupts;
use crate::run;
use crate::terminal::Terminal;
use crate::workspace::Workspace;

const EXAMPLES: &str = "Examples:
  nacre attack out/demo-qemu-armv7
  nacre attack out/demo-qemu-armv7 --quick
  nacre attack out/demo-qemu-armv7 --family network --without packet-filter
  nacre attack out/demo-qemu-armv7 --only ptrace-read --json
  nacre attack out/demo-qemu-armv7 --html attacks.html

Builds the image's twin: the same board and kernel, with a hostile app, its
victim and a witness in place of the apps. The attacker runs every attack of the
catalogue; an attack has won when the witness, or this machine, sees its goal
reached, whatever the attacker says. All attacks are run with every layer of the
sandbox, without each single layer, and without any on a kernel that has what
ours leaves out: an attack that doesn't win there proves nothing.

The twin's virtual machine is thrown away with all that was done to it; nothing
is done to the image, nor to this machine.

The control kernel takes minutes to build; with --own-kernel it is not needed.

The whole matrix takes about ten minutes for each board; --quick is with every
layer and without any.

Exit codes beside those of every command: 0 when every attack was stopped; 69
when one won with every layer; 75 when that can't be said of one.";

/// Arguments of `nacre attack`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Output folder of `nacre build`.
    #[arg(required_unless_present = "list")]
    dir: Option<PathBuf>,
    /// Attack the same on another board.
    #[arg(long, value_name = "BOARD")]
    board: Option<String>,
    /// Only attacks of this family; more than once for more.
    #[arg(long, value_name = "FAMILY")]
    family: Vec<String>,
    /// Only this attack; more than once for more.
    #[arg(long, value_name = "ATTACK")]
    only: Vec<String>,
    /// Of the single layers only this one off; repeatable.
    #[arg(long, value_name = "LAYER", conflicts_with = "quick")]
    without: Vec<String>,
    /// Leave out the runs with single layers off.
    #[arg(long)]
    quick: bool,
    /// Only what can be proven on the image's own kernel.
    #[arg(long)]
    own_kernel: bool,
    /// Virtual machines at a time; default: one for two CPUs.
    #[arg(long, value_name = "NUMBER")]
    jobs: Option<NonZeroUsize>,
    /// Print JSON instead of the table.
    #[arg(long)]
    json: bool,
    /// Write a page that explains the result.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// List the attacks and what each is after, and do nothing.
    #[arg(long)]
    list: bool,
    /// Root public key (PEM); without it, any of the key store.
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
}

/// Does it.
pub fn execute(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let here =
        std::env::current_dir().or_fail(Exit::Internal, || "can't find the current folder".to_owned())?;
    let wanted = Selection { families: args.family.clone(), names: args.only.clone() };
    let Some(dir) = args.dir.as_deref() else {
        let workspace = Workspace::find(&[&here])?;
        let all =
            [catalogue::load(&workspace, "armv7", &wanted)?, catalogue::load(&workspace, "x86_64", &wanted)?];
        return super::print(&listed(&all.concat()));
    };
    let configurations = configurations(&args)?;
    let workspace = Workspace::find(&[dir, &here])?;
    let trust = trust::load(args.root_key.as_deref())?;
    let subject = Subject::open(dir, args.board.as_deref(), &workspace, &trust)?;
    let mut attacks = catalogue::load(&workspace, subject.board.arch.as_str(), &wanted)?;
    let kernels = if args.own_kernel { Kernels::Own } else { Kernels::Both };
    attacks.retain(|attack| kernels == Kernels::Both || !attack.control_kernel);
    if args.list {
        return super::print(&listed(&attacks));
    }
    let interrupts = Interrupts::catch()?;
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let campaign = Campaign {
        board: &subject.board,
        kernel: subject.kernel.as_deref(),
        image: subject.image.clone(),
        attacks,
        configurations,
        kernels,
        jobs: args.jobs.map_or(processors.div_ceil(2), NonZeroUsize::get),
    };
    let count = (campaign.attacks.len(), campaign.configurations.len());
    terminal.notice(&format!(
        "attacking the twin of {} on {}: {} attacks in {} images",
        subject.image, subject.board.board, count.0, count.1
    ));
    let results = crate::attack::attack(&campaign, &workspace, &trust, terminal, &interrupts)?;
    if let Some(path) = &args.html {
        std::fs::write(path, html::page(&results))
            .or_fail(Exit::Internal, || format!("can't write `{}`", path.display()))?;
        terminal.notice(&format!("wrote `{}`", path.display()));
    }
    if args.json {
        let text = serde_json::to_string_pretty(&results.json())
            .or_fail(Exit::Internal, || "can't write the results".to_owned())?;
        super::print(&format!("{text}\n"))?;
    } else {
        let marks = if terminal.stdout_color { Marks::Coloured } else { Marks::Plain };
        super::print(&table(&results, marks))?;
    }
    verdict(&results)
}

/// What is to be attacked.
struct Subject {
    image: String,
    board: Board,
    kernel: Option<Vec<u8>>,
}

impl Subject {
    /// Verifies the image, and takes what its twin has to have in common with it.
    fn open(dir: &Path, other: Option<&str>, workspace: &Workspace, trust: &Trust) -> Result<Self, Failure> {
        let step = || format!("can't attack `{}`", dir.display());
        let (board_path, disk) = (dir.join(board_file::FILE_NAME), dir.join("disk.img"));
        if !board_path.is_file() || !disk.is_file() {
            return Err(Failure::new(Exit::NotFound, format!("`{}` is no built image", dir.display()))
                .hint("name the output folder of `nacre build`"));
        }
        let file = BoardFile::read(&board_path).or_fail(Exit::TryAgain, step)?;
        run::check_board(&disk, file.digest(), &trust.roots).or_fail(Exit::VerificationFailed, step)?;
        let board = file.parse()?;
        let image = run::name_of(&disk, &board, file.digest(), &trust.roots)
            .or_fail(Exit::VerificationFailed, step)?;
        let name = other.unwrap_or(&board.board);
        let path = workspace.root().join("recipes/boards").join(format!("{name}.yaml"));
        let text = board::read(&path)?;
        let known = board::parse(&text, &path.display().to_string())?;
        if name != board.board {
            return Ok(Self { image, board: known, kernel: None });
        }
        let kernel = run::kernel_of(&disk, &board, file.digest(), &trust.roots)
            .or_fail(Exit::VerificationFailed, step)?;
        Ok(Self { image, board: known, kernel: Some(kernel) })
    }
}

fn configurations(args: &Args) -> Result<Vec<Configuration>, Failure> {
    let layer = |name: &String| {
        Configuration::layers().find(|layer| layer == name).ok_or_else(|| {
            let known: Vec<&str> = Configuration::layers().collect();
            let hint = match nacre_diag::did_you_mean(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("layers: {}", known.join(", ")),
            };
            Failure::new(Exit::Usage, format!("there is no layer `{name}`")).hint(hint)
        })
    };
    let layers: Vec<&'static str> = match (args.quick, args.without.as_slice()) {
        (true, _) => Vec::new(),
        (false, []) => Configuration::layers().collect(),
        (false, named) => named.iter().map(layer).collect::<Result<_, _>>()?,
    };
    // The control kernel may have to be built: what needs none comes first.
    let (late, early): (Vec<_>, Vec<_>) = layers.into_iter().partition(|layer| *layer == KERNEL_CONFIG);
    let mut configurations = vec![Configuration::AllLayers];
    configurations.extend(early.into_iter().map(Configuration::Without));
    configurations.push(Configuration::Control);
    if args.own_kernel {
        return Ok(configurations);
    }
    configurations.extend(late.into_iter().map(Configuration::Without));
    Ok(configurations)
}

fn listed(attacks: &[Attack]) -> String {
    let mut out = String::new();
    let mut known: Vec<&str> = Vec::new();
    let mut family = "";
    for attack in attacks.iter() {
        if known.contains(&attack.name.as_str()) {
            continue;
        }
        known.push(&attack.name);
        if attack.family != family {
            family = &attack.family;
            out.push_str(&format!("{family}\n"));
        }
        let only = attack.only.as_ref().map_or_else(String::new, |only| format!(" ({only} only)"));
        out.push_str(&format!(
            "  {}{only}\n      {}\n      seen when {}\n",
            attack.name, attack.goal, attack.seen
        ));
    }
    out
}

fn verdict(results: &Results) -> Result<(), Failure> {
    match results.exit() {
        Exit::Done => Ok(()),
        exit @ Exit::TryAgain => {
            let count = results.unjudged().len();
            Err(Failure::new(exit, format!("no attack won, but {count} could not be judged")))
        }
        exit => {
            Err(Failure::new(exit, summary(results).lines().next().unwrap_or("an attack won").to_owned()))
        }
    }
}
