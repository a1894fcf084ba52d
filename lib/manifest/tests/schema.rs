//! The tables of `nacre_manifest::schema` against the reader, field by field, and what is generated of them against the
//! files in the tree.
//!
//! With `NACRE_BLESS=1` in the environment `docs/schema` and `docs/manifest.md` are written anew.

use std::fs;
use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use nacre_diag::Report;
use nacre_manifest::schema::{Field, Kind, Presence, Shape, json_schema, reference};
use nacre_manifest::{app, board, image};
use serde_json::{Value, json};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The schema of a kind, in a validator of others' making.
struct Judge {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Judge {
    fn of(kind: Kind) -> Self {
        let schema: Value = serde_json::from_str(&json_schema::text(kind)).expect("JSON");
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("schema.json", schema).expect("added");
        let index =
            compiler.compile("schema.json", &mut schemas).unwrap_or_else(|e| panic!("{kind:?}: {e:#}"));
        Self { schemas, index }
    }

    /// What it says of a text; none if it isn't YAML at all, or no JSON.
    fn accepts(&self, text: &str) -> Option<Result<(), String>> {
        let value: serde_yaml::Value = serde_yaml::from_str(text).ok()?;
        let value = serde_json::to_value(value).ok()?;
        Some(self.schemas.validate(&value, self.index).map_err(|error| format!("{error:#}")))
    }
}

fn parse(kind: Kind, text: &str) -> Result<String, Report> {
    match kind {
        Kind::App => {
            app::parse(text, "f").map(|app| format!("{:?} {:?} {:?}", app.manifest, app.build, app.files))
        }
        Kind::Image => image::parse(text, "f").map(|image| format!("{image:?}")),
        Kind::Board => board::parse(text, "f").map(|board| format!("{board:?}")),
    }
}

fn check_file(path: &Path, found: &str) {
    if std::env::var_os("NACRE_BLESS").is_some_and(|value| value == "1") {
        fs::write(path, found).expect("written");
    }
    let wanted = fs::read_to_string(path).unwrap_or_default();
    assert!(found == wanted, "{} is not current; NACRE_BLESS=1 writes it anew", path.display());
}

#[test]
fn schema_files_in_the_tree_are_current() {
    for kind in Kind::ALL {
        let name = format!("docs/schema/{}.schema.json", kind.as_str());
        check_file(&top().join(name), &json_schema::text(kind));
    }
}

#[test]
fn reference_in_the_tree_is_current_and_has_every_field() {
    let text = reference::text(Kind::App);
    check_file(&top().join("docs/manifest.md"), &text);
    for (name, field) in all(&Kind::App.fields(), "") {
        assert!(text.contains(&format!("\n## `{name}`\n")), "{name}");
        assert!(!field.about.is_empty(), "{name}");
    }
}

/// All fields with the names above them.
fn all<'f>(fields: &'f [Field], above: &str) -> Vec<(String, &'f Field)> {
    let mut found = Vec::new();
    for field in fields {
        let name = if above.is_empty() { field.name.to_owned() } else { format!("{above}.{}", field.name) };
        found.push((name.clone(), field));
        found.extend(inner(&field.shape, &name));
    }
    found
}

fn inner<'f>(shape: &'f Shape, above: &str) -> Vec<(String, &'f Field)> {
    match shape {
        Shape::Fields(fields) => all(fields, above),
        Shape::Map { of, .. } => inner(of, &format!("{above}.X1")),
        _ => Vec::new(),
    }
}

/// A file with every needed field, and these lines in the place of theirs.
fn with(kind: Kind, lines: &[&str]) -> String {
    let key = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let mut text = String::new();
    for field in kind.fields() {
        if field.presence == Presence::Needed && lines.iter().all(|line| key(line) != field.name) {
            text += &format!("{}\n", field.example);
        }
    }
    for line in lines {
        text += &format!("{line}\n");
    }
    text
}

#[test]
fn example_of_each_field_is_accepted_by_reader_and_schema() {
    for kind in Kind::ALL {
        let judge = Judge::of(kind);
        for (name, field) in all(&kind.fields(), "") {
            let text = with(kind, &[field.example]);
            assert!(parse(kind, &text).is_ok(), "{name}: {text}\n{:?}", parse(kind, &text));
            assert_eq!(judge.accepts(&text), Some(Ok(())), "{name}: {text}");
            assert!(field.example.contains(field.name), "{name}");
        }
    }
}

#[test]
fn field_that_is_needed_is_missed_by_reader_and_schema_alike() {
    for kind in Kind::ALL {
        let judge = Judge::of(kind);
        for (name, field) in all(&kind.fields(), "") {
            if name.contains(".X1.") {
                continue;
            }
            let value: serde_yaml::Value = serde_yaml::from_str(&with(kind, &[field.example])).expect("YAML");
            let mut value = serde_json::to_value(value).expect("JSON");
            let mut at = &mut value;
            let mut path: Vec<&str> = name.split('.').collect();
            let last = path.pop().expect("a name");
            for step in path {
                at = &mut at[step];
            }
            assert!(at.as_object_mut().expect("a map").remove(last).is_some(), "{name}");
            // What has nothing in it any more is another mistake.
            let empty =
                at.as_object().is_some_and(serde_json::Map::is_empty) && field.presence != Presence::Needed;
            let text = value.to_string();
            let (read, judged) = (parse(kind, &text), judge.accepts(&text).expect("JSON"));
            let needed = field.presence == Presence::Needed;
            assert_eq!(judged.is_err(), needed, "{name}: {text}");
            if !empty {
                assert_eq!(read.is_err(), needed, "{name}: {text}");
            }
            if let (true, Err(report)) = (needed, read) {
                let missing = format!("missing field `{last}`");
                assert!(report.entries().iter().any(|found| found.message.starts_with(&missing)), "{name}");
            }
        }
    }
}

#[test]
fn default_of_each_field_is_what_leaving_it_out_means() {
    let mut count = 0;
    for kind in Kind::ALL {
        let judge = Judge::of(kind);
        let plain = parse(kind, &with(kind, &[])).expect("valid");
        for (name, field) in all(&kind.fields(), "") {
            let Presence::Default(default) = &field.presence else { continue };
            if name.contains(".X1.") {
                continue;
            }
            // The example's line with the default as its value, alone in its map.
            let nested = match name.split_once('.') {
                None => format!("{name}: {default}"),
                Some((outer, inner)) => {
                    let mut value = serde_json::to_value(
                        serde_yaml::from_str::<serde_yaml::Value>(field.example).expect("YAML"),
                    )
                    .expect("JSON");
                    let default: Value = serde_yaml::from_str(default).expect("YAML");
                    value[outer][inner] = default;
                    format!("{outer}: {}", value[outer])
                }
            };
            let text = with(kind, &[&nested]);
            assert_eq!(judge.accepts(&text), Some(Ok(())), "{name}: {text}");
            // An empty `network` or `devices` is refused by itself: then the default is that of an entry less.
            let without_places = |text: String| text.split("place").next().unwrap_or_default().to_owned();
            match parse(kind, &text) {
                Ok(read) if kind == Kind::App => assert_eq!(read, plain, "{name}: {text}"),
                Ok(read) => assert!(read.len() + 400 > plain.len(), "{}", without_places(read)),
                Err(report) => {
                    assert!(
                        matches!(nested.split(':').next(), Some("network" | "devices")),
                        "{name}: {report:?}"
                    );
                    assert!(report.entries()[0].message.ends_with("is empty"), "{name}");
                }
            }
            count += 1;
        }
    }
    assert!(count > 20, "{count} defaults");
}

#[test]
fn names_that_the_reader_knows_are_those_of_the_tables() {
    for kind in Kind::ALL {
        let judge = Judge::of(kind);
        let mut maps = vec![(String::new(), kind.fields())];
        for (name, field) in all(&kind.fields(), "") {
            if let Shape::Fields(fields) = &field.shape {
                maps.push((name, fields.clone()));
            }
        }
        for (name, fields) in maps {
            let line = match name.split_once('.') {
                None if name.is_empty() => "qqqqqqqq: 1".to_owned(),
                None => format!("{name}: {{ qqqqqqqq: 1 }}"),
                Some(_) => continue,
            };
            let text = with(kind, &[&line]);
            let report = parse(kind, &text).expect_err(&text);
            let hint = report
                .entries()
                .iter()
                .find(|found| found.message.starts_with("unknown field `qqqqqqqq`"))
                .and_then(|found| found.hints.first())
                .unwrap_or_else(|| panic!("{name}: {report:?}"));
            let (_, known) = hint.split_once(": ").expect("names");
            let mut known: Vec<&str> = known.split(", ").collect();
            let mut wanted: Vec<&str> = fields.iter().map(|field| field.name).collect();
            known.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(known, wanted, "{name}");
            assert!(judge.accepts(&text).is_some_and(|judged| judged.is_err()), "{text}");
        }
    }
}

#[test]
fn numbers_and_words_at_their_bounds_are_judged_alike() {
    let mut count = 0;
    for kind in Kind::ALL {
        let judge = Judge::of(kind);
        for (name, field) in all(&kind.fields(), "") {
            if name.contains(".X1") || matches!(field.shape, Shape::Map { .. }) {
                continue;
            }
            let tries: Vec<(Value, bool)> = match &field.shape {
                Shape::Number { least, most } => vec![
                    (json!(least), true),
                    (json!(most), true),
                    (json!(i128::from(*least) - 1), false),
                    (json!((*most as f64) * 4.0), false),
                    (json!("seven"), false),
                ],
                Shape::Words(words) => {
                    words.iter().map(|word| (json!(word), true)).chain([(json!("qqqq"), false)]).collect()
                }
                Shape::Boolean => vec![(json!(true), true), (json!("yes"), false), (json!(1), false)],
                Shape::Amount(_) => vec![(json!("many"), false), (json!(true), false), (json!([]), false)],
                Shape::List { .. } => vec![(json!({}), false), (json!(7), false)],
                Shape::Fields(_) => vec![(json!([]), false), (json!(7), false), (Value::Null, false)],
                Shape::Text { .. } => vec![(json!(["x"]), false), (json!(""), field.name == "cmdline")],
                Shape::Either(_) => vec![(json!({}), false), (json!(7), false)],
                Shape::Map { .. } => continue,
            };
            for (value, good) in tries {
                let mut file: Value = serde_json::to_value(
                    serde_yaml::from_str::<serde_yaml::Value>(&with(kind, &[field.example])).expect("YAML"),
                )
                .expect("JSON");
                let mut at = &mut file;
                for step in name.split('.') {
                    at = &mut at[step];
                }
                *at = value.clone();
                let text = file.to_string();
                let judged = judge.accepts(&text).expect("JSON");
                assert_eq!(judged.is_ok(), good, "{name} = {value}: {judged:?}");
                // Two fields together may be refused where each is right: `testing` with a profile, say.
                if good && field.name != "profile" && field.name != "build" && field.name != "kernel" {
                    assert!(parse(kind, &text).is_ok(), "{name} = {value}: {:?}", parse(kind, &text));
                } else if !good {
                    assert!(parse(kind, &text).is_err(), "{name} = {value}");
                }
                count += 1;
            }
        }
    }
    assert!(count > 100, "{count} values");
}

/// Every YAML file below a folder whose first lines make it of a kind.
fn files_of(kind: Kind, folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && !matches!(name.as_str(), "target" | "out" | ".git" | "golden" | "import") {
            files_of(kind, &path, found);
        } else if name.ends_with(".yaml") {
            let text = fs::read_to_string(&path).expect("text");
            if text.lines().any(|line| line.starts_with(&format!("{}:", kind.as_str()))) {
                let first = |word: &str| text.lines().position(|line| line.starts_with(&format!("{word}:")));
                // A recipe has a board as well.
                if kind != Kind::Board || first("image").is_none() {
                    found.push(path);
                }
            }
        }
    }
}

#[test]
fn every_manifest_recipe_and_board_of_the_tree_fits_its_schema_and_names_it() {
    for (kind, least) in [(Kind::App, 10), (Kind::Image, 5), (Kind::Board, 2)] {
        let judge = Judge::of(kind);
        let mut files = Vec::new();
        for folder in ["recipes", "tests", "image-builder/templates", "lib"] {
            files_of(kind, &top().join(folder), &mut files);
        }
        assert!(files.len() >= least, "{kind:?}: {files:?}");
        for path in files {
            let text = fs::read_to_string(&path).expect("text").replace("@ID@", "a.b").replace("@NAME@", "b");
            assert_eq!(judge.accepts(&text), Some(Ok(())), "{}", path.display());
            if path.components().any(|part| part.as_os_str() == "recipes") {
                let line = text.lines().next().unwrap_or_default();
                let schema = line.strip_prefix("# yaml-language-server: $schema=");
                let schema = schema.unwrap_or_else(|| panic!("{}: {line}", path.display()));
                let named = path.parent().expect("a folder").join(schema);
                let named = fs::read_to_string(&named).unwrap_or_else(|e| panic!("{}: {e}", named.display()));
                assert!(named == json_schema::text(kind), "{}: not the schema of today", path.display());
            }
        }
    }
}

/// Golden files: what the reader takes the schema takes, and what is a mistake of names, kinds or syntax the schema
/// refuses as well. The rest only the reader can tell, and each is named here.
#[test]
fn golden_files_are_judged_as_by_the_reader_where_a_schema_can_tell() {
    let mut refused = 0;
    let mut wrong = Vec::new();
    for kind in Kind::ALL {
        let judge = Judge::of(kind);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(kind.as_str());
        let mut entries: Vec<PathBuf> =
            fs::read_dir(&folder).expect("a folder").map(|e| e.expect("one").path()).collect();
        entries.sort();
        for path in entries.iter().filter(|path| path.extension().is_some_and(|end| end == "yaml")) {
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            // Not text: nothing to judge.
            let Ok(text) = fs::read_to_string(path) else { continue };
            let Some(judged) = judge.accepts(&text) else { continue };
            let read = parse(kind, &text);
            if read.is_ok() {
                assert_eq!(judged, Ok(()), "{}", path.display());
                continue;
            }
            let only_the_reader = ONLY_THE_READER.contains(&name);
            if judged.is_ok() != only_the_reader {
                wrong.push(format!("{}: {judged:?}", path.display()));
            }
            refused += usize::from(judged.is_err());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(refused > 30, "{refused}");
}

/// What no schema of this draft can say: amounts within bounds, fields that contradict each other, YAML's own anchors.
const ONLY_THE_READER: &[&str] = &[
    "c",
    "network-empty",
    "production-testing",
    "program-not-in-image",
    "range-of-share",
    "range-of-step",
    "syntax-alias",
];
