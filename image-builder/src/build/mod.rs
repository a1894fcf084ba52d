//! `nacre build`: from a recipe to the folder with slot, disk and packages.

use std::fs;
use std::path::{Path, PathBuf};

use nacre_diag::Diagnostic;
use nacre_manifest::app::{self, AppSource};
use nacre_manifest::board::{self, Board};
use nacre_manifest::device::{self, ImageInfo, PublicKey};
use nacre_manifest::image::{self, ImageRecipe, Profile};
use nacre_verify::digest::Digest;
use nacre_verify::slot::{Contents, CriticalApp, Parts, Slot};

use crate::cache::Cache;
use crate::device_programs::{self, LayerSwitches};
use crate::disk::{self, Layout};
use crate::failure::{Exit, Failure, OrFail};
use crate::interrupt::Interrupts;
use crate::kernel::shortest;
use crate::keys::{KeyFolder, KeyStore, Role};
use crate::output::Output;
use crate::programs::Program;
use crate::root_image::{self, RootFile};
use crate::sizes::{FileSize, Sizes};
use crate::terminal::Terminal;
use crate::toolchain::{Architecture, Toolchain};
use crate::workspace::Workspace;
use crate::{board_file, data_image, guid, kernel, slot};

mod package;

pub use package::Package;

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
    if !recipe.layers_off.is_empty() {
        terminal.warning(&format!(
            "sandbox layers are off ({}): apps are not confined; for the sandbox's own tests only",
            recipe.layers_off.join(", ")
        ));
    }
    let layout = Layout::new(board.disk.size_bytes, board.disk.slot_bytes)?;
    check_storage(&inputs.apps, layout.data_bytes)?;
    let target =
        request.out.clone().unwrap_or_else(|| format!("out/{}-{}", recipe.image, board.board).into());
    let output = Output::prepare(&target)?;
    let kernel_request = kernel::request(board, &workspace)?;

    let cache = Cache::open()?;
    let toolchain = Toolchain::find(architecture, &cache, workspace.root())?;

    let scratch = output.scratch()?;
    let switches = if recipe.layers_off.is_empty() { LayerSwitches::Absent } else { LayerSwitches::Present };
    let programs = scratch.join("programs");
    let mut files = device_programs::build(&toolchain, &workspace, switches, &programs, terminal)?;
    let packages = inputs
        .apps
        .iter()
        .map(|app| Package::build(app, &toolchain, &app_key, &keys.set.app_keys(), &scratch, terminal))
        .collect::<Result<Vec<_>, _>>()?;

    // After the programs: mistakes in their sources show first, and the kernel may take minutes.
    let kernel = kernel::build(&kernel_request, &cache, terminal, interrupts)?;

    files.push(RootFile {
        path: "/etc/nacre/image.cbor",
        mode: 0o644,
        content: device::encode(&inputs.image_info(&keys)),
    });
    let root = root_image::make(&files)?;
    let contents = Contents { rootfs: &root, kernel: &kernel, device_tree: &[] };
    let description = inputs.slot(architecture, Parts::of(&contents));
    let (slot, slot_bytes) = slot::assemble(description, &contents, &keys, &os_key)?;

    write(&output, "slot.img", &slot_bytes)?;
    for package in &packages {
        write(&output, &format!("{}.app", package.component), &package.archive)?;
    }
    write(&output, board_file::FILE_NAME, inputs.board_text.as_bytes())?;
    write_disk(&output, &layout, &inputs, &packages, &slot_bytes, &scratch)?;

    let mut files: Vec<FileSize> =
        files.iter().map(|f| FileSize { path: f.path.to_owned(), bytes: length(&f.content) }).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
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

impl Inputs {
    fn read(request: &Request) -> Result<Self, Failure> {
        let recipe = image::load(&request.recipe)?;
        let board_name = request.board.as_deref().unwrap_or(&recipe.board);
        let board_file = recipe.board_file(board_name)?;
        let board_text = board::read(&board_file)?;
        let board = board::parse(&board_text, &board_file.display().to_string())?;
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
        app::check_peers(&apps)?;
        Ok(Self { recipe, board, board_text, apps })
    }

    fn image_info(&self, keys: &KeyFolder) -> ImageInfo {
        let critical = self.apps.iter().filter(|app| app.manifest.critical);
        ImageInfo {
            image: self.recipe.image.clone(),
            version: self.recipe.version.clone(),
            board: self.board.board.clone(),
            development: self.recipe.profile == Profile::Development,
            development_keys: keys.set.development,
            app_keys: keys.set.app_keys().iter().map(|key| PublicKey(*key.as_bytes())).collect(),
            critical: critical
                .map(|app| device::CriticalApp {
                    app: app.manifest.app.clone(),
                    min_rollback_index: app.manifest.rollback_index,
                })
                .collect(),
            layers_off: self.recipe.layers_off.clone(),
            time_servers: Vec::new(),
        }
    }

    fn slot(&self, architecture: &Architecture, parts: Parts) -> Slot {
        let critical = self.apps.iter().filter(|app| app.manifest.critical);
        Slot {
            image: self.recipe.image.clone(),
            version: self.recipe.version.clone(),
            rollback_index: self.recipe.rollback_index,
            profile: match self.recipe.profile {
                Profile::Production => nacre_verify::target::Profile::Production,
                Profile::Development => nacre_verify::target::Profile::Development,
            },
            board: self.board.board.clone(),
            arch: architecture.signed,
            slot_bytes: self.board.disk.slot_bytes,
            parts,
            arguments: self.board.cmdline.clone(),
            critical: critical
                .map(|app| CriticalApp {
                    app: app.manifest.app.to_string(),
                    min_rollback_index: app.manifest.rollback_index,
                })
                .collect(),
            board_digest: Digest::of(self.board_text.as_bytes()),
        }
    }
}

/// Checks that the apps' storage can all be used at once: a quota is a promise.
fn check_storage(apps: &[AppSource], partition_bytes: u64) -> Result<(), Failure> {
    let promised: u64 = apps.iter().fold(0, |sum, app| sum.saturating_add(app.manifest.data_bytes));
    if promised.saturating_add(data_image::JOURNAL_BYTES) <= partition_bytes {
        return Ok(());
    }
    let of_each = apps.iter().filter(|app| app.manifest.data_bytes > 0);
    let causes = of_each.map(|app| format!("`{}`: {}", app.file, app.manifest.data_bytes));
    let what = format!(
        "the apps may store {promised} bytes (`storage.data`), and the data partition has {partition_bytes}, \
        its journal included"
    );
    let found = Diagnostic::error(Exit::BadInput, what).with_cause(causes.collect::<Vec<_>>().join(", "));
    Err(found.with_hint("let the apps store less, or make the board's disk larger").into())
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

fn write_disk(
    output: &Output,
    layout: &Layout,
    inputs: &Inputs,
    packages: &[Package],
    slot: &[u8],
    scratch: &Path,
) -> Result<(), Failure> {
    let (board, image) = (&inputs.board.board, &inputs.recipe.image);
    let folder = |path: &str, mode: u32| (path.to_owned(), data_image::Entry::Folder(mode));
    let mut content = vec![folder("packages", 0o755), folder("apps", 0o755), folder("state", 0o700)];
    for package in packages {
        content.extend(package.on_data(scratch)?);
    }
    let data = scratch.join("data.img");
    let uuid = guid::derive(board, image, "data-filesystem");
    data_image::write(&data, layout.data_bytes, &uuid, &content, scratch)?;
    disk::write(&output.path().join("disk.img"), layout, board, image, slot, &data)
}

fn write(output: &Output, name: &str, content: &[u8]) -> Result<(), Failure> {
    let path = output.path().join(name);
    fs::write(&path, content)
        .or_fail(Exit::Internal, || format!("can't write `{}`", output.target().join(name).display()))
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
