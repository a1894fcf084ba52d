//! `nacre kernel`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use nacre_diag::Report;
use nacre_kernel_config::{KernelRequest, Progress, pin};
use nacre_manifest::board::{self, Board};
use nacre_manifest::image::KernelChoice;

use crate::cache::Cache;
use crate::failure::{Exit, Failure, OrFail};
use crate::interrupt::Interrupts;
use crate::kernel;
use crate::terminal::Terminal;
use crate::workspace::Workspace;

/// Arguments of `nacre kernel`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  nacre kernel explain SECCOMP_FILTER")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check that the final configuration is what the fragments ask for.
    #[command(
        after_help = "Example:\n  nacre kernel check --board qemu-armv7\n\nEach option that was dropped or \
        changed is named with the unmet dependency\nthat did it; exit code 65.\n\nWith --hardening: \
        every setting that the kernel and the Kernel Self Protection\nProject recommend, whether it is kept, \
        and the reason and price where it isn't.\nOne that is neither kept nor listed with a reason is an \
        error; exit code 65."
    )]
    Check(Check),
    /// Say why a symbol is on or off and what it depends on.
    #[command(after_help = "Example:\n  nacre kernel explain IPC_NS")]
    Explain(Explain),
    /// Build the kernel into the cache and print where it is.
    #[command(after_help = "Example:\n  nacre kernel build --board qemu-armv7")]
    Build(Target),
    /// Unpack the kernel's pinned source and print where it is.
    #[command(after_help = "Example:\n  nacre kernel source")]
    Source(Target),
    /// Add the installed source package, or a tarball, to the lock file.
    #[command(after_help = "Examples:\n  nacre kernel pin\n  nacre kernel pin linux-6.12.50.tar.xz")]
    Pin(Pin),
}

#[derive(Debug, clap::Args)]
struct Target {
    /// The board: a name, or a file.
    #[arg(long, value_name = "BOARD", default_value = "qemu-armv7")]
    board: String,
    /// The board's control kernel, open to attacks: for tests.
    #[arg(long)]
    control: bool,
}

#[derive(Debug, clap::Args)]
struct Check {
    #[command(flatten)]
    target: Target,
    /// List the recommended hardening settings beside ours.
    #[arg(long)]
    hardening: bool,
    /// Print the list as JSON.
    #[arg(long, requires = "hardening")]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Explain {
    /// The symbol, with or without `CONFIG_`.
    symbol: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
struct Pin {
    /// A source tarball; without it, the installed Debian package.
    tarball: Option<PathBuf>,
}

/// Does it.
pub fn execute(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let interrupts = Interrupts::catch()?;
    let here =
        std::env::current_dir().or_fail(Exit::Internal, || "can't find the current folder".to_owned())?;
    let workspace = Workspace::find(&[&here])?;
    let cache = Cache::open()?;
    match args.command {
        Command::Check(Check { target, hardening: true, json }) => {
            let board = target.load(&workspace)?;
            let lists = kernel::hardening_lists(&board, &workspace);
            let request = target.request(&workspace)?;
            let found = interrupts
                .during(|cancel| {
                    request.hardening(&lists, cache.root(), &Progress::stderr().with_cancel(cancel))
                })
                .map_err(|e| Report::from(&e))?;
            if json {
                super::print(&format!("{:#}\n", serde_json::json!(found)))?;
            } else {
                super::print(&found.to_string())?;
            }
            Ok(Report::from(&found).or(())?)
        }
        Command::Check(Check { target, .. }) => {
            let request = target.request(&workspace)?;
            let found = interrupts
                .during(|cancel| request.check(cache.root(), &Progress::stderr().with_cancel(cancel)))
                .map_err(|e| Report::from(&e))?;
            if let Some(warning) = &found.source.warning {
                terminal.warning(warning);
            }
            super::print(&format!(
                "kernel {}: all {} options are as asked, {} are on in all\n{}\n",
                found.source.version,
                found.options,
                found.enabled,
                found.config.display()
            ))
        }
        Command::Explain(explain) => {
            let request = explain.target.request(&workspace)?;
            let explanation = interrupts
                .during(|cancel| {
                    let progress = Progress::stderr().with_cancel(cancel);
                    request.explain(cache.root(), &progress, &explain.symbol)
                })
                .map_err(|e| Report::from(&e))?;
            super::print(&explanation.to_string())
        }
        Command::Build(target) => {
            let built = kernel::ready(&target.request(&workspace)?, &cache, terminal, &interrupts)?;
            terminal.notice(&format!(
                "kernel {}, {}",
                built.release,
                if built.cached { "from the cache" } else { "built now" }
            ));
            super::print(&format!("{}\n", built.image.display()))
        }
        Command::Source(target) => {
            let request = target.request(&workspace)?;
            let tree = interrupts
                .during(|cancel| request.source_tree(cache.root(), &Progress::stderr().with_cancel(cancel)))
                .map_err(|e| Report::from(&e))?;
            super::print(&format!("{}\n", tree.display()))
        }
        Command::Pin(Pin { tarball }) => {
            let lock = kernel::lock_file(&workspace);
            let pinned = interrupts
                .during(|cancel| {
                    let progress = Progress::stderr().with_cancel(cancel);
                    pin(&lock, tarball.as_deref(), cache.root(), &progress)
                })
                .map_err(|e| Report::from(&e))?;
            let how = if pinned.unchanged { "was pinned already" } else { "is pinned now" };
            super::print(&format!(
                "kernel {} {how}: sha256 {}\n",
                pinned.source.version, pinned.source.sha256
            ))
        }
    }
}

impl Target {
    fn request(&self, workspace: &Workspace) -> Result<KernelRequest, Failure> {
        let choice = if self.control { KernelChoice::Control } else { KernelChoice::Product };
        kernel::request(&self.load(workspace)?, choice, workspace)
    }

    fn load(&self, workspace: &Workspace) -> Result<Board, Failure> {
        let named = Path::new(&self.board);
        let of_checkout = workspace.root().join("recipes/boards").join(format!("{}.yaml", self.board));
        if of_checkout.is_file() {
            return Ok(board::load(&of_checkout)?);
        }
        if named.is_file() {
            return Ok(board::load(named)?);
        }
        Err(Failure::new(Exit::NotFound, format!("there is no board `{}`", self.board))
            .hint("name a file in recipes/boards without .yaml, or the path of a board's file"))
    }
}
