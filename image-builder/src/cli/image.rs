//! `nacre image`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use nacre_diag::Report as Problems;
use nacre_verify::envelope::VerifyEnvelopeError;
use nacre_verify::key_set::VerifyKeySetError;
use nacre_verify::slot::SlotError;
use serde_json::{Value, json};

use crate::board_file::BoardFileError;
use crate::diff::{self, CompareError};
use crate::failure::{Exit, Failure, OrFail};
use crate::inspect::check::{Finding, NoKey, Trust, Verdict, check, explain};
use crate::inspect::subject::{self, FindSubjectsError, Subject};
use crate::inspect::{report, text, trust};
use crate::terminal::Terminal;

const VERIFY_EXAMPLES: &str = "Examples:
  nacre image verify out/demo-qemu-armv7
  nacre image verify slot.img --root-key owner/root.pub
  nacre image verify --json disk.img

Every byte of every slot is looked at: root filesystem block by block, hash
tree, kernel, device tree, padding, envelope; every byte of every app package;
and in a folder board.yaml, which says how `nacre run` starts a VM. The data
partition of a disk is not covered: what is on it is verified by the device when
it uses it.

Exit codes: 0 everything is as it was signed; 69 something is not, and which
part of it; 66 there is nothing to check, or no root key to check it with;
75 something could not be read.";

const INSPECT_EXAMPLES: &str = "Examples:
  nacre image inspect out/demo-qemu-armv7
  nacre image inspect --json slot.img

What cannot be verified is shown all the same, and marked; files and apps are
listed only when they are verified.";

const DIFF_EXAMPLES: &str = "Examples:
  nacre image diff out/demo-qemu-armv7 rebuilt/demo-qemu-armv7
  nacre image diff --json a/slot.img b/slot.img

A and B are two output folders, or two slots, disks or app packages. Lines with
- are of A, with + of B, with ! of both. What differs is told field by field and
file by file; where nothing else explains it, which bytes, counted from 0. Files
inside slots and packages are read only when a trusted root key signed both.

Exit codes, like diff(1) and cmp(1): 0 the same to the last byte, 1 different.
If they can't be compared: 65 not things of the same kind, 66 there is nothing,
75 one of them could not be read.";

/// What helps with a slot for which [`signed_by_another`] holds.
pub(super) const NAME_OWNER: &str = "if it is another owner's image, name their root key: --root-key FILE";

/// What helps with a board's description that is not the signed one.
pub(super) const BOARD_CHANGED: &str =
    "it was changed after it was signed: build again, or get the folder again from who signed it";

/// Arguments of `nacre image`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  nacre image verify out/demo-qemu-armv7\n  nacre image inspect out/demo-qemu-armv7\n  \
    nacre image diff out/demo-qemu-armv7 /tmp/demo"
)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check that an image is, to the last byte, what its owner signed.
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(Target),
    /// Show what is in an image and what its apps may do.
    #[command(after_help = INSPECT_EXAMPLES)]
    Inspect(Target),
    /// Explain what differs between two images.
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(Pair),
}

#[derive(Debug, clap::Args)]
struct Target {
    /// Output folder of `nacre build`, a slot, a disk or an app package.
    #[arg(value_name = "DIR|FILE")]
    path: PathBuf,
    /// Root public key (PEM); without it, any of the key store.
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Pair {
    /// Output folder of `nacre build`, a slot, a disk or an app package.
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Another one.
    #[arg(value_name = "B")]
    b: PathBuf,
    /// Root public key (PEM); without it, any of the key store.
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

/// Exit code of `nacre image diff` for two images that are not the same.
const DIFFERENT: u8 = 1;

/// Does it.
pub fn execute(args: Args, terminal: &Terminal) -> Result<ExitCode, Failure> {
    match args.action {
        Action::Verify(target) => verify(&target, terminal).map(|()| ExitCode::SUCCESS),
        Action::Inspect(target) => inspect(&target).map(|()| ExitCode::SUCCESS),
        Action::Diff(pair) => compare(&pair, terminal),
    }
}

fn compare(pair: &Pair, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let found =
        diff::compare(&pair.a, &pair.b, &trust_or_none(pair.root_key.as_deref())?).map_err(|error| {
            match error {
                CompareError::Find(FindSubjectsError::Io { .. }) | CompareError::Read { .. } => {
                    Failure::from_error(Exit::TryAgain, error)
                }
                CompareError::Find(error) => not_found(error),
                CompareError::Kinds { .. } => Failure::from_error(Exit::BadInput, error)
                    .hint("name two output folders of `nacre build`, or two slots, disks or app packages"),
            }
        })?;
    if pair.json {
        let json = json!({
            "a": pair.a.display().to_string(),
            "b": pair.b.display().to_string(),
            "identical": found.is_empty(),
            "differences": found,
        });
        super::print(&format!("{json:#}\n"))?;
    } else {
        super::print(&diff::text::differences(&pair.a, &pair.b, &found))?;
    }
    if found.is_empty() {
        terminal.notice("the same to the last byte");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::from(DIFFERENT))
}

fn verify(target: &Target, terminal: &Terminal) -> Result<(), Failure> {
    let subjects = find(&target.path)?;
    let trust = trust::load(target.root_key.as_deref())?;
    let findings = check(&subjects, &trust);
    if target.json {
        let lines: String = findings.iter().map(|finding| finding_json(finding).to_string() + "\n").collect();
        super::print(&lines)?;
    } else {
        super::print(&text::findings(&findings))?;
    }
    let development =
        |finding: &Finding| matches!(&finding.verdict, Verdict::Slot(slot) if slot.key_set.development);
    if findings.iter().any(development) {
        terminal.warning("signed with development keys, which protect nothing");
    }
    let mut problems = Problems::new();
    for finding in findings {
        if let Some(failure) = failure(finding) {
            problems.append(failure.into_report());
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.into()) }
}

fn inspect(target: &Target) -> Result<(), Failure> {
    let subjects = find(&target.path)?;
    // Without a root key what there is to see is shown, and marked as not verified.
    let trust = trust_or_none(target.root_key.as_deref())?;
    let report = report::inspect(&subjects, &trust);
    if report.slot.is_none() && report.apps.is_empty() {
        return Err(Failure::new(
            Exit::BadInput,
            format!("`{}` says nothing of itself", target.path.display()),
        )
        .hint("`nacre image verify` names the part that is damaged"));
    }
    if target.json {
        let json =
            serde_json::to_string_pretty(&report).or_fail(Exit::Internal, || "writing JSON".to_owned())?;
        return super::print(&(json + "\n"));
    }
    super::print(&text::report(&report))
}

/// The keys that are trusted; none when there are none and none was named.
fn trust_or_none(root_key: Option<&Path>) -> Result<Trust, Failure> {
    match (trust::load(root_key), root_key) {
        (Ok(trust), _) => Ok(trust),
        (Err(failure), Some(_)) => Err(failure),
        (Err(_), None) => Ok(Trust::default()),
    }
}

fn find(path: &Path) -> Result<Vec<Subject>, Failure> {
    subject::find(path).map_err(not_found)
}

fn not_found(error: FindSubjectsError) -> Failure {
    let (exit, hint) = match &error {
        FindSubjectsError::Missing(_) | FindSubjectsError::Empty(_) => {
            (Exit::NotFound, Some("build an image first: nacre build recipes/images/demo.yaml"))
        }
        FindSubjectsError::Unknown(_) => (
            Exit::BadInput,
            Some("name the output folder of `nacre build`, or a slot.img, disk.img or .app file in it"),
        ),
        FindSubjectsError::Io { .. } => (Exit::Internal, None),
    };
    let failure = Failure::new(exit, "looking for an image").because(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

pub(super) fn failure(finding: Finding) -> Option<Failure> {
    let subject = finding.name();
    match finding.verdict {
        Verdict::Slot(_) | Verdict::Package(_) | Verdict::Board(_) => None,
        Verdict::Bad { part, error } => {
            let step = format!("{subject}: the {part} is not as it was signed");
            let another_owner = of_another_owner(&*error);
            let is_board = error.is::<BoardFileError>();
            let failure = Failure::new(Exit::VerificationFailed, step).because(error);
            Some(failure.hint(match (another_owner, is_board) {
                (true, _) => NAME_OWNER,
                (_, true) => BOARD_CHANGED,
                _ => "don't use it: build it again, or get it again from who signed it",
            }))
        }
        Verdict::Unchecked(error) => {
            // No key: there is something to add. Not readable: another time it may be.
            let exit = if error.is::<NoKey>() { Exit::NotFound } else { Exit::TryAgain };
            Some(Failure::new(exit, format!("{subject}: could not be checked")).because(error))
        }
    }
}

fn of_another_owner(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<SlotError>().is_some_and(signed_by_another)
}

/// Whether the key set is signed by a root key that is not trusted here.
pub(super) fn signed_by_another(error: &SlotError) -> bool {
    matches!(error, SlotError::KeySet(VerifyKeySetError::Envelope(VerifyEnvelopeError::UnknownKey(_))))
}

pub(super) fn finding_json(finding: &Finding) -> Value {
    let subject = finding.name();
    match &finding.verdict {
        Verdict::Slot(verified) => json!({
            "subject": subject,
            "verdict": "good",
            "image": verified.slot.image,
            "version": verified.slot.version,
            "board": verified.slot.board,
            "profile": verified.slot.profile.as_str(),
            "development_keys": verified.key_set.development,
            "signed_by": verified.signed_by.to_string(),
        }),
        Verdict::Package(package) => json!({
            "subject": subject,
            "verdict": "good",
            "app": package.payload.component,
            "version": package.payload.version,
            "arch": package.payload.arch.as_str(),
            "signed_by": package.signed_by.to_string(),
        }),
        Verdict::Board(digest) => json!({
            "subject": subject,
            "verdict": "good",
            "sha256": digest.to_string(),
        }),
        Verdict::Bad { part, error } => json!({
            "subject": subject,
            "verdict": "bad",
            "part": part,
            "reason": explain(&**error),
        }),
        Verdict::Unchecked(error) => json!({
            "subject": subject,
            "verdict": "unchecked",
            "reason": explain(&**error),
        }),
    }
}
