//! The app manifest, `nacre.yaml`: text to what the device enforces and what the build needs.

mod amounts;
mod board_limits;
pub mod bounds;
mod devices;
mod elsewhere;
mod files;
mod network;
mod notices;
mod peers;
mod read;
mod way;

use std::path::{Path, PathBuf};

use nacre_diag::{Place, Report};

use crate::device::Manifest;
use crate::yaml::{Node, Reading, read_file, shown};

pub use board_limits::check_limits;
pub use devices::{DevicePlaces, check_devices};
pub use files::AppFile;
pub use network::check_ports;
pub use peers::check_peers;

/// Name of the manifest in an app's folder.
pub const FILE_NAME: &str = "nacre.yaml";

/// Folder of programs in an app's image; what `build: cargo` makes lands here.
pub const BIN_FOLDER: &str = "/app/bin";

/// Folder of the sources of `build: c`, in the app's folder.
pub const C_FOLDER: &str = "src";

/// A validated app manifest, with what only the build needs.
#[derive(Debug, Clone)]
pub struct AppSource {
    /// The manifest's file, as the caller named it.
    pub file: String,
    /// The app's folder: the one that holds the manifest. Sources and the crate are relative to it.
    pub folder: PathBuf,
    /// What the device enforces.
    pub manifest: Manifest,
    /// How the app's programs are made.
    pub build: Build,
    /// Files that are packed as they are, in the order of their paths in the image.
    pub files: Vec<AppFile>,
    /// Where things stand in the file, for errors that only the build can find.
    pub places: Places,
}

/// How an app's programs are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Build {
    /// The crate in the app's folder: every binary that it names lands in [`BIN_FOLDER`].
    Cargo {
        /// The package, if the folder is a workspace with more than one.
        package: Option<String>,
    },
    /// The C sources in the app's folder ([`C_FOLDER`]): one program, the first word of `run`.
    C,
    /// A command, run in a copy of the app's folder: every file that it leaves in the folder `NACRE_OUT` lands in
    /// [`BIN_FOLDER`]. A program and its arguments, without a shell.
    Command(Vec<String>),
    /// Nothing is built: the programs are among the `files`.
    None,
}

/// Where things stand in a manifest.
#[derive(Debug, Clone)]
pub struct Places {
    /// The component id.
    pub app: Place,
    /// The way of building.
    pub build: Place,
    /// The program: `run[0]`.
    pub program: Place,
    /// The entries of `apps`, in the order of [`Manifest::peers`].
    pub peers: Vec<Place>,
    /// The entries of `network.listen`, in the order of [`Network::listen`](crate::device::Network::listen).
    pub listen: Vec<Place>,
    /// The entries of `network.connect`, in the order of [`Network::connect`](crate::device::Network::connect).
    pub connect: Vec<Place>,
    /// `system`, or the file; and so on.
    pub system: Place,
    /// `events`.
    pub events: Place,
    /// `health`.
    pub health: Place,
    /// The entries of `devices`.
    pub devices: DevicePlaces,
    /// `limits.memory`, or the component id if it is the default.
    pub memory: Place,
    /// `limits.tasks`, or the component id if it is the default.
    pub tasks: Place,
    /// `storage`, or the file.
    pub data: Place,
}

impl AppSource {
    /// Path of the program in the app's image: the first word of `run`.
    pub fn program(&self) -> &str {
        self.manifest.run.first().map_or("", String::as_str)
    }
}

/// Validates the text of a manifest. `file` is its name in messages; its folder is the app's folder.
///
/// # Errors
/// Everything that is wrong, in reading order. The exit code is 65 for bad input, 64 if nothing else is
/// wrong but a field that can't be enforced at this stage.
pub fn parse(text: &str, file: &str) -> Result<AppSource, Report> {
    read::read(text, file)
}

/// Reads and validates a manifest: a file, or the [`FILE_NAME`] in a folder. Checks also that the files it
/// names are there and, links followed, inside the app's folder.
///
/// # Errors
/// As [`parse`]; 66 if the manifest or a file it names is missing.
pub fn load(path: &Path) -> Result<AppSource, Report> {
    let path = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
    let text = read_file(&path)?;
    let app = parse(&text, &path.display().to_string())?;
    files::check(&app.folder, &app.files).or(app)
}

/// A version for people, of an app or an image.
pub(crate) fn version_text(reading: &mut Reading<'_>, node: &Node) -> Option<String> {
    let text = reading.text(node)?;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-');
    let starts_well = text.starts_with(|c: char| c.is_ascii_digit());
    if !starts_well || text.len() > bounds::MAX_VERSION || !text.chars().all(good) {
        let hint =
            "it begins with a digit, has letters, digits, `.`, `-`, `+`, and at most 32 bytes: like `1.0.0`";
        reading.bad(node, format!("`version`: `{}` is not a version", shown(text)), hint);
        return None;
    }
    Some(text.to_owned())
}
