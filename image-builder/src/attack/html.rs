//! The page: what was attacked and what held, for people who don't read terminals.

use std::fmt::Write as _;

use super::{Configuration, Outcome, Results, Row};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--soft:#59636e;--line:#d1d9e0;--good:#1a7f37;--bad:#cf222e;--odd:#9a6700}\
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--soft:#9198a1;--line:#3d444d;--good:#3fb950;--bad:#f85149;--odd:#d29922}}\
body{font:16px/1.5 system-ui,sans-serif;max-width:68rem;margin:2rem auto;padding:0 1rem;color:var(--ink);background:var(--paper)}\
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin-top:2.2rem}.soft{color:var(--soft)}\
.big{font-size:1.25rem;font-weight:600}.good{color:var(--good)}.bad{color:var(--bad)}.odd{color:var(--odd)}\
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}\
th,td{border-bottom:1px solid var(--line);padding:.3rem .5rem;text-align:left;vertical-align:top}\
th.l{writing-mode:vertical-rl;transform:rotate(180deg);font-weight:500;padding:.5rem .2rem;white-space:nowrap}\
td.m{text-align:center;font-weight:700}code{font-size:.85rem}";

/// The whole page; nothing in it comes from elsewhere.
pub fn page(results: &Results) -> String {
    let mut out = String::new();
    let title = format!("Attacks on {} ({})", results.image, results.board);
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{0}</title><style>{STYLE}</style></head><body>\n<h1>{0}</h1>\n",
        escape(&title)
    );
    verdict(&mut out, results);
    how(&mut out);
    rests(&mut out, results);
    families(&mut out, results);
    out.push_str("</body></html>\n");
    out
}

fn verdict(out: &mut String, results: &Results) {
    let (total, won, unjudged) = (results.rows.len(), results.won(), results.unjudged());
    let (class, text) = match (won.len(), unjudged.len()) {
        (0, 0) => ("good", format!("All {total} attacks were stopped.")),
        (0, open) => ("odd", format!("No attack won; {open} of {total} could not be judged.")),
        (won, _) => ("bad", format!("{won} of {total} attacks won.")),
    };
    let _ = writeln!(out, "<p class=\"big {class}\">{text}</p>");
    for row in won {
        let _ = writeln!(
            out,
            "<p class=\"bad\"><code>{}</code>: {}.</p>",
            row.attack.name,
            escape(&row.attack.goal)
        );
    }
}

fn how(out: &mut String) {
    out.push_str(
        "<h2>How this was tested</h2>\n<p>A hostile app runs on the same system and tries one attack after the \
         other. Whether one succeeds is not the attacker's to say: for each attack a witness outside plants a secret \
         that nobody can guess, or notes the state of the system, and looks afterwards whether the goal was reached. \
         To be sure that the attacks are real, each is first run without any protection, where it must win. Then it \
         is run with everything switched on, and again with each single layer of protection switched off, as if \
         that layer had failed: what is still stopped then is stopped by at least two layers.</p>\n",
    );
}

fn rests(out: &mut String, results: &Results) {
    if !results.configurations.iter().any(|configuration| matches!(configuration, Configuration::Without(_)))
    {
        return;
    }
    let pairs = results.pairs();
    out.push_str("<h2>If one layer fails</h2>\n");
    if pairs.is_empty() {
        out.push_str("<p class=\"good\">With any one layer off, no attack wins.</p>\n");
        return;
    }
    let total = results.rows.len();
    let single = results.rows.iter().filter(|row| row.rests_on().next().is_some()).count();
    let _ = writeln!(
        out,
        "<p>{} of {total} attacks are stopped by two layers or more. These rest on a single one:</p>\n\
         <div class=\"scroll\"><table><tr><th>Attack</th><th>What it is after</th><th>The layer that stops it</th></tr>",
        total.saturating_sub(single)
    );
    for (row, layer) in pairs {
        let (name, goal) = (&row.attack.name, escape(&row.attack.goal));
        let _ = writeln!(out, "<tr><td><code>{name}</code></td><td>{goal}</td><td>{layer}</td></tr>");
    }
    out.push_str("</table></div>\n");
}

fn families(out: &mut String, results: &Results) {
    let layers: Vec<Configuration> = results
        .configurations
        .iter()
        .copied()
        .filter(|configuration| matches!(configuration, Configuration::Without(_)))
        .collect();
    out.push_str("<h2>Every attack</h2>\n<p class=\"soft\">✓ stopped · ✗ won · ? could not be tried</p>\n");
    let mut rows = results.rows.as_slice();
    while let Some(first) = rows.first() {
        let family = first.attack.family.as_str();
        let count = rows.iter().take_while(|row| row.attack.family == family).count();
        let (these, rest) = rows.split_at(count);
        rows = rest;
        let _ = write!(
            out,
            "<h3>{family}</h3>\n<div class=\"scroll\"><table><tr><th>Attack</th><th>What it is after, and who sees \
             it</th><th class=\"l\">no layer</th><th class=\"l\">all layers</th>"
        );
        for layer in &layers {
            let _ = write!(out, "<th class=\"l\">{layer}</th>");
        }
        out.push_str("</tr>\n");
        for row in these {
            let Row { attack, .. } = row;
            let _ = write!(
                out,
                "<tr><td><code>{}</code></td><td>{}.<br><span class=\"soft\">Seen when {}.</span></td>{}{}",
                attack.name,
                escape(&attack.goal),
                escape(&attack.seen),
                cell(row, Configuration::Control),
                cell(row, Configuration::AllLayers)
            );
            for layer in &layers {
                out.push_str(&cell(row, *layer));
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</table></div>\n");
    }
}

fn cell(row: &Row, configuration: Configuration) -> String {
    let is_control = configuration == Configuration::Control;
    let (class, text, title) = match row.outcomes.get(&configuration) {
        None => return "<td></td>".to_owned(),
        Some(Outcome::Won) => (if is_control { "soft" } else { "bad" }, "✗", "won"),
        Some(Outcome::Stopped(how)) => (if is_control { "odd" } else { "good" }, "✓", how.as_str()),
        Some(Outcome::Unknown(why)) => ("odd", "?", why.as_str()),
    };
    format!("<td class=\"m {class}\" title=\"{}\">{text}</td>", escape(title))
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
