//! `nacre build`: from a recipe to the folder with slot, disk and packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use nacre_diag::Diagnostic;
use nacre_manifest::app::{self, AppSource};
use nacre_manifest::board::{self, Board, Disk};
use nacre_manifest::image::{self, ImageRecipe, KernelChoice, Profile};

use crate::cache::Cache;
use crate::disk::{self, Layout};
use crate::failure::{Exit, Failure, OrFail};
use crate::interrupt::Interrupts;
use crate::kernel::shortest;
use crate::keys::{KeyFolder, KeyStore, Role};
use crate::output::Output;
use crate::programs::Program;
use crate::sizes::Sizes;
use crate::terminal::Terminal;
use crate::toolchain::{Architecture, Toolchain};
use crate::workspace::Workspace;
use crate::{board_file, kernel};

mod apps;
mod command;
mod compile;
mod copy;
mod package;
mod storage;
mod system;

use apps::Apps;
pub use compile::Maker;
pub(crate) use copy::newest_change;
pub use package::{Files, Package, Packer, Programs, Seal, files};
use system::System;

/// What is to be built.
#[derive(Debug, Clone)]
pub struct Request {
    /// The image's recipe.
    pub recipe: PathBuf,
    /// A board other than the recipe's.
    pub board: Option<String>,
    /// Where to; `out/<image>-<board>` without it.
    pub out: Option<PathBuf>,
    /// Name of the key set.
    pub keys: String,
}

/// What was built.
#[derive(Debug)]
pub struct Built {
    /// The folder.
    pub folder: PathBuf,
    /// How large everything is.
    pub sizes: Sizes,
}

/// Recipe, board and manifests, read and found to be good.
struct Inputs {
    recipe: ImageRecipe,
    board: Board,
    board_text: String,
    apps: Vec<AppSource>,
    warnings: nacre_diag::Report,
}

/// What the parts of an image are built from and with.
struct Site<'a> {
    inputs: &'a Inputs,
    keys: &'a KeyFolder,
    toolchain: &'a Toolchain,
    output: &'a Output,
    scratch: &'a Path,
    terminal: &'a Terminal,
}

/// Builds an image. Nothing is written to its place before everything is done.
pub fn build(request: &Request, terminal: &Terminal, interrupts: &Interrupts) -> Result<Built, Failure> {
    let inputs = Inputs::read(request)?;
    let Inputs { recipe, board, .. } = &inputs;
    let here =
        std::env::current_dir().or_fail(Exit::Internal, || "can't find the current folder".to_owned())?;
    let architecture = Architecture::of(board.arch);
    inputs.apps.iter().try_for_each(|app| package::check_listed(app, architecture))?;
    let workspace = Workspace::find(&[&recipe.folder, &here])?;
    // Before anything that takes minutes: they would be missed only at the end.
    Program::check_all()?;
    let keys = open_keys(&request.keys, recipe.profile, terminal)?;
    let (os_key, app_key) = (keys.private(Role::Os)?, keys.private(Role::App)?);
    for of in &recipe.layers_off_of {
        let (app, layers) = (&of.app, of.layers.join(", "));
        terminal.warning(&format!(
            "sandbox layers of `{app}` are off ({layers}); for the sandbox's own tests only"
        ));
    }
    if !recipe.layers_off.is_empty() {
        terminal.warning(&format!(
            "sandbox layers are off ({}): apps are not confined; for the sandbox's own tests only",
            recipe.layers_off.join(", ")
        ));
    }
    if recipe.kernel == KernelChoice::Control {
        terminal.warning(
            "control kernel: it has what the board's kernel leaves out, open on purpose to attacks; for tests only",
        );
    }
    terminal.print(&inputs.warnings);
    let layout = Layout::new(board.disk.size_bytes, board.disk.slot_bytes)?;
    storage::check_early(&inputs.apps, board, layout.data_bytes)?;
    let target =
        request.out.clone().unwrap_or_else(|| format!("out/{}-{}", recipe.image, board.board).into());
    let output = Output::prepare(&target)?;
    let kernel_request = kernel::request(board, recipe.kernel, &workspace)?;

    let cache = Cache::open()?;
    let toolchain = Toolchain::find(architecture, &cache, workspace.root())?;

    let scratch = output.scratch()?;
    let site = Site {
        inputs: &inputs,
        keys: &keys,
        toolchain: &toolchain,
        output: &output,
        scratch: &scratch,
        terminal,
    };
    let (system, apps) = std::thread::scope(|scope| {
        let (compiled, apps_compiled) = mpsc::channel();
        let site = &site;
        let (cache, workspace, request, key) = (&cache, &workspace, &kernel_request, &os_key);
        let system = scope.spawn(move || -> Result<Option<System>, Failure> {
            let programs = system::programs(site, workspace)?;
            // After all programs: mistakes in their sources show first, and the kernel may take minutes.
            let Ok(()) = apps_compiled.recv() else { return Ok(None) };
            let kernel = kernel::build(request, cache, terminal, interrupts)?;
            System::assemble(site, programs, &kernel, key).map(Some)
        });
        let apps = Apps::build(site, &app_key, &layout, compiled);
        (system.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), apps)
    });
    let (system, Apps { packages, data }) = (system?, apps?);
    let System { slot, bytes, files } = system
        .ok_or_else(|| Failure::new(Exit::Internal, "the apps were built, but not the system around them"))?;
    write(&output, board_file::FILE_NAME, inputs.board_text.as_bytes())?;
    let disk = output.path().join("disk.img");
    disk::write(&disk, &layout, &board.board, &recipe.image, &bytes, &data)?;

    let sizes = Sizes {
        format: Sizes::FORMAT,
        image: recipe.image.clone(),
        version: recipe.version.clone(),
        board: board.board.clone(),
        slot_bytes: slot.slot_bytes,
        slot_bytes_without_apps: slot.parts.slot_bytes_needed(),
        disk_bytes: layout.disk_bytes,
        data_bytes: layout.data_bytes,
        parts: Sizes::parts_of(&slot),
        files,
        apps: packages.iter().map(Package::size).collect(),
    };
    let json = serde_json::to_string_pretty(&sizes)
        .or_fail(Exit::Internal, || "can't write sizes.json".to_owned())?;
    write(&output, "sizes.json", format!("{json}\n").as_bytes())?;
    let folder = output.publish()?;
    if keys.set.development {
        terminal.warning("signed with development keys, which anybody may hold: for development only");
    }
    Ok(Built { folder, sizes })
}

/// A disk with room for the control kernel, which is nearly twice as large as a board's.
fn with_control_kernel(Disk { size_bytes, slot_bytes }: Disk) -> Disk {
    let more = slot_bytes.saturating_mul(2);
    Disk { size_bytes: size_bytes.saturating_add(more), slot_bytes: more }
}

impl Inputs {
    fn read(request: &Request) -> Result<Self, Failure> {
        let recipe = image::load(&request.recipe)?;
        let board_name = request.board.as_deref().unwrap_or(&recipe.board);
        let board_file = board_file_of(&recipe, board_name)?;
        let board_text = board::read(&board_file)?;
        let mut board = board::parse(&board_text, &board_file.display().to_string())?;
        if recipe.kernel == KernelChoice::Control {
            board.disk = with_control_kernel(board.disk);
        }
        if board.board != board_name {
            return Err(Failure::new(
                Exit::BadInput,
                format!(
                    "`{}` describes the board `{}`, not `{board_name}`",
                    board_file.display(),
                    board.board
                ),
            )
            .hint("a board's file is named like the board"));
        }
        // Everything that is wrong with any app, at once.
        let mut problems = nacre_diag::Report::new();
        let mut apps = Vec::new();
        for entry in &recipe.apps {
            let file = match entry.folder.canonicalize() {
                Ok(folder) => shortest(folder).join(app::FILE_NAME),
                Err(_) => entry.manifest_file(),
            };
            if !file.exists() {
                let what = format!("no app in `{}`: it has no {}", entry.folder.display(), app::FILE_NAME);
                let found = Diagnostic::error(Exit::NotFound, what).at(entry.place.clone());
                problems.push(found.with_hint("the path leads from the recipe's folder to the app's folder"));
                continue;
            }
            match app::load(&file) {
                Ok(app) => apps.push(app),
                Err(report) => problems.append(report),
            }
        }
        let apps = problems.or(apps)?;
        let mut problems = nacre_diag::Report::new();
        for found in [app::check_peers(&apps), app::check_ports(&apps), app::check_devices(&apps, &board)] {
            problems.append(found.err().unwrap_or_default());
        }
        let limits = app::check_limits(&apps, &board);
        let warnings = limits.unwrap_or_else(|breaches| {
            problems.append(breaches);
            nacre_diag::Report::new()
        });
        let apps = problems.or(apps)?;
        Ok(Self { recipe, board, board_text, apps, warnings })
    }
}

/// The file of a board that a recipe, or who builds it, names; for who keeps recipes elsewhere, the checkout's.
pub(crate) fn board_file_of(recipe: &ImageRecipe, board: &str) -> Result<PathBuf, nacre_diag::Report> {
    recipe.board_file(board).or_else(|missing| {
        let here = std::env::current_dir().unwrap_or_default();
        let workspace = Workspace::find(&[&recipe.folder, &here]).ok();
        workspace.map(|workspace| workspace.board_file(board)).filter(|file| file.is_file()).ok_or(missing)
    })
}

fn open_keys(name: &str, profile: Profile, terminal: &Terminal) -> Result<KeyFolder, Failure> {
    let (keys, made) = KeyStore::open()?.load_or_create_development(name)?;
    if made {
        terminal.notice(&format!("made the key set `{}` in `{}`", keys.name, keys.path.display()));
    }
    if keys.set.development && profile == Profile::Production {
        return Err(Failure::new(
            Exit::Refused,
            format!("an image with `profile: production` can't be signed with the development keys `{name}`"),
        )
        .hint("make keys of your own: nacre key new NAME, then nacre build --keys NAME"));
    }
    Ok(keys)
}

fn write(output: &Output, name: &str, content: &[u8]) -> Result<(), Failure> {
    let path = output.path().join(name);
    fs::write(&path, content)
        .or_fail(Exit::Internal, || format!("can't write `{}`", output.target().join(name).display()))
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
