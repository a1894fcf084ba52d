//! Every error of this crate as findings for people: exit code, place, hint.

use std::io;
use std::path::Path;

use nacre_diag::{Diagnostic, ExitCode, Place, Report, Spot};

use crate::build::BuildKernelError;
use crate::check::Finding;
use crate::fragment::{LoadFragmentsError, WrongLine};
use crate::hardening::{CheckHardeningError, HardeningFinding, HardeningReport, WrongEntry};
use crate::lock::LoadLockError;
use crate::make::RunMakeError;
use crate::pin::PinKernelError;
use crate::request::{CheckKernelError, ExplainSymbolError};
use crate::source::{ResolveSourceError, UnpackSourceError};

/// What to do when the disk is full.
const SPACE_HINT: &str =
    "a kernel takes about 2 GB while it is built; set NACRE_CACHE to a folder on another disk";

/// An error of the cache's disk, with what to do if it is full.
fn disk_fault(error: &(dyn std::error::Error + 'static), source: &io::Error) -> Diagnostic {
    let found = Diagnostic::from_error(ExitCode::Internal, error);
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => found.with_hint(SPACE_HINT),
        _ => found,
    }
}

impl From<&Finding> for Diagnostic {
    fn from(finding: &Finding) -> Self {
        let found = Self::error(ExitCode::BadInput, finding.outcome())
            .at(finding.asked.place())
            .with_cause(finding.cause.to_string());
        match finding.cause.hint() {
            Some(hint) => found.with_hint(hint),
            None => found,
        }
    }
}

impl From<&WrongLine> for Diagnostic {
    fn from(wrong: &WrongLine) -> Self {
        let width = wrong.text.chars().count().saturating_sub(wrong.column - 1).max(1);
        let spot = Spot { line: wrong.line, column: wrong.column, text: wrong.text.clone(), width };
        Self::error(ExitCode::BadInput, wrong.what.clone())
            .at(Place::spot(wrong.file.display().to_string(), spot))
            .with_hint(wrong.hint.clone())
    }
}

/// A whole line of a list.
fn whole_line(file: &Path, line: usize, text: &str) -> Place {
    let spot = Spot { line, column: 1, text: text.to_owned(), width: text.chars().count().max(1) };
    Place::spot(file.display().to_string(), spot)
}

impl From<&WrongEntry> for Diagnostic {
    fn from(wrong: &WrongEntry) -> Self {
        let place = whole_line(&wrong.file, wrong.line, &wrong.text);
        Self::error(ExitCode::BadInput, wrong.what.clone()).at(place)
    }
}

impl From<&HardeningFinding> for Diagnostic {
    fn from(finding: &HardeningFinding) -> Self {
        let found = Self::error(ExitCode::BadInput, finding.to_string());
        match finding {
            HardeningFinding::Missing { wanted, list, arch, .. } => {
                found.at(Place::file(list.display().to_string())).with_hint(format!(
                    "keep it, or say why not by a line `{arch} | {wanted} | estimate: … | the reason`"
                ))
            }
            HardeningFinding::Stale { list, entry, .. } => {
                found.at(whole_line(list, entry.line, &entry.text)).with_hint("remove the line")
            }
        }
    }
}

impl From<&HardeningReport> for Report {
    fn from(report: &HardeningReport) -> Self {
        report.findings.iter().map(Diagnostic::from).collect()
    }
}

impl From<&CheckHardeningError> for Report {
    fn from(error: &CheckHardeningError) -> Self {
        match error {
            CheckHardeningError::Check(error) => error.into(),
            CheckHardeningError::Lines(wrong) => wrong.iter().map(Diagnostic::from).collect(),
            CheckHardeningError::Read { path, source } => {
                let exit = match source.kind() {
                    io::ErrorKind::NotFound => ExitCode::NotFound,
                    _ => ExitCode::BadInput,
                };
                Diagnostic::from_error(exit, error).at(Place::file(path.display().to_string())).into()
            }
        }
    }
}

impl From<&LoadFragmentsError> for Report {
    fn from(error: &LoadFragmentsError) -> Self {
        match error {
            LoadFragmentsError::Read { path, source } => {
                let exit = match source.kind() {
                    io::ErrorKind::NotFound => ExitCode::NotFound,
                    _ => ExitCode::BadInput,
                };
                Diagnostic::from_error(exit, error).at(Place::file(path.display().to_string())).into()
            }
            LoadFragmentsError::Lines(lines) => lines.iter().map(Diagnostic::from).collect(),
        }
    }
}

impl From<&LoadLockError> for Report {
    fn from(error: &LoadLockError) -> Self {
        let file = |path: &Path| path.display().to_string();
        match error {
            LoadLockError::Read { path, source } => {
                let exit = match source.kind() {
                    io::ErrorKind::NotFound => ExitCode::NotFound,
                    _ => ExitCode::BadInput,
                };
                Diagnostic::from_error(exit, error)
                    .at(Place::file(file(path)))
                    .with_hint("make it with `nacre kernel pin`")
            }
            LoadLockError::Parse { path, text, source } => {
                let line = source.line();
                let marked = text.lines().nth(line.saturating_sub(1)).unwrap_or("").to_owned();
                let spot = Spot { line, column: source.column().max(1), text: marked, width: 1 };
                Diagnostic::from_error(ExitCode::BadInput, error)
                    .at(Place::spot(file(path), spot))
                    .with_hint("put it back as it was, or remove it and make it with `nacre kernel pin`")
            }
            LoadLockError::Value { path, .. } => Diagnostic::from_error(ExitCode::BadInput, error)
                .at(Place::file(file(path)))
                .with_hint("`nacre kernel pin` writes the line as it should be"),
        }
        .into()
    }
}

impl From<&UnpackSourceError> for Report {
    fn from(error: &UnpackSourceError) -> Self {
        match error {
            UnpackSourceError::Cache { source, .. } => disk_fault(error, source),
            UnpackSourceError::NoSpace { .. } => {
                Diagnostic::from_error(ExitCode::Internal, error).with_hint(SPACE_HINT)
            }
            UnpackSourceError::Tar { .. } => Diagnostic::from_error(ExitCode::BadInput, error)
                .with_hint("it must be a tarball of a kernel's source, complete, like linux-6.12.tar.xz"),
            UnpackSourceError::Cancelled => Diagnostic::from_error(ExitCode::TryAgain, error),
        }
        .into()
    }
}

impl From<&ResolveSourceError> for Report {
    fn from(error: &ResolveSourceError) -> Self {
        match error {
            ResolveSourceError::Missing { package: Some(package), .. } => {
                Diagnostic::from_error(ExitCode::NotFound, error)
                    .with_hint(format!("on Debian: apt-get install {package}"))
            }
            ResolveSourceError::Missing { package: None, .. } => {
                Diagnostic::from_error(ExitCode::NotFound, error)
                    .with_hint("put it there, or pin another with `nacre kernel pin`")
            }
            ResolveSourceError::Read { .. } => Diagnostic::from_error(ExitCode::BadInput, error),
            ResolveSourceError::WrongHash { lock, .. } => Diagnostic::from_error(ExitCode::BadInput, error)
                .at(Place::file(lock.display().to_string()))
                .with_hint("if this source is the one that you want, pin it with `nacre kernel pin`"),
        }
        .into()
    }
}

impl From<&RunMakeError> for Report {
    fn from(error: &RunMakeError) -> Self {
        match error {
            RunMakeError::Start(_) | RunMakeError::Failed { .. } => {
                Diagnostic::from_error(ExitCode::Internal, error)
            }
            RunMakeError::NoSpace { .. } => {
                Diagnostic::from_error(ExitCode::Internal, error).with_hint(SPACE_HINT)
            }
            RunMakeError::Cancelled => Diagnostic::from_error(ExitCode::TryAgain, error),
        }
        .into()
    }
}

impl From<&ExplainSymbolError> for Report {
    fn from(error: &ExplainSymbolError) -> Self {
        match error {
            ExplainSymbolError::Check(error) => error.into(),
            ExplainSymbolError::NoSuchSymbol { near, .. } => {
                let found = Diagnostic::from_error(ExitCode::NotFound, error);
                match near {
                    Some(near) => found.with_hint(format!("did you mean CONFIG_{near}?")),
                    None => found,
                }
                .into()
            }
        }
    }
}

impl From<&CheckKernelError> for Report {
    fn from(error: &CheckKernelError) -> Self {
        let diagnostic = match error {
            CheckKernelError::Differs(found) => return found.iter().map(Diagnostic::from).collect(),
            CheckKernelError::Resolve(error) => return error.into(),
            CheckKernelError::Unpack(error) => return error.into(),
            CheckKernelError::Configure(error) => return error.into(),
            CheckKernelError::MissingTools(missing) => {
                let mut packages: Vec<&str> = missing.iter().map(|(_, package)| package.as_str()).collect();
                packages.dedup();
                Diagnostic::from_error(ExitCode::NotFound, error)
                    .with_hint(format!("on Debian: apt-get install {}", packages.join(" ")))
            }
            CheckKernelError::Cache { source, .. } => disk_fault(error, source),
            CheckKernelError::Compiler { .. } | CheckKernelError::Tree(_) => {
                Diagnostic::from_error(ExitCode::Internal, error)
            }
        };
        diagnostic.into()
    }
}

impl From<&BuildKernelError> for Report {
    fn from(error: &BuildKernelError) -> Self {
        match error {
            BuildKernelError::Check(error) => error.into(),
            BuildKernelError::Unpack(error) => error.into(),
            BuildKernelError::Make { source, log } => {
                let report: Self = source.into();
                let Some(log) = log else { return report };
                let hint = format!("the end of make's output is in {}", log.display());
                report.into_iter().map(|found| found.with_hint(hint.clone())).collect()
            }
            BuildKernelError::Changed { .. } => Diagnostic::from_error(ExitCode::BadInput, error).into(),
            BuildKernelError::Keep { source, .. } => disk_fault(error, source).into(),
        }
    }
}

impl From<&PinKernelError> for Report {
    fn from(error: &PinKernelError) -> Self {
        match error {
            PinKernelError::Load(error) => error.into(),
            PinKernelError::Unpack(error) => error.into(),
            PinKernelError::NotInstalled { package } => Diagnostic::from_error(ExitCode::NotFound, error)
                .with_hint(format!("apt-get install {package}, or name a tarball"))
                .into(),
            PinKernelError::Read { path, source } => {
                let exit = match source.kind() {
                    io::ErrorKind::NotFound => ExitCode::NotFound,
                    _ => ExitCode::BadInput,
                };
                Diagnostic::from_error(exit, error).at(Place::file(path.display().to_string())).into()
            }
            PinKernelError::NotAKernel { .. } => Diagnostic::from_error(ExitCode::BadInput, error).into(),
            PinKernelError::Write { .. } => Diagnostic::from_error(ExitCode::Internal, error).into(),
        }
    }
}
