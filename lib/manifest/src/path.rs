//! Paths in manifests and recipes.

use std::path::{Path, PathBuf};

use crate::unit::Slip;

/// Longest name in a path (`NAME_MAX` of Linux).
const MAX_NAME: usize = 255;

/// Longest path that is accepted: far below `PATH_MAX` (4096), as the device puts folders before it.
const MAX_PATH: usize = 1024;

fn slip<T>(text: &str, reason: &str, hint: &str) -> Result<T, Slip> {
    let text: String = text.chars().take(80).collect();
    Err(Slip { message: format!("`{text}` {reason}"), hint: hint.to_owned() })
}

fn check_text(text: &str) -> Result<(), Slip> {
    if text.is_empty() {
        return slip(text, "is empty", "");
    }
    if text.len() > MAX_PATH || text.split('/').any(|name| name.len() > MAX_NAME) {
        return slip(text, "is too long", "a path has at most 1024 bytes, a name in it 255");
    }
    if text.chars().any(char::is_control) {
        return slip(text, "has a control character in it", "");
    }
    Ok(())
}

/// The folder that relative paths of a file start from.
pub(crate) fn folder_of(file: &str) -> PathBuf {
    match Path::new(file).parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Whether `..` may lead out of the folder that the path starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Climb {
    /// An app's sources: what is packed comes from the app's own folder.
    Refused,
    /// Recipes and boards: they name files of the same project.
    Allowed,
}

/// A path on the build machine, relative to the file that names it.
pub(crate) fn source_path(text: &str, climb: Climb) -> Result<PathBuf, Slip> {
    check_text(text)?;
    if text.starts_with('/') {
        return slip(
            text,
            "is an absolute path",
            "write it relative to this file, so that the build does not depend on one machine",
        );
    }
    let mut path = PathBuf::new();
    for name in text.split('/') {
        match name {
            "" | "." => {}
            ".." if climb == Climb::Refused => {
                return slip(
                    text,
                    "climbs out with `..`",
                    "an app is made from files in its own folder: put the file there",
                );
            }
            name => path.push(name),
        }
    }
    if path.as_os_str().is_empty() {
        path.push(".");
    }
    Ok(path)
}

/// An absolute path in an app's image, below `/app`, in its one form.
pub(crate) fn image_path(text: &str) -> Result<(), Slip> {
    check_text(text)?;
    let Some(rest) = text.strip_prefix("/app/") else {
        return slip(
            text,
            "is not below /app",
            "an app's own files are below /app, like `/app/bin/thermostat`",
        );
    };
    match rest.split('/').find(|name| matches!(*name, "" | "." | "..")) {
        Some("..") => slip(text, "climbs out with `..`", "write the path that is meant"),
        Some(_) => {
            slip(text, "is not in its shortest form", "write it without `//`, `/./` and a `/` at the end")
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_path_that_climbs_or_is_absolute_is_refused() {
        for text in ["..", "../x", "a/../../x", "a/..", "/etc/passwd", "", "a\0b", "a\nb"] {
            assert!(source_path(text, Climb::Refused).is_err(), "{text:?}");
        }
        assert!(source_path(&"x".repeat(256), Climb::Refused).is_err());
        assert!(source_path(&"x/".repeat(600), Climb::Refused).is_err());
        assert!(source_path("/etc/passwd", Climb::Allowed).is_err());
    }

    #[test]
    fn source_path_is_brought_into_one_form() {
        let table = [("a", "a"), ("./a//b/", "a/b"), (".", "."), ("a..b/c", "a..b/c")];
        for (text, expected) in table {
            assert_eq!(source_path(text, Climb::Refused), Ok(PathBuf::from(expected)), "{text}");
        }
        assert_eq!(source_path("../apps/x", Climb::Allowed), Ok(PathBuf::from("../apps/x")));
    }

    #[test]
    fn image_path_outside_app_is_refused() {
        for text in
            ["/app", "/app/", "/etc/x", "app/x", "/app/../x", "/app/a/..", "/app//x", "/app/./x", "/app/x/"]
        {
            assert!(image_path(text).is_err(), "{text}");
        }
        for text in ["/app/bin/x", "/app/..x", "/app/share/a b"] {
            assert_eq!(image_path(text), Ok(()), "{text}");
        }
    }
}
