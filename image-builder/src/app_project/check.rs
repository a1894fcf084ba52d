//! `nacre app check`: everything that is wrong with an app, at once, and how it fits its board.

use std::fmt::Write as _;
use std::path::PathBuf;

use nacre_diag::{Diagnostic, Report};
use nacre_manifest::app::bounds::DATA_BLOCK;
use nacre_manifest::app::{self, AppSource, Build, C_FOLDER};
use nacre_manifest::board::Board;
use nacre_manifest::describe::describe;
use nacre_manifest::image;
use nacre_manifest::show_size;
use serde::Serialize;

use super::{DEFAULT_BOARD, find_board, unused};
use crate::build::board_file_of;
use crate::disk::Layout;
use crate::failure::{Exit, Failure};
use crate::inspect::text::hang;

/// What is to be checked.
#[derive(Debug, Clone)]
pub struct Request {
    /// The app's folder, or its manifest.
    pub app: PathBuf,
    /// Name of a board, or path of its file.
    pub board: Option<String>,
    /// An image's recipe, whose other apps it must get along with.
    pub recipe: Option<PathBuf>,
}

/// An app without a mistake, and what it takes of its board.
#[derive(Debug)]
pub struct Checked {
    /// The app.
    pub app: AppSource,
    /// The board that it was checked against.
    pub board: Board,
    /// What is no mistake, but worth knowing.
    pub warnings: Report,
    /// What it may take, and of how much.
    pub fit: Vec<Fit>,
}

/// A thing that the board has so much of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fit {
    /// `memory`, `/tmp, of that`, `data`, and `package` where there is one.
    pub what: &'static str,
    /// What the app may take, in bytes.
    pub app_bytes: u64,
    /// What the board has, in bytes.
    pub board_bytes: u64,
    /// The line of the manifest that decides.
    pub by: &'static str,
}

/// Checks an app by itself, against a board and, with a recipe, beside that image's other apps.
///
/// # Errors
/// Everything that is wrong; the exit code is the worst.
pub fn check(request: &Request) -> Result<Checked, Failure> {
    judge(request, sources)
}

/// The same, but for the sources: for programs that are built already.
///
/// # Errors
/// As [`check`].
pub fn check_manifest(request: &Request) -> Result<Checked, Failure> {
    judge(request, |_| Report::new())
}

fn judge(request: &Request, sources: impl Fn(&AppSource) -> Report) -> Result<Checked, Failure> {
    let app = app::load(&request.app)?;
    let recipe = request.recipe.as_deref().map(image::load).transpose()?;
    let board_name = request
        .board
        .as_deref()
        .or(recipe.as_ref().map(|recipe| recipe.board.as_str()))
        .unwrap_or(DEFAULT_BOARD);
    let board = match &recipe {
        Some(recipe) if !board_name.contains('/') => {
            nacre_manifest::board::load(&board_file_of(recipe, board_name)?)?
        }
        _ => find_board(board_name, &app.folder)?,
    };
    let mut problems = sources(&app);
    let mut apps = vec![app];
    if let Some(recipe) = &recipe {
        let own = apps.first().map(|app| app.manifest.app.clone());
        for entry in &recipe.apps {
            match app::load(&entry.manifest_file()) {
                Ok(other) if Some(&other.manifest.app) != own.as_ref() => apps.push(other),
                Ok(_) => {}
                Err(found) => problems.append(found),
            }
        }
        for found in [app::check_peers(&apps), app::check_ports(&apps)] {
            problems.append(found.err().unwrap_or_default());
        }
    }
    problems.append(app::check_devices(&apps, &board).err().unwrap_or_default());
    let warnings = app::check_limits(&apps, &board).unwrap_or_else(|breaches| {
        problems.append(breaches);
        Report::new()
    });
    let app = apps.swap_remove(0);
    let fit = fit(&app, &board, &mut problems)?;
    problems.or(()).map_err(Failure::from)?;
    Ok(Checked { app, board, warnings, fit })
}

/// Where `nacre app build` puts the package when nobody says: `out/<id>-<architecture>.app`.
pub fn default_package(app: &AppSource, board: &Board) -> PathBuf {
    PathBuf::from(format!("out/{}-{}.app", app.manifest.app, board.arch))
}

/// Whether there is what the build needs. What it is worth, the build finds.
fn sources(app: &AppSource) -> Report {
    let (wanted, what) = match app.build {
        Build::Cargo { .. } => (app.folder.join("Cargo.toml"), "`build: cargo`, but there is no Cargo.toml"),
        Build::C => (app.folder.join(C_FOLDER), "`build: c`, but there is no folder `src`"),
        // Whether there is such a program is a matter of the machine that builds.
        Build::Command(_) | Build::None => return Report::new(),
    };
    if wanted.exists() {
        return Report::new();
    }
    Diagnostic::error(Exit::NotFound, format!("{what} in `{}`", app.folder.display()))
        .at(app.places.build.clone())
        .with_hint("put it there, or write `build: none` and list the program under `files`")
        .into()
}

fn fit(app: &AppSource, board: &Board, problems: &mut Report) -> Result<Vec<Fit>, Failure> {
    let limits = &app.manifest.limits;
    let data = Layout::new(board.disk.size_bytes, board.disk.slot_bytes)?.data_bytes;
    let stored = app.manifest.data_bytes;
    if stored > data {
        let what = format!("`storage.data`: {} is more than the board's data partition", show_size(stored));
        problems.push(
            Diagnostic::error(Exit::BadInput, what)
                .at(app.places.data.clone())
                .with_cause(format!("it has {}, for all packages and all data", show_size(data)))
                .with_hint("store less, or make the board's disk larger"),
        );
    }
    let of = |what, app_bytes, board_bytes, by| Fit { what, app_bytes, board_bytes, by };
    Ok(vec![
        of("memory", limits.memory_bytes, board.memory_bytes, "limits.memory"),
        of("/tmp, of that", limits.tmp_bytes, limits.memory_bytes, "limits.tmp"),
        of("data", stored, data, "storage.data"),
    ])
}

impl Checked {
    /// Adds what a package of these sources says, if there is one: the flash that it takes, and what it doesn't seem to
    /// use.
    pub fn look_at_package(&mut self) {
        let package = default_package(&self.app, &self.board);
        if let Some(looked) = unused::look_at(&self.app, &package) {
            self.warnings.append(looked.unused);
            let data = self.fit.iter().find(|fit| fit.what == "data").map_or(0, |fit| fit.board_bytes);
            // In blocks of the data filesystem, as it will lie there.
            let app_bytes = looked.bytes.next_multiple_of(DATA_BLOCK);
            self.fit.push(Fit {
                what: "package",
                app_bytes,
                board_bytes: data,
                by: "what is built, `files`",
            });
        }
    }

    /// What it is and may do, for people; ends with a line feed.
    pub fn text(&self) -> String {
        let manifest = &self.app.manifest;
        let mut out = format!("{} {} on {}\n\n", manifest.app, manifest.version, self.board.board);
        for Fit { what, app_bytes, board_bytes, by } in &self.fit {
            let (most, has) = (show_size(*app_bytes), show_size(*board_bytes));
            let _ = writeln!(out, "  {what:<14}{most:>9}  of {has:>9}   {by}");
        }
        out.push('\n');
        for line in describe(manifest) {
            out.push_str(&hang(&format!("  {line}"), 4));
        }
        out
    }

    /// The same for programs: `app`, `version`, `board`, `fit`, `permissions`, `warnings`.
    pub fn json(&self) -> serde_json::Value {
        let manifest = &self.app.manifest;
        let warnings: Vec<String> = self.warnings.entries().iter().map(|found| found.one_line()).collect();
        serde_json::json!({
            "app": manifest.app.as_str(),
            "version": manifest.version,
            "board": self.board.board,
            "fit": self.fit,
            "permissions": describe(manifest),
            "warnings": warnings,
        })
    }
}
