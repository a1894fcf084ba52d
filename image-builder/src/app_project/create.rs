//! `nacre app new`: a small app that works, is tested and says why it is as it is.

use std::fs;
use std::path::{Path, PathBuf};

use nacre_manifest::component::ComponentId;
use nacre_manifest::schema::{Kind, json_schema};

use crate::failure::{Exit, Failure, OrFail};
use crate::workspace::Workspace;

/// What an app is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// A crate that depends on lib/app alone.
    Rust,
    /// C17 with musl.
    C,
}

/// What the manifest's first line tells editors: a file of the project, as it has to work wherever the project lies.
pub const SCHEMA_FILE: &str = ".nacre/app.schema.json";

/// Path in the app's folder, and content with `@NAME@` and `@ID@` for the app's names, and `@SOURCE@` for the checkout.
type Template = (&'static str, &'static str);

const RUST: [Template; 4] = [
    ("nacre.yaml", include_str!("../../templates/rust/nacre.yaml")),
    ("Cargo.toml", include_str!("../../templates/rust/Cargo.toml")),
    ("src/main.rs", include_str!("../../templates/rust/src/main.rs")),
    (".gitignore", include_str!("../../templates/rust/gitignore")),
];

const C: [Template; 6] = [
    ("nacre.yaml", include_str!("../../templates/c/nacre.yaml")),
    ("src/main.c", include_str!("../../templates/c/src/main.c")),
    ("src/answer.c", include_str!("../../templates/c/src/answer.c")),
    ("src/answer.h", include_str!("../../templates/c/src/answer.h")),
    ("tests/answer_test.c", include_str!("../../templates/c/tests/answer_test.c")),
    (".gitignore", include_str!("../../templates/c/gitignore")),
];

impl Language {
    fn files(self) -> &'static [Template] {
        match self {
            Self::Rust => &RUST,
            Self::C => &C,
        }
    }

    /// How its tests are run on this machine.
    pub fn test_command(self) -> &'static str {
        match self {
            Self::Rust => "cargo test",
            Self::C => "mkdir -p out && cc -Wall -o out/test tests/answer_test.c src/answer.c && out/test",
        }
    }
}

/// Makes the folder `path`, whose last part is the app's name, in one step. Returns the app's id, which is `id` or one
/// below `com.example`.
///
/// # Errors
/// 65 if the name can't be an app's, 75 if the folder can't be made; 64 if there is something already, which stays.
pub fn create(path: &Path, id: Option<&str>, language: Language) -> Result<ComponentId, Failure> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let example: ComponentId = format!("com.example.{name}").parse().map_err(|_| {
        Failure::new(Exit::BadInput, format!("`{name}` can't be the name of an app"))
            .hint("use a-z, 0-9 and hyphens, like `thermostat`; the program and the app's id are named by it")
    })?;
    // Cargo takes no package whose name begins with a digit, and C programmers want the same names.
    if name.starts_with(|character: char| character.is_ascii_digit()) || name.contains('.') {
        return Err(Failure::new(Exit::BadInput, format!("`{name}` can't be the name of a program"))
            .hint("begin with a letter, and give a whole id with --id"));
    }
    let id = match id {
        None => example,
        Some(id) => id.parse().map_err(|error| Failure::from_error(Exit::BadInput, error))?,
    };
    if path.symlink_metadata().is_ok() {
        return Err(Failure::new(Exit::Refused, format!("`{}` is there already", path.display()))
            .hint("choose another name; nothing was changed"));
    }
    let step = || format!("can't make `{}`", path.display());
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let fresh = tempfile::Builder::new()
        .prefix(&format!(".{name}.new-"))
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir_in(&parent)
        .or_fail(Exit::TryAgain, step)?;
    let workspace = Workspace::find(&[&parent])?;
    let source = source_of(&workspace)?;
    let put = |file: &str, content: String| {
        let to = fresh.path().join(file);
        let folder = to.parent().unwrap_or(fresh.path());
        fs::create_dir_all(folder).or_fail(Exit::TryAgain, step)?;
        fs::write(&to, content).or_fail(Exit::TryAgain, step)
    };
    for (file, template) in language.files() {
        let content = template.replace("@NAME@", name).replace("@ID@", id.as_str());
        put(file, content.replace("@SOURCE@", &source))?;
    }
    put(SCHEMA_FILE, json_schema::text(Kind::App))?;
    if language == Language::Rust {
        // The versions that the checkout was tested with; Cargo leaves out what the app doesn't need.
        let from = workspace.root().join("Cargo.lock");
        fs::copy(from, fresh.path().join("Cargo.lock")).or_fail(Exit::TryAgain, step)?;
    }
    fs::rename(fresh.path(), path).or_fail(Exit::TryAgain, step)?;
    // It has left the place that would be cleaned up.
    let _ = fresh.keep();
    Ok(id)
}

/// The checkout's folder within the quotes of TOML.
fn source_of(workspace: &Workspace) -> Result<String, Failure> {
    let root = workspace.root();
    match root.to_str().filter(|text| !text.chars().any(char::is_control)) {
        Some(text) => Ok(text.replace('\\', "\\\\").replace('"', "\\\"")),
        None => Err(Failure::new(
            Exit::BadInput,
            format!("the checkout's folder `{}` can't stand in a Cargo.toml", root.display()),
        )
        .hint("move it to a folder with a plainer name")),
    }
}

#[cfg(test)]
mod tests {
    use nacre_manifest::app;

    use super::*;

    #[test]
    fn template_of_each_language_is_a_manifest_without_a_mistake() {
        for language in [Language::Rust, Language::C] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("greeter");
            assert_eq!(create(&path, None, language).unwrap().as_str(), "com.example.greeter");
            let app = app::load(&path).unwrap();
            assert_eq!(app.program(), "/app/bin/greeter");
            for (file, _) in language.files() {
                let text = fs::read_to_string(path.join(file)).unwrap();
                assert!(
                    !text.contains("@NAME@") && !text.contains("@ID@") && !text.contains("@SOURCE@"),
                    "{file}"
                );
            }
            let manifest = fs::read_to_string(path.join("nacre.yaml")).unwrap();
            let line = format!("# yaml-language-server: $schema={SCHEMA_FILE}");
            assert_eq!(manifest.lines().next(), Some(line.as_str()));
            assert!(fs::read_to_string(path.join(SCHEMA_FILE)).unwrap().contains("rollback-index"));
            assert_eq!(folder.path().read_dir().unwrap().count(), 1, "something was left behind");
        }
    }

    #[test]
    fn folder_that_is_there_and_names_that_are_none_are_refused_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, id| create(&folder.path().join(name), id, Language::C).unwrap_err().exit();
        fs::write(folder.path().join("taken"), "mine").unwrap();
        assert_eq!(make("taken", None), Exit::Refused);
        for (name, id) in
            [("Thermostat", None), ("a b", None), ("2fast", None), ("x.y", None), ("x", Some("x"))]
        {
            assert_eq!(make(name, id), Exit::BadInput, "{name}");
        }
        assert_eq!(make("none/x", None), Exit::TryAgain);
        assert_eq!(fs::read(folder.path().join("taken")).unwrap(), b"mine");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }
}
