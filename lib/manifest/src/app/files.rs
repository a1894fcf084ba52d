//! Files that are packed as they are.

use std::path::{Path, PathBuf};

use nacre_diag::{Diagnostic, ExitCode, Place, Report};

use super::BIN_FOLDER;
use super::bounds::MAX_FILES;
use crate::path::{Climb, image_path, source_path};
use crate::yaml::{Node, Reading};

/// A file that is packed as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppFile {
    /// Absolute path in the app's image, below `/app`.
    pub image_path: String,
    /// The source, relative to the app's folder.
    pub source: PathBuf,
    /// Where the source is named.
    pub place: Place,
}

impl AppFile {
    /// Whether it is a program (mode 0755) and not data (0644): what is below [`BIN_FOLDER`] is. The mode
    /// on the build machine doesn't count, so that a checkout without it gives the same image.
    pub fn is_program(&self) -> bool {
        self.image_path.strip_prefix(BIN_FOLDER).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Reads `files: { /app/share/x: data/x }`.
pub(super) fn read(reading: &mut Reading<'_>, node: &Node) -> Vec<AppFile> {
    let entries = reading.entries(node, "/app/share/table.csv: data/table.csv");
    if entries.len() > MAX_FILES {
        reading.bad(
            node,
            format!("`files` has {} entries, at most {MAX_FILES} are allowed", entries.len()),
            "",
        );
        return Vec::new();
    }
    let mut files: Vec<AppFile> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let image_path_good = match image_path(key) {
            Ok(()) => true,
            Err(slip) => {
                reading.bad_key(value, key, format!("`files`: {}", slip.message), slip.hint);
                false
            }
        };
        let Some(text) = reading.text(value) else { continue };
        match source_path(text, Climb::Refused) {
            Ok(source) if image_path_good => {
                files.push(AppFile { image_path: key.to_owned(), source, place: reading.place(value) });
            }
            Ok(_) => {}
            Err(slip) => reading.bad(value, format!("`files`: {}", slip.message), slip.hint),
        }
        let folder_of =
            |file: &AppFile| key.strip_prefix(&file.image_path).is_some_and(|r| r.starts_with('/'));
        // Entries come sorted, so a folder comes before what is in it.
        if let Some(file) = files.iter().find(|file| folder_of(file)) {
            let message = format!("`files`: `{}` is a file, so nothing can be below it", file.image_path);
            reading.bad_key(value, key, message, String::new());
        }
    }
    files
}

/// Checks that each source is a file that is there, and that no link leads out of the folder.
pub(super) fn check(folder: &Path, files: &[AppFile]) -> Report {
    let mut report = Report::new();
    let top = match folder.canonicalize() {
        Ok(top) => top,
        Err(error) => {
            let found =
                Diagnostic::error(ExitCode::NotFound, format!("cannot open folder `{}`", folder.display()));
            return found.with_cause(error.to_string()).into();
        }
    };
    for file in files {
        let source = file.source.display();
        let found = match folder.join(&file.source).canonicalize() {
            Err(error) => Diagnostic::error(ExitCode::NotFound, format!("`files`: cannot open `{source}`"))
                .with_cause(error.to_string())
                .with_hint("the path is relative to the manifest"),
            Ok(real) if !real.starts_with(&top) => {
                let message = format!("`files`: `{source}` is a link that leads out of the app's folder");
                Diagnostic::error(ExitCode::BadInput, message).with_hint("put the file itself there")
            }
            Ok(real) if !real.is_file() => {
                Diagnostic::error(ExitCode::BadInput, format!("`files`: `{source}` is not a file"))
                    .with_hint("list each file; folders are made as needed")
            }
            Ok(_) => continue,
        };
        report.push(found.at(file.place.clone()));
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(source: &str) -> AppFile {
        AppFile { image_path: "/app/x".into(), source: source.into(), place: Place::file("f") }
    }

    #[test]
    fn files_that_are_missing_folders_or_links_out_are_refused() {
        let top = tempfile::tempdir().expect("a folder");
        let app = top.path().join("app");
        std::fs::create_dir_all(app.join("data")).expect("made");
        std::fs::write(top.path().join("secret"), "s").expect("written");
        std::fs::write(app.join("data/x"), "x").expect("written");
        std::os::unix::fs::symlink("../secret", app.join("out")).expect("linked");
        std::os::unix::fs::symlink("data/x", app.join("in")).expect("linked");
        let table = [
            ("data/x", ExitCode::Done),
            ("in", ExitCode::Done),
            ("out", ExitCode::BadInput),
            ("data", ExitCode::BadInput),
            ("none", ExitCode::NotFound),
        ];
        for (source, expected) in table {
            assert_eq!(check(&app, &[file(source)]).exit_code(), expected, "{source}");
        }
    }

    #[test]
    fn file_below_bin_is_a_program() {
        let at = |path: &str| AppFile { image_path: path.into(), ..file("x") };
        assert!(at("/app/bin/x").is_program());
        assert!(!at("/app/binary").is_program());
        assert!(!at("/app/share/x").is_program());
    }
}
