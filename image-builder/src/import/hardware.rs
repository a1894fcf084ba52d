//! Hardware definitions: the names that Azure Sphere's boards have for their peripherals.

use std::collections::VecDeque;
use std::io;
use std::path::{Component, Path, PathBuf};

use nacre_diag::{Diagnostic, ExitCode, Place, Report, did_you_mean};

use super::json::{self, Node, Value};
use super::reading::{Reading, field, short};
use super::text::Text;

/// Longest definition that is read, in bytes: that of the MT3620 with its comments has a tenth of it.
pub const MAX_DEFINITION: usize = 256 * 1024;

/// Definitions that one may import, and those import: a board has three.
const MAX_FILES: usize = 32;

/// The peripherals of a definition and of all that it imports, the nearest first.
#[derive(Debug)]
pub struct Hardware {
    pub(super) file: String,
    peripherals: Vec<Peripheral>,
}

#[derive(Debug)]
pub(super) struct Peripheral {
    pub(super) name: String,
    /// `Gpio`, `Uart` and so on.
    pub(super) kind: String,
    mapping: Option<String>,
    value: Option<String>,
}

/// An import, and where it is asked for.
struct Wanted {
    path: PathBuf,
    place: Option<Place>,
}

impl Hardware {
    /// Reads a definition and what it imports, by paths relative to the file that names them; `read` gives a file's
    /// bytes.
    ///
    /// # Errors
    /// Exit code 65 if one is not a definition, 66 if one is missing.
    pub fn load(path: &Path, read: &dyn Fn(&Path) -> io::Result<Vec<u8>>) -> Result<Self, Report> {
        let mut hardware = Self { file: path.display().to_string(), peripherals: Vec::new() };
        let mut wanted = VecDeque::from([Wanted { path: path.to_owned(), place: None }]);
        let mut seen: Vec<PathBuf> = Vec::new();
        while let Some(next) = wanted.pop_front() {
            let path = plain(&next.path);
            if seen.contains(&path) {
                continue;
            }
            if seen.len() == MAX_FILES {
                let message = format!("more than {MAX_FILES} hardware definitions import each other");
                return Err(next.problem(ExitCode::BadInput, message).into());
            }
            let bytes = read(&path).map_err(|error| next.unreadable(&path, &error))?;
            let text = Text::decode(path.display().to_string(), &bytes, MAX_DEFINITION)?;
            wanted.extend(hardware.add(&text, &path)?);
            seen.push(path);
        }
        Ok(hardware)
    }

    /// Adds the peripherals of one file; its imports are left to do.
    fn add(&mut self, text: &Text, path: &Path) -> Result<Vec<Wanted>, Report> {
        let root = json::read(text)?;
        let mut reading = Reading::new(text);
        let mut wanted = Vec::new();
        let fields = match &root.value {
            Value::Map(fields)
                if ["Peripherals", "Imports"].iter().any(|name| field(fields, name).is_some()) =>
            {
                fields
            }
            _ => {
                let hint = "name a file of the SDK's HardwareDefinitions, or one that imports such a file";
                reading.bad_file("not a hardware definition", hint);
                return reading.finish(wanted);
            }
        };
        if let Some(list) = field(fields, "Imports").and_then(|field| reading.list(&field.value, "Imports")) {
            for item in list {
                wanted.extend(import(&mut reading, item, text, path));
            }
        }
        if let Some(list) =
            field(fields, "Peripherals").and_then(|field| reading.list(&field.value, "Peripherals"))
        {
            for item in list {
                self.peripherals.extend(peripheral(&mut reading, item));
            }
        }
        reading.finish(wanted)
    }

    /// The peripheral of this name.
    pub(super) fn find(&self, name: &str) -> Option<&Peripheral> {
        self.peripherals.iter().find(|peripheral| peripheral.name == name)
    }

    /// The known name of a kind that is nearest to another one.
    pub(super) fn nearest(&self, name: &str, kind: &str) -> Option<&str> {
        let of_kind = self.peripherals.iter().filter(|peripheral| peripheral.kind.eq_ignore_ascii_case(kind));
        did_you_mean(name, of_kind.map(|peripheral| peripheral.name.as_str()))
    }

    /// What the chip calls a peripheral: its value in a manifest, through all that maps to it.
    pub(super) fn value<'h>(&'h self, peripheral: &'h Peripheral) -> Option<&'h str> {
        let mut current = peripheral;
        // Definitions that map to each other in a ring end nowhere.
        for _ in 0..MAX_FILES {
            if let Some(value) = &current.value {
                return Some(value);
            }
            current = self.find(current.mapping.as_deref()?)?;
        }
        None
    }

    /// The peripheral that is a value of the chip: the one that is defined nearest to the app.
    pub(super) fn of_value(&self, kind: &str, value: &str) -> Option<&Peripheral> {
        self.peripherals.iter().find(|peripheral| {
            peripheral.kind.eq_ignore_ascii_case(kind) && self.value(peripheral) == Some(value)
        })
    }
}

impl Wanted {
    fn problem(&self, exit: ExitCode, message: String) -> Diagnostic {
        let place = self.place.clone().unwrap_or_else(|| Place::file(self.path.display().to_string()));
        Diagnostic::error(exit, message).at(place)
    }

    fn unreadable(&self, path: &Path, error: &io::Error) -> Diagnostic {
        let missing = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
        let exit = match error.kind() {
            _ if missing => ExitCode::NotFound,
            io::ErrorKind::IsADirectory => ExitCode::BadInput,
            _ => ExitCode::Internal,
        };
        let found =
            self.problem(exit, format!("cannot read `{}`", path.display())).with_cause(error.to_string());
        match &self.place {
            Some(_) if missing => found.with_hint(
                "copy it there from the folder HardwareDefinitions of the Azure Sphere SDK, or correct the path",
            ),
            _ if missing => found.with_hint("check the path: it starts in the current folder"),
            _ => found,
        }
    }
}

/// A path without `.` and, where it can be, without `..`, so that a file has one name.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        let last = plain.components().next_back();
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(last, Some(Component::Normal(_))) => _ = plain.pop(),
            part => plain.push(part),
        }
    }
    plain
}

/// `{"Path": "mt3620.json"}`.
fn import(reading: &mut Reading<'_>, item: &Node, text: &Text, path: &Path) -> Option<Wanted> {
    let fields = reading.map(item, "Imports[]")?;
    let Some(named) = field(fields, "Path") else {
        reading.bad(&item.at, "an import without `Path`", "write it like `{\"Path\": \"mt3620.json\"}`");
        return None;
    };
    // Made on Windows, for some.
    let relative = reading.text(&named.value, "Path")?.replace('\\', "/");
    if relative.is_empty() || relative.starts_with('/') || relative.contains('\0') {
        let hint = "write it relative to this file, so that it is the same on every machine";
        reading.bad(&named.value.at, format!("`Path`: `{}` is not a relative path", short(&relative)), hint);
        return None;
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    Some(Wanted { path: folder.join(relative), place: Some(text.place(&named.value.at)) })
}

/// A peripheral; those without name or type can't be meant by a manifest.
fn peripheral(reading: &mut Reading<'_>, item: &Node) -> Option<Peripheral> {
    let fields = reading.map(item, "Peripherals[]")?;
    let text = |name: &str| match &field(fields, name)?.value.value {
        Value::Text(text) | Value::Number(text) => Some(text.clone()),
        _ => None,
    };
    Some(Peripheral {
        name: text("Name")?,
        kind: text("Type")?,
        mapping: text("Mapping"),
        value: text("AppManifestValue"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(files: &'static [(&str, &str)]) -> Result<Hardware, Report> {
        Hardware::load(Path::new("hw/app.json"), &|path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    #[test]
    fn name_is_followed_through_imports_in_a_ring() {
        let hardware = load(&[
            (
                "hw/app.json",
                r#"{"Imports": [{"Path": "./sub\\board.json"}], "Peripherals": [
                    {"Name": "LAMP", "Type": "Gpio", "Mapping": "LED1"}, {"Name": "RING", "Type": "Gpio", "Mapping": "RING"}]}"#,
            ),
            (
                "hw/sub/board.json",
                r#"{"imports": [{"path": "../app.json"}, {"path": "../chip.json"}],
                    "peripherals": [{"name": "LED1", "type": "Gpio", "mapping": "GPIO8"}]}"#,
            ),
            ("hw/chip.json", r#"{"Peripherals": [{"Name": "GPIO8", "Type": "Gpio", "AppManifestValue": 8}]}"#),
        ])
        .expect("a definition");
        let lamp = hardware.find("LAMP").expect("there");
        assert_eq!(hardware.value(lamp), Some("8"));
        assert_eq!(hardware.of_value("Gpio", "8").map(|found| found.name.as_str()), Some("LAMP"));
        assert_eq!(hardware.find("RING").and_then(|ring| hardware.value(ring)), None);
        assert_eq!(hardware.nearest("LAMB", "gpio"), Some("LAMP"));
    }

    #[test]
    fn import_that_is_missing_or_absolute_is_told_where_it_stands() {
        let missing =
            load(&[("hw/app.json", "{\"Imports\": [{\"Path\": \"mt3620.json\"}]}")]).expect_err("missing");
        assert_eq!(missing.exit_code(), ExitCode::NotFound);
        assert_eq!(
            missing.entries()[0].place.as_ref().map(ToString::to_string).as_deref(),
            Some("hw/app.json:1:23")
        );
        let absolute =
            load(&[("hw/app.json", "{\"Imports\": [{\"Path\": \"/etc/passwd\"}]}")]).expect_err("absolute");
        assert_eq!(absolute.exit_code(), ExitCode::BadInput);
        assert_eq!(load(&[]).expect_err("missing").exit_code(), ExitCode::NotFound);
        assert_eq!(load(&[("hw/app.json", "[]")]).expect_err("a list").exit_code(), ExitCode::BadInput);
    }
}
