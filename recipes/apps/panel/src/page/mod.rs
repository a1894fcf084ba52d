//! The page. Everything in it is from here: style, script and icon come with it, nothing from elsewhere.

#[cfg(test)]
pub(crate) mod tests;

use std::fmt::{self, Write as _};

use nacre_app::{AppStatus, Stats};
use recorder::protocol::Answer;
use recorder::ring::Sample;

use crate::chart::Chart;
use crate::range::Range;
use crate::reading::{History, Reading};
use crate::words::{self, Html, Mood, duration, percent, size};

/// The icon, a shell.
pub(crate) const ICON: &str = include_str!("icon.svg");
const STYLE: &str = include_str!("panel.css");
const SCRIPT: &str = include_str!("panel.js");

/// Their hashes for the Content-Security-Policy: a browser runs these and no others. A test says what they
/// have to be.
pub(crate) const STYLE_HASH: &str = "sha256-7oMeBHGYYZpe/BoQa4PMfCw6IzHc1vyIBclegDuBxS0=";
pub(crate) const SCRIPT_HASH: &str = "sha256-ZlqdMJWx1MPJ+3DLwfHrUkKSoW0OIsMzkXWxwSdncOo=";

/// The page for a range of time.
pub(crate) fn page(reading: &Reading, history: &History, range: Range) -> String {
    let mut out = String::new();
    // Writing to a String can't fail.
    let _ = write(&mut out, reading, history, range);
    out
}

fn write(out: &mut String, reading: &Reading, history: &History, range: Range) -> fmt::Result {
    let (mood, summary) = summary(reading);
    write!(
        out,
        "<!doctype html><html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width,initial-scale=1\">\
         <meta name=color-scheme content=\"light dark\"><title>{summary} · Nacre</title>\
         <link rel=icon href=/icon.svg type=image/svg+xml><style>{STYLE}</style>\
         <noscript><meta http-equiv=refresh content=10></noscript></head><body>\
         <header>{ICON}<h1>Nacre</h1><div role=status><p id=sum class=\"state {}\">{summary}</p></div>\
         <p id=lost role=alert hidden></p>",
        mood.class()
    )?;
    facts(out, reading, history)?;
    out.push_str("</header><main><section aria-labelledby=load><div class=bar><h2 id=load>Load</h2>");
    ranges(out, range)?;
    out.push_str("</div><div class=charts>");
    load(out, reading, history, range)?;
    out.push_str("</div></section><section aria-labelledby=apps><h2 id=apps>Apps</h2>");
    apps(out, reading)?;
    writeln!(
        out,
        "</section></main><footer><p>Served by the app panel, from inside its sandbox.</p>\
         <p><a href=\"/state.json?range={}\">This page as JSON</a></p></footer><script>{SCRIPT}</script>\
         </body></html>",
        range.key()
    )
}

/// The device in one sentence.
fn summary(reading: &Reading) -> (Mood, String) {
    let Ok(apps) = &reading.apps else { return (Mood::Bad, "The OS does not answer".to_owned()) };
    let moods = || apps.iter().map(|app| words::state(app.state).2);
    let count = |wanted: Mood| moods().filter(|mood| *mood == wanted).count();
    let mood = moods().max().unwrap_or(Mood::Calm);
    let of = |count: usize, what: &str| match apps.len() {
        1 => format!("The app is {what}"),
        all if count == 1 => format!("1 of {all} apps is {what}"),
        all => format!("{count} of {all} apps are {what}"),
    };
    let text = match (mood, apps.len()) {
        (_, 0) => "No apps".to_owned(),
        (Mood::Good, 1) => "The app is running".to_owned(),
        (Mood::Good, all) => format!("All {all} apps are running"),
        (Mood::Calm, _) => of(count(Mood::Good), "running"),
        (Mood::Uneasy, _) => of(count(Mood::Uneasy), "waiting"),
        (Mood::Bad, _) => of(count(Mood::Bad), "down"),
    };
    (mood, text)
}

/// Which device it is, and for how long it is up.
fn facts(out: &mut String, reading: &Reading, history: &History) -> fmt::Result {
    out.push_str("<dl id=facts class=live>");
    let mut fact =
        |name: &str, value: &str| write!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", Html(value));
    if let Ok(stats) = &reading.stats {
        fact("Up for", &duration(stats.uptime_ms))?;
    }
    if let Some(device) = &reading.device {
        fact("Image", &format!("{} {}", device.image, device.version))?;
        fact("Board", &device.board)?;
        fact("Profile", if device.development { "development" } else { "production" })?;
        if let Some([a, b, c, d]) = device.address {
            fact("Address", &format!("{a}.{b}.{c}.{d}"))?;
        }
    }
    if let Ok(answer) = history {
        let boots = if answer.boots == 1 { "1 boot".to_owned() } else { format!("{} boots", answer.boots) };
        fact("Recorded", &format!("{} over {boots}", duration(u64::from(answer.kept) * 1000)))?;
    }
    out.push_str("</dl>");
    Ok(())
}

/// Links to the other ranges.
fn ranges(out: &mut String, range: Range) -> fmt::Result {
    out.push_str("<nav aria-label=\"Time range\">");
    for other in Range::ALL {
        let current = if other == range { " aria-current=page" } else { "" };
        write!(out, "<a href=\"/?range={}\"{current}>{}</a>", other.key(), other.short())?;
    }
    out.push_str("</nav>");
    Ok(())
}

/// CPU and memory: now, and over the range.
fn load(out: &mut String, reading: &Reading, history: &History, range: Range) -> fmt::Result {
    let Ok(stats) = &reading.stats else {
        let why = reading.stats.as_ref().err().map_or("", String::as_str);
        return write!(out, "<p id=load-missing class=\"live empty\">No figures: {}.</p>", Html(why));
    };
    let used = stats.memory_total_kib.saturating_sub(stats.memory_available_kib);
    let share = u64::from(used) * 1000 / u64::from(stats.memory_total_kib.max(1));
    let share = percent(u16::try_from(share).unwrap_or(1000));
    figure(
        out,
        Figure {
            id: "cpu",
            name: "CPU",
            now: percent(reading.cpu_now(history)),
            more: String::new(),
            words: |cpu| percent(u16::try_from(cpu).unwrap_or(1000)),
            value: |sample| u32::from(sample.cpu_permille),
            scale: cpu_scale,
        },
        stats,
        history,
        range,
    )?;
    figure(
        out,
        Figure {
            id: "memory",
            name: "Memory",
            now: size(used),
            more: format!("of {}, {share}", size(stats.memory_total_kib)),
            words: size,
            value: |sample| u32::from(sample.memory_pages) * 4,
            scale: |_, stats| memory_scale(stats.memory_total_kib),
        },
        stats,
        history,
        range,
    )
}

/// The value at the upper edge of a chart, and those with a line and a label.
type Scale = (u32, Vec<(u32, String)>);

/// What one of the charts shows.
struct Figure {
    id: &'static str,
    name: &'static str,
    now: String,
    more: String,
    words: fn(u32) -> String,
    value: fn(&Sample) -> u32,
    scale: fn(u32, &Stats) -> Scale,
}

fn figure(out: &mut String, figure: Figure, stats: &Stats, history: &History, range: Range) -> fmt::Result {
    let Figure { id, name, now, more, words, value, scale } = figure;
    write!(
        out,
        "<figure id={id} class=live><figcaption><h3>{name}</h3><p class=now>{now}</p><p>{more}</p></figcaption>"
    )?;
    match history {
        Ok(Answer { samples, .. }) if !samples.is_empty() => {
            let values = || samples.iter().map(value);
            let (highest, sum) = (values().max().unwrap_or(0), values().map(u64::from).sum::<u64>());
            let mean = u32::try_from(sum / (samples.len() as u64).max(1)).unwrap_or(u32::MAX);
            let (top, marks) = scale(highest, stats);
            let said = format!("Mean {}, highest {}", words(mean), words(highest));
            let span = range.span();
            let chart = Chart {
                id,
                title: format!("{name} over the last {span}"),
                desc: format!("Now {now}. {said}."),
                samples,
                value,
                top,
                marks,
                range,
            };
            chart.svg(out)?;
            write!(out, "<p class=note>{said}")?;
            if range.every_s() > 1 {
                write!(out, ", in steps of {}", duration(u64::from(range.every_s()) * 1000))?;
            }
            out.push_str("</p>");
        }
        Ok(_) => out.push_str("<p class=empty>The first samples are being taken.</p>"),
        Err(why) => write!(out, "<p class=empty>No history: {}.</p>", Html(why))?,
    }
    out.push_str("</figure>");
    Ok(())
}

/// As high as the curve needs, in few steps: it should not jump about.
fn cpu_scale(highest: u32, _: &Stats) -> Scale {
    let top = [100, 200, 500].into_iter().find(|top| highest <= *top).unwrap_or(1000);
    let mark = |permille: u32| (permille, format!("{}\u{a0}%", permille / 10));
    (top, vec![mark(0), mark(top / 2), mark(top)])
}

/// All of the memory, with round figures on the way.
fn memory_scale(total_kib: u32) -> Scale {
    const MIB: u32 = 1024;
    let steps = (0..10).flat_map(|power| [1, 2, 5].map(|digit: u32| digit * 10_u32.pow(power)));
    let step = steps.filter_map(|mib| mib.checked_mul(MIB)).find(|step| total_kib / step <= 3);
    let step = step.unwrap_or(u32::MAX);
    let round = (0..=3).filter_map(|n| step.checked_mul(n)).filter(|kib| *kib <= total_kib);
    let mut marks: Vec<_> = round.map(|kib| (kib, format!("{}\u{a0}MiB", kib / MIB))).collect();
    // The upper edge as well, if its label has room.
    if marks.last().is_some_and(|(last, _)| total_kib - last > total_kib / 6) {
        marks.push((total_kib, size(total_kib)));
    }
    (total_kib, marks)
}

/// The apps: a table on a wide screen, a card each on a narrow one. The roles keep it a table for those who
/// hear it, whatever it looks like.
fn apps(out: &mut String, reading: &Reading) -> fmt::Result {
    let apps = match &reading.apps {
        Ok(apps) => apps,
        Err(why) => {
            return write!(out, "<p id=apps-missing class=\"live empty\">No states: {}.</p>", Html(why));
        }
    };
    out.push_str("<table id=list class=live role=table><thead role=rowgroup><tr role=row>");
    for name in ["App", "State", "For", "Memory", "Restarts", "Version", "Last end"] {
        let class = if matches!(name, "Memory" | "Restarts") { " class=n" } else { "" };
        write!(out, "<th role=columnheader{class}>{name}</th>")?;
    }
    out.push_str("</tr></thead><tbody role=rowgroup>");
    apps.iter().try_for_each(|status| app(out, status))?;
    out.push_str("</tbody></table>");
    Ok(())
}

fn app(out: &mut String, app: &AppStatus) -> fmt::Result {
    let (state, _, mood) = words::state(app.state);
    // On a phone, what says nothing takes no room.
    let none = |nothing: bool| if nothing { " none" } else { "" };
    let memory = if app.memory_kib == 0 { "–".to_owned() } else { size(app.memory_kib) };
    let restarts = if app.restarts > 0 { " some" } else { " none" };
    write!(
        out,
        "<tr role=row><th role=rowheader>{} <small>{}</small></th>\
         <td role=cell class=\"state {}\">{state}</td>\
         <td role=cell>{}</td>\
         <td role=cell class=\"n{}\">{memory}</td>\
         <td role=cell class=\"n{restarts}\">{}</td>\
         <td role=cell>{}</td>\
         <td role=cell class=\"end{}\">{}</td></tr>",
        Html(words::short(&app.app)),
        Html(&app.app),
        mood.class(),
        duration(app.since_ms),
        none(app.memory_kib == 0),
        app.restarts,
        Html(&app.version),
        none(app.last_end.is_none()),
        Html(app.last_end.as_deref().unwrap_or("–")),
    )
}
