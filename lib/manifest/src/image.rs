//! An image recipe: which apps on which board, under which version.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nacre_diag::{Diagnostic, ExitCode, Place, Report, did_you_mean};

use crate::app;
use crate::component::ComponentId;
use crate::device::{AppLayers, LAYERS};
use crate::host::parse_host;
use crate::path::{Climb, folder_of, source_path};
use crate::yaml::{Fields, Node, Reading, read_file, shown};

/// Apps in one image: each costs the device memory, and the smallest one holds eight or so.
pub const MAX_APPS: usize = 32;

/// Time servers of an image: more of them make no clock more right.
pub const MAX_TIME_SERVERS: usize = 4;

/// A validated image recipe.
#[derive(Debug, Clone)]
pub struct ImageRecipe {
    /// The recipe's file, as the caller named it.
    pub file: String,
    /// The folder that holds it; relative paths in it start there.
    pub folder: PathBuf,
    /// Name of the image.
    pub image: String,
    /// Version for people.
    pub version: String,
    /// Version for machines: an older one never replaces a newer one.
    pub rollback_index: u64,
    /// What the image may do that a product's must not.
    pub profile: Profile,
    /// Name of the board, unless the command line names another.
    pub board: String,
    /// Its apps, in the order of the recipe.
    pub apps: Vec<AppEntry>,
    /// Names or addresses of time servers, asked beside those that the network offers.
    pub time_servers: Vec<String>,
    /// Sandbox layers that are off, for the sandbox's own tests; empty in every other image.
    pub layers_off: Vec<String>,
    /// The same for single apps.
    pub layers_off_of: Vec<AppLayers>,
    /// Which of the board's kernels it has.
    pub kernel: KernelChoice,
    /// Where the board is named.
    pub board_place: Place,
}

/// An app of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppEntry {
    /// The app's folder: the recipe's folder with the entry's path.
    pub folder: PathBuf,
    /// Where the recipe names it.
    pub place: Place,
}

/// Which of a board's kernels an image has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KernelChoice {
    /// The one that its board asks for.
    #[default]
    Product,
    /// That one with what it leaves out, so that attacks on it can be seen to work: only for tests.
    Control,
}

impl KernelChoice {
    /// The word of the recipe and of messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Control => "control",
        }
    }
}

/// What an image may do that a product's must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// For products.
    Production,
    /// Verbose console, killing apps through the device channel, layers off for tests.
    Development,
}

impl Profile {
    /// The word of the recipe and of the signed envelope.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Development => "development",
        }
    }
}

impl ImageRecipe {
    /// The file that describes the board of that name: `<board>.yaml` beside the recipe, in the folder
    /// `boards` beside the recipe's folder, or in `recipes/boards` of a folder above.
    ///
    /// # Errors
    /// 66 with the places that were searched, at the recipe's line.
    pub fn board_file(&self, board: &str) -> Result<PathBuf, Report> {
        let name = format!("{board}.yaml");
        let mut places = vec![self.folder.join(&name), self.folder.join("../boards").join(&name)];
        if let Ok(folder) = self.folder.canonicalize() {
            places.extend(folder.ancestors().skip(1).map(|above| above.join("recipes/boards").join(&name)));
        }
        if let Some(found) = places.iter().find(|file| file.is_file()) {
            return Ok(found.clone());
        }
        let mut found = Diagnostic::error(ExitCode::NotFound, format!("no board `{board}`"))
            .at(self.board_place.clone())
            .with_cause(format!(
                "there is no `{name}` beside the recipe, in `../boards`, or in `recipes/boards` of a folder above"
            ));
        // Every file beside a recipe might be a board; those in a folder of boards are.
        let boards = boards_in(places.iter().skip(1).filter_map(|file| file.parent()));
        if let Some(near) = did_you_mean(board, boards.iter().map(String::as_str)) {
            found = found.with_hint(format!("did you mean `{near}`?"));
        } else if !boards.is_empty() {
            found = found.with_hint(format!("boards that are there: {}", boards.join(", ")));
        } else {
            found = found.with_hint(format!("describe the board in `{name}` beside the recipe"));
        }
        Err(found.into())
    }
}

/// Names of the boards in folders, sorted.
fn boards_in<'p>(folders: impl Iterator<Item = &'p Path>) -> Vec<String> {
    let files = folders.filter_map(|folder| folder.read_dir().ok()).flatten().flatten();
    let names = files.filter_map(|file| {
        let path = PathBuf::from(file.file_name());
        let is_yaml = path.extension().is_some_and(|end| end == "yaml");
        path.file_stem().and_then(|name| name.to_str()).filter(|_| is_yaml).map(str::to_owned)
    });
    names.collect::<BTreeSet<String>>().into_iter().collect()
}

impl AppEntry {
    /// The app's manifest.
    pub fn manifest_file(&self) -> PathBuf {
        self.folder.join(app::FILE_NAME)
    }
}

/// Validates the text of a recipe. `file` is its name in messages; its folder is where its paths start.
///
/// # Errors
/// Everything that is wrong, in reading order, with the exit code 65, or 64 where only a rule forbids it.
pub fn parse(text: &str, file: &str) -> Result<ImageRecipe, Report> {
    let (mut reading, root) = Reading::start(text, file)?;
    let r = &mut reading;
    let known = ["image", "version", "rollback-index", "profile", "board", "apps", "time-servers", "testing"];
    let fields = r.fields(&root, &known);
    let folder = folder_of(file);
    let image = fields.need(r, "image", "image: demo").and_then(|node| name(r, node));
    let version = fields.need(r, "version", "version: 0.1.0").and_then(|n| app::version_text(r, n));
    let rollback_index =
        fields.need(r, "rollback-index", "rollback-index: 1").and_then(|node| r.number(node, 0..=u64::MAX));
    let profiles = [Profile::Production, Profile::Development].map(|profile| (profile.as_str(), profile));
    let profile = fields.need(r, "profile", "profile: development").and_then(|node| r.word(node, &profiles));
    let board = fields.need(r, "board", "board: qemu-armv7").and_then(|node| name(r, node));
    let apps = fields
        .need(r, "apps", "apps: [../apps/thermostat]")
        .map(|node| read_apps(r, node, &folder))
        .unwrap_or_default();
    let time_servers = time_servers(r, &fields);
    let Testing { layers_off, layers_off_of, kernel } = testing(r, &fields, profile);
    let board_place = reading.place_or_file(fields.get("board"));
    let recipe = (|| {
        Some(ImageRecipe {
            file: file.to_owned(),
            folder,
            image: image?,
            version: version?,
            rollback_index: rollback_index?,
            profile: profile?,
            board: board?,
            apps,
            time_servers,
            layers_off,
            layers_off_of,
            kernel,
            board_place,
        })
    })();
    reading.finish(recipe)
}

/// Reads and validates a recipe.
///
/// # Errors
/// As [`parse`]; 66 if there is no such file.
pub fn load(path: &Path) -> Result<ImageRecipe, Report> {
    parse(&read_file(path)?, &path.display().to_string())
}

/// The name of an image or a board: safe as a file name.
pub(crate) fn name(reading: &mut Reading<'_>, node: &Node) -> Option<String> {
    let text = reading.text(node)?;
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let first = text.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !first || text.len() > 32 || !text.chars().all(good) {
        let hint = "it has a-z, 0-9, `-`, `_`, begins with a letter or digit, and has at most 32 bytes";
        reading.bad(node, format!("`{}`: `{}` is not a name", node.label, shown(text)), hint);
        return None;
    }
    Some(text.to_owned())
}

fn read_apps(reading: &mut Reading<'_>, node: &Node, folder: &Path) -> Vec<AppEntry> {
    let mut apps: Vec<AppEntry> = Vec::new();
    for item in reading.list(node, MAX_APPS, "apps: [../apps/thermostat]") {
        let Some(text) = reading.text(item) else { continue };
        match source_path(text, Climb::Allowed) {
            Ok(path) => {
                let entry = AppEntry { folder: folder.join(path), place: reading.place(item) };
                if apps.iter().any(|app| app.folder == entry.folder) {
                    let message = format!("`{}`: `{}` is there twice", item.label, shown(text));
                    reading.bad(item, message, "remove one of them");
                } else {
                    apps.push(entry);
                }
            }
            Err(slip) => reading.bad(item, format!("`{}`: {}", item.label, slip.message), slip.hint),
        }
    }
    apps
}

fn time_servers(reading: &mut Reading<'_>, fields: &Fields<'_>) -> Vec<String> {
    let mut servers = Vec::new();
    let Some(node) = fields.get("time-servers") else { return servers };
    for item in reading.list(node, MAX_TIME_SERVERS, "time-servers: [pool.ntp.org]") {
        let Some(host) = reading.measure(item, "a name like `pool.ntp.org`", parse_host) else { continue };
        let server = host.to_string();
        if servers.contains(&server) {
            reading.bad(item, format!("`{}` is there twice", item.label), "remove one of them");
        } else {
            servers.push(server);
        }
    }
    servers
}

/// The one layer that is not around a single app.
const PACKET_FILTER: &str = "packet-filter";

/// What only images for tests may have.
#[derive(Default)]
struct Testing {
    layers_off: Vec<String>,
    layers_off_of: Vec<AppLayers>,
    kernel: KernelChoice,
}

fn testing(reading: &mut Reading<'_>, fields: &Fields<'_>, profile: Option<Profile>) -> Testing {
    let Some(testing) = fields.get("testing") else {
        return Testing::default();
    };
    let inner = reading.fields(testing, &["layers-off", "apps", "kernel"]);
    let layers_off = inner.get("layers-off").map(|node| layers_off(reading, node)).unwrap_or_default();
    let layers_off_of = inner.get("apps").map(|node| layers_off_of(reading, node)).unwrap_or_default();
    let kernels = [KernelChoice::Product, KernelChoice::Control].map(|choice| (choice.as_str(), choice));
    let kernel = inner.get("kernel").and_then(|node| reading.word(node, &kernels));
    if profile == Some(Profile::Production) {
        let message = "`testing` is refused in an image with `profile: production`: it weakens the sandbox";
        reading.refuse_key(
            testing,
            "testing",
            message.to_owned(),
            "remove it, or write `profile: development`",
        );
    }
    Testing { layers_off, layers_off_of, kernel: kernel.unwrap_or_default() }
}

fn layers_off(reading: &mut Reading<'_>, node: &Node) -> Vec<String> {
    let words = LAYERS.map(|layer| (layer, layer));
    let mut layers: Vec<String> = Vec::new();
    for item in reading.list(node, LAYERS.len(), "layers-off: [all]") {
        let Some(layer) = reading.word(item, &words) else { continue };
        if layers.iter().any(|other| other == layer) {
            reading.bad(item, format!("`{}` is there twice", item.label), "remove one of them");
        } else {
            layers.push(layer.to_owned());
        }
    }
    layers
}

/// `testing.apps`: component ids, each with the layers that are off for it alone.
fn layers_off_of(reading: &mut Reading<'_>, node: &Node) -> Vec<AppLayers> {
    let mut apps: Vec<AppLayers> = Vec::new();
    for (key, item) in reading.entries(node, "apps: { org.nacre.probe: [seccomp] }") {
        match key.parse::<ComponentId>() {
            Ok(app) => {
                let layers = layers_off(reading, item);
                if layers.iter().any(|layer| layer == PACKET_FILTER) {
                    let message = format!("`testing.apps.{app}`: `{PACKET_FILTER}` is one for all apps");
                    reading.bad(item, message, "write it under `testing.layers-off`");
                }
                apps.push(AppLayers { app, layers });
            }
            Err(error) => reading.bad_key(item, key, format!("`testing.apps`: {error}"), String::new()),
        }
    }
    apps
}
