//! The table in the terminal: attacks down, layers across.

use std::fmt::Write as _;

use super::{Configuration, Outcome, Results, Row};

/// Names of the layers' columns, short enough for a terminal of 80 columns.
const SHORT: [(&str, &str); 15] = [
    ("namespaces", "ns"),
    ("pivot", "pv"),
    ("uid", "ui"),
    ("user-namespace", "un"),
    ("capabilities", "ca"),
    ("no-new-privs", "np"),
    ("landlock", "ll"),
    ("rlimits", "rl"),
    ("descriptors", "fd"),
    ("seccomp", "se"),
    ("memory", "me"),
    ("packet-filter", "pf"),
    ("cgroup", "cg"),
    ("quota", "qu"),
    ("kernel-config", "kc"),
];

/// How a table shows its marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// With colour.
    Coloured,
    /// Without.
    Plain,
}

/// The table, with what it means below.
pub fn table(results: &Results, marks: Marks) -> String {
    let mut out = String::new();
    let layers: Vec<(&str, &str)> = SHORT
        .into_iter()
        .filter(|(layer, _)| {
            results.configurations.iter().any(|c| matches!(c, Configuration::Without(l) if l == layer))
        })
        .collect();
    let width = results.rows.iter().map(|row| row.attack.name.len()).max().unwrap_or(0).max(6) + 2;
    let columns: String = layers.iter().map(|(_, short)| format!(" {short}")).collect();
    let _ = writeln!(out, "{:width$}  all{}  none", "ATTACK", columns.to_uppercase());
    let mut family = "";
    for row in &results.rows {
        if row.attack.family != family {
            family = &row.attack.family;
            let _ = writeln!(out, "{family}");
        }
        let _ = write!(out, "  {:1$}", row.attack.name, width.saturating_sub(2));
        let _ = write!(out, "   {} ", mark(row, Configuration::AllLayers, marks));
        for (layer, _) in &layers {
            let configuration =
                Configuration::layers().find(|known| known == layer).map(Configuration::Without);
            let cell =
                configuration.map_or_else(|| " ".to_owned(), |configuration| mark(row, configuration, marks));
            let _ = write!(out, "  {cell}");
        }
        let _ = writeln!(out, "   {}", mark(row, Configuration::Control, marks));
    }
    out.push('\n');
    out.push_str("`.` stopped   `W` won   `?` could not be tried\n");
    out.push_str("all: with every layer; none: without any, on the control kernel; between: without this layer alone\n");
    let names: Vec<String> =
        layers.iter().map(|(layer, short)| format!("{} {layer}", short.to_uppercase())).collect();
    for line in names.chunks(5) {
        let _ = writeln!(out, "  {}", line.join(" · "));
    }
    out.push('\n');
    out.push_str(&summary(results));
    out
}

fn mark(row: &Row, configuration: Configuration, marks: Marks) -> String {
    let is_control = configuration == Configuration::Control;
    let (text, colour) = match row.outcomes.get(&configuration) {
        None => (" ", ""),
        Some(Outcome::Stopped(_)) => (".", if is_control { "31" } else { "32" }),
        Some(Outcome::Won) => ("W", if is_control { "32" } else { "1;31" }),
        Some(Outcome::Unknown(_)) => ("?", "33"),
    };
    match marks {
        Marks::Coloured if !colour.is_empty() => format!("\x1b[{colour}m{text}\x1b[0m"),
        _ => text.to_owned(),
    }
}

/// What the table says, in sentences.
pub fn summary(results: &Results) -> String {
    let mut out = String::new();
    let total = results.rows.len();
    let won = results.won();
    let _ = match won.as_slice() {
        [] => writeln!(out, "{total} attacks on {}: none won against all layers.", results.board),
        won => {
            let names: Vec<&str> = won.iter().map(|row| row.attack.name.as_str()).collect();
            writeln!(
                out,
                "{} of {total} attacks on {} WON against all layers: {}.",
                won.len(),
                results.board,
                names.join(", ")
            )
        }
    };
    let has_layers = results.configurations.iter().any(|c| matches!(c, Configuration::Without(_)));
    if has_layers {
        let (all, unexpected) = (results.pairs(), results.unexpected_pairs());
        let _ = writeln!(
            out,
            "{} attack-layer pairs rest on that layer alone, {} of them outside of resources and channel.",
            all.len(),
            unexpected.len()
        );
        for (row, layer) in all {
            let _ = writeln!(out, "  {} without {layer}", row.attack.name);
        }
    }
    for row in results.unjudged() {
        let why = row.outcomes.iter().find_map(|(configuration, outcome)| match outcome {
            Outcome::Unknown(why) => Some(format!("{configuration}: {why}")),
            _ => None,
        });
        let why =
            why.unwrap_or_else(|| "it doesn't win without any layer, so that it proves nothing".to_owned());
        let _ = writeln!(out, "  {} can't be judged: {why}", row.attack.name);
    }
    out
}
