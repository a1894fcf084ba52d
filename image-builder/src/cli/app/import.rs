//! `nacre app import`.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nacre_diag::did_you_mean;
use nacre_manifest::app::FILE_NAME;
use serde_json::json;

use crate::cli::print;
use crate::failure::{Exit, Failure, OrFail};
use crate::import::{self, Hardware, Imported, MAX_DEFINITION, MAX_MANIFEST, Peer, Text};
use crate::terminal::Terminal;

const EXAMPLES: &str = "Examples:
  nacre app import app_manifest.json
  nacre app import app_manifest.json --hardware HardwareDefinitions/board.json
  nacre app import app_manifest.json --peer ../logger/app_manifest.json
  nacre app import app_manifest.json --out thermostat/nacre.yaml --json

Behind each line of the new file is the field that it comes from. What Nacre has
no counterpart for, or what needs a decision, is printed and stands at the end
of the file, each with the reason and what to do instead. The app's code is not
looked at: what it calls of Azure Sphere's SDK is to be ported by hand.

A hardware definition may import others, by paths relative to its own file.
AllowedApplicationConnections has ComponentIds: whose they are is known of the
apps whose manifests are given with --peer.

Exit codes: 0 the file is written, and nothing is left out; 64 it is written,
and something is left out, or a file is there already, and nothing is written;
65 not an Azure Sphere manifest or a hardware definition, and where the slip is;
66 there is no such file.";

/// Arguments of `nacre app import`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The manifest of an Azure Sphere app, `app_manifest.json`.
    #[arg(value_name = "FILE")]
    manifest: PathBuf,
    /// File to write; else nacre.yaml beside the manifest.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The hardware definition that the app was built with.
    #[arg(long, value_name = "FILE")]
    hardware: Option<PathBuf>,
    /// Manifest of an app it may talk to; may be given again.
    #[arg(long, value_name = "FILE")]
    peer: Vec<PathBuf>,
    /// Write JSON: each line, and what is left out.
    #[arg(long)]
    json: bool,
}

/// Does it.
pub fn execute(args: Args, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let out = args.out.clone().unwrap_or_else(|| args.manifest.with_file_name(FILE_NAME));
    let imported = read(&args)?;
    write(&out, &imported.yaml)?;
    if args.json {
        let json = json!({
            "written": out.display().to_string(),
            "lines": imported.lines,
            "left_out": imported.left_out,
        });
        print(&format!("{json:#}\n"))?;
    } else {
        print(&import::list(&imported.left_out))?;
    }
    terminal.notice(&format!("wrote `{}`", out.display()));
    match imported.left_out.len() {
        0 => return Ok(ExitCode::SUCCESS),
        1 => terminal.warning("one thing is left out"),
        count => terminal.warning(&format!("{count} things are left out")),
    }
    Ok(Exit::Refused.into())
}

fn read(args: &Args) -> Result<Imported, Failure> {
    let text = Text::decode(
        args.manifest.display().to_string(),
        &named(&args.manifest, MAX_MANIFEST)?,
        MAX_MANIFEST,
    )?;
    let hardware = args.hardware.as_deref();
    let hardware =
        hardware.map(|path| Hardware::load(path, &|path| bytes(path, MAX_DEFINITION))).transpose()?;
    let peer = |path: &PathBuf| -> Result<Peer, Failure> {
        Ok(Peer::read(&path.display().to_string(), &named(path, MAX_MANIFEST)?)?)
    };
    let peers = args.peer.iter().map(peer).collect::<Result<Vec<_>, _>>()?;
    Ok(import::import(&text, hardware.as_ref(), &peers)?)
}

/// A file that the command line names.
fn named(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    bytes(path, most).map_err(|error| {
        let step = format!("cannot read `{}`", path.display());
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => {
                Failure::new(Exit::NotFound, step).because(error).hint(instead(path))
            }
            ErrorKind::IsADirectory => Failure::new(Exit::BadInput, step)
                .because(error)
                .hint("name the file itself: app_manifest.json in this folder"),
            _ => Failure::new(Exit::Internal, step).because(error),
        }
    })
}

/// The bytes of a file, and one more than `most` if it is longer.
fn bytes(path: &Path, most: usize) -> std::io::Result<Vec<u8>> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What to do about a file that is not there.
fn instead(path: &Path) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let wanted = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match did_you_mean(wanted, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{}`?", folder.join(near).display()),
        None => "check the path: it starts in the current folder".to_owned(),
    }
}

/// Writes a file that is not there yet: a manifest is edited by hand, and what was edited is not to be lost.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let step = || format!("cannot write `{}`", path.display());
    let mut file = File::create_new(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Failure::new(Exit::Refused, format!("`{}` is there already", path.display()))
                .hint("name another file with --out, or move this one away")
        }
        ErrorKind::NotFound | ErrorKind::NotADirectory => Failure::new(Exit::NotFound, step())
            .because(error)
            .hint("make its folder, or name another file with --out"),
        _ => Failure::new(Exit::Internal, step()).because(error).hint("name another file with --out"),
    })?;
    let done = file.write_all(text.as_bytes());
    if done.is_err() {
        let _ = fs::remove_file(path);
    }
    done.or_fail(Exit::Internal, step)
}
