//! A kind of file described field by field, in Markdown.

use std::fmt::Write as _;

use super::{Field, Kind, Presence, Shape};

/// What stands above the fields.
const INTRODUCTION: &str = "\
<!-- Generated from lib/manifest/src/schema, which tests hold the parser against. To write it anew:
NACRE_BLESS=1 cargo test -p nacre-manifest --features schema --test schema -->

`nacre.yaml` says what an app is, how it is built and all that it may do. `nacre app check` finds what is wrong with
one; `nacre schema app` prints the same as a JSON Schema, with which an editor completes and checks while one types.

Three rules hold for every field: what is accepted is enforced, what is not granted is denied, and a denial names the
line that would allow it ([DENIALS](DENIALS.md)). Anchors, aliases and tags of YAML are refused, and so is a field that
is not below. What is marked *needed* must be there; everything else may be left out.
";

/// Characters in a line of prose, as elsewhere in the documents.
const WIDTH: usize = 120;

/// The whole reference, which ends with a line feed.
pub fn text(kind: Kind) -> String {
    let mut out = format!("# {}\n\n{INTRODUCTION}\n## At a glance\n```yaml\n", kind.title());
    for field in kind.fields() {
        // Each example stands as it would in a file.
        let _ = writeln!(out, "{}", field.example);
    }
    out.push_str("```\n");
    for field in kind.fields() {
        describe(&mut out, &field, "");
    }
    out
}

fn describe(out: &mut String, field: &Field, above: &str) {
    let name = if above.is_empty() { field.name.to_owned() } else { format!("{above}.{}", field.name) };
    let _ = write!(out, "\n## `{name}`\n");
    wrap(out, field.about, "");
    out.push('\n');
    let mut line = |what: &str, text: &str| {
        if !text.is_empty() {
            wrap(out, &format!("- **{what}**: {text}"), "  ");
        }
    };
    match &field.presence {
        Presence::Needed => line("is (*needed*)", &noun(&field.shape)),
        _ => line("is", &noun(&field.shape)),
    }
    if let Presence::Default(default) = &field.presence {
        line("default", &format!("`{default}`"));
    }
    line("limits", &field.limits);
    line("example", &format!("`{}`", field.example));
    line("held by", field.enforced);
    line("when it says no", field.denial);
    if let Shape::Fields(inner) = &field.shape {
        for field in inner {
            describe(out, field, &name);
        }
    }
}

/// A paragraph in lines; all but the first are indented.
fn wrap(out: &mut String, text: &str, indent: &str) {
    let mut width = 0;
    for word in text.split(' ') {
        let more = word.chars().count() + 1;
        if width > 0 && width + more > WIDTH {
            out.push('\n');
            out.push_str(indent);
            width = indent.len();
        } else if width > 0 {
            out.push(' ');
        }
        out.push_str(word);
        width += more;
    }
    out.push('\n');
}

fn noun(shape: &Shape) -> String {
    let words = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    match shape {
        Shape::Text { .. } => "text".to_owned(),
        Shape::Words(list) => format!("one of {}", words(list)),
        Shape::Number { least, most } => format!("a whole number of {least} to {most}"),
        Shape::Boolean => "`true` or `false`".to_owned(),
        Shape::Amount(amount) => amount.noun().to_owned(),
        Shape::List { of, most, .. } => match &**of {
            Shape::Words(list) => format!("a list of {}", words(list)),
            _ => format!("a list, of at most {most}"),
        },
        Shape::Map { most, .. } => format!("a map, of at most {most} entries"),
        Shape::Fields(fields) => {
            format!("a map of {}", words(&fields.iter().map(|field| field.name).collect::<Vec<_>>()))
        }
        Shape::Either(shapes) => shapes.iter().map(noun).collect::<Vec<_>>().join("; or "),
    }
}
