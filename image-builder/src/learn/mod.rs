//! `nacre app learn`: an app is run with nothing granted, then with what it was denied, until nothing new comes.

mod difference;
mod grants;
mod proposal;
mod run;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nacre_manifest::app;
use nacre_manifest::device::Manifest;

use crate::failure::{Exit, Failure, OrFail};
use crate::host_run;
use crate::terminal::Terminal;

use grants::Grants;

/// Runs after which it is enough: an app that asks for one thing after the other has asked for much.
const MOST_RUNS: u32 = 16;

/// What is to be learned.
#[derive(Debug, Clone)]
pub struct Request {
    /// The app's manifest.
    pub file: PathBuf,
    /// Arguments for the app, after those of its manifest.
    pub arguments: Vec<String>,
    /// How long each run may take.
    pub each: Duration,
}

/// What was learned.
#[derive(Debug)]
pub struct Learned {
    /// The manifest as it is.
    pub before: String,
    /// The manifest as it could be.
    pub after: String,
    /// What it asked for and the manifest does not grant: field, line and what was tried.
    pub new: Vec<[String; 3]>,
    /// What the manifest grants and it did not ask for: field and line.
    pub unused: Vec<[String; 2]>,
    /// What it tried and no manifest allows, with the reason.
    pub never: Vec<String>,
    /// How often it was run.
    pub runs: u32,
}

/// Runs the app until nothing new comes.
///
/// # Errors
/// When the manifest is wrong or the app does not start.
pub fn learn(request: &Request, terminal: &Terminal) -> Result<Learned, Failure> {
    let name = request.file.display().to_string();
    let source = app::load(&request.file)?;
    let before =
        fs::read_to_string(&request.file).or_fail(Exit::NotFound, || format!("can't read `{name}`"))?;
    let granted = Grants::of(&source.manifest);
    let mut subject = host_run::open(&request.file, terminal)?;
    let mut seen = Grants::default();
    let (mut never, mut runs): (Vec<String>, u32) = (Vec::new(), 0);
    loop {
        subject.manifest = seen.applied_to(&source.manifest);
        let denials = run::once(&subject, request, terminal)?;
        runs += 1;
        let mut fresh = 0;
        for denial in denials {
            match seen.take(&denial) {
                grants::Taken::New => fresh += 1,
                grants::Taken::Known => {}
                grants::Taken::Never(reason) if !never.contains(&reason) => never.push(reason),
                grants::Taken::Never(_) => {}
            }
        }
        terminal.notice(&format!("run {runs}: {fresh} new"));
        if fresh == 0 || runs == MOST_RUNS {
            break;
        }
    }
    let (new, unused) = (seen.beyond(&granted), granted.unused(&seen));
    let after = proposal::text(&before, &granted, &seen, runs);
    check(&after, &name, &seen, &granted)?;
    Ok(Learned { before, after, new, unused, never, runs })
}

/// The proposal is read back before anybody sees it.
fn check(text: &str, name: &str, seen: &Grants, granted: &Grants) -> Result<(), Failure> {
    let manifest: Manifest = app::parse(text, name)
        .map_err(|report| {
            let step = "the manifest is written in a way that can't be changed by a program";
            Failure::new(Exit::BadInput, step).because(Failure::from(report))
        })?
        .manifest;
    let wanted = granted.without_unused(seen);
    if Grants::of(&manifest).names() == wanted.names() {
        return Ok(());
    }
    let what = "the manifest is written in a way that can't be changed by a program";
    Err(Failure::new(Exit::BadInput, what).hint("write its keys without anchors, each on a line of its own"))
}

impl Learned {
    /// For people; ends with a line feed.
    pub fn text(&self, file: &str) -> String {
        let mut out = String::new();
        if self.before == self.after {
            out.push_str(&format!("{file} grants what {} runs asked for, and nothing else.\n", self.runs));
        } else {
            out.push_str(&difference::unified(file, &self.before, &self.after));
        }
        for reason in &self.never {
            out.push_str(&format!("not grantable: {reason}\n"));
        }
        out.push_str(&format!(
            "\nIncomplete evidence: what it did in {} runs on this machine, UDP and limits apart.\n",
            self.runs
        ));
        out
    }

    /// For programs.
    pub fn json(&self) -> serde_json::Value {
        let name = |[field, line]: &[String; 2]| serde_json::json!({ "field": field, "line": line });
        let new: Vec<_> = self
            .new
            .iter()
            .map(|[field, line, tried]| serde_json::json!({ "field": field, "line": line, "tried": tried }))
            .collect();
        serde_json::json!({
            "new": new,
            "unused": self.unused.iter().map(name).collect::<Vec<_>>(),
            "never": self.never,
            "runs": self.runs,
            "complete": false,
            "diff": difference::unified("nacre.yaml", &self.before, &self.after),
        })
    }

    /// Puts the proposal in the manifest's place, in one step.
    pub(crate) fn write(&self, file: &Path) -> std::io::Result<()> {
        let folder = file.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        let mut fresh =
            tempfile::Builder::new().permissions(fs::metadata(file)?.permissions()).tempfile_in(folder)?;
        fresh.write_all(self.after.as_bytes())?;
        fresh.persist(file)?;
        Ok(())
    }
}
