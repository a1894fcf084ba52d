//! `nacre app run`: an app on this machine, in the sandbox of a device.
//!
//! Here only what is to run is made ready, and told the launcher (`sandbox/host`), which is a program of its own: it
//! makes namespaces and filters, and this one doesn't.

mod filter;
mod launcher;
mod programs;
mod subject;

use std::fs;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use nacre_manifest::device;
use nacre_wire::host_run::{HostRun, RunContent, RunFile};

pub use subject::{Subject, open};

use crate::cache::user_folder;
use crate::failure::{Exit, Failure, OrFail};
use crate::terminal::Terminal;

/// What a pipe surely holds without a reader: its default (pipe(7)), of which a user with many pipes gets less.
const PIPE_BYTES: usize = 4096;

/// How an app is to be run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Arguments that follow those of the manifest.
    pub arguments: Vec<String>,
    /// Whether nothing may be left unenforced.
    pub strict: bool,
    /// A file for the denials, one CBOR item each.
    pub denials: Option<PathBuf>,
}

/// The command that runs an app: the launcher, with all that it needs to know on its standard input.
///
/// # Errors
/// When this machine can't run it, the launcher can't be built, or a folder for it can't be made.
pub fn command(subject: &Subject, options: &Options, terminal: &Terminal) -> Result<Command, Failure> {
    let launcher = launcher::find(&subject.near, terminal)?;
    with_launcher(launcher, subject, options, terminal)
}

/// Reads an app as [`open`] does, and gives the command that runs it.
///
/// # Errors
/// As [`open`] and [`command`].
pub fn open_command(app: &Path, options: &Options, terminal: &Terminal) -> Result<Command, Failure> {
    let subject = open(app, terminal)?;
    command(&subject, options, terminal)
}

fn with_launcher(
    launcher: PathBuf,
    subject: &Subject,
    options: &Options,
    terminal: &Terminal,
) -> Result<Command, Failure> {
    let manifest = &subject.manifest;
    let filter = match &subject.filter {
        Some(filter) => filter.clone(),
        // As in a development image: what Landlock and the mounts deny is explained too.
        None => filter::of(manifest)?,
    };
    let folder = folder(manifest.app.as_str())?;
    let text = |path: PathBuf| {
        path.into_os_string().into_string().map_err(|path| {
            let what = format!("`{}` is no UTF-8", path.display());
            Failure::new(Exit::BadInput, what).hint("set NACRE_STATE to a folder with a plain name")
        })
    };
    let data = (manifest.data_bytes > 0).then(|| text(folder.join("data"))).transpose()?;
    let files = subject.files.iter().map(|(path, (program, content))| {
        // Its place is enough where it has one: the content would be copied five times on its way.
        let place = subject.places.get(path).and_then(|place| place.to_str());
        let content = match place {
            Some(place) => RunContent::File(place.to_owned()),
            None => RunContent::Bytes(content.clone()),
        };
        RunFile { path: path.clone(), program: *program, content }
    });
    let run = HostRun {
        manifest: device::encode(manifest),
        filter,
        arguments: options.arguments.clone(),
        files: files.collect(),
        root: text(folder.join("root"))?,
        data,
        strict: options.strict,
        colour: terminal.stderr_color,
        denials: options.denials.clone().map(text).transpose()?,
    };
    let step = || "can't tell the launcher what to run".to_owned();
    let (bytes, mut command) = (run.encode(), Command::new(launcher));
    if bytes.len() <= PIPE_BYTES {
        let (reader, mut writer) = std::io::pipe().or_fail(Exit::Internal, step)?;
        writer.write_all(&bytes).or_fail(Exit::Internal, step)?;
        command.stdin(reader);
    } else {
        // A file without a name: it goes with its last reader.
        let mut input = tempfile::tempfile().or_fail(Exit::Internal, step)?;
        input.write_all(&bytes).or_fail(Exit::Internal, step)?;
        input.rewind().or_fail(Exit::Internal, step)?;
        command.stdin(input);
    }
    Ok(command)
}

/// The app's folder on this machine: `root`, empty, to mount on, and `data`, which is kept.
fn folder(app: &str) -> Result<PathBuf, Failure> {
    let inside = Path::new("nacre/apps").join(app);
    let folder = match std::env::var_os("NACRE_STATE").filter(|set| !set.is_empty()) {
        Some(state) => std::path::absolute(Path::new(&state).join("apps").join(app))
            .or_fail(Exit::Internal, || "can't resolve NACRE_STATE".to_owned())?,
        None => user_folder("NACRE_STATE", "XDG_STATE_HOME", ".local/state", &inside)?,
    };
    for name in ["root", "data"] {
        let folder = folder.join(name);
        fs::create_dir_all(&folder)
            .or_fail(Exit::Internal, || format!("can't make `{}`", folder.display()))
            .map_err(|failure| failure.hint("set NACRE_STATE to a folder that you can write to"))?;
    }
    Ok(folder)
}
