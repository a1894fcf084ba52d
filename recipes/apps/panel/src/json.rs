//! The state as JSON (RFC 8259), for programs.

use std::fmt::{self, Write as _};

use nacre_app::AppStatus;

use crate::range::Range;
use crate::reading::{History, Reading};
use crate::words;

/// Everything that the page shows. What could not be had is null, and `problems` says why.
pub(crate) fn state(reading: &Reading, history: &History, range: Range) -> String {
    let mut out = String::new();
    // Writing to a String can't fail.
    let _ = write(&mut out, reading, history, range);
    out
}

fn write(out: &mut String, reading: &Reading, history: &History, range: Range) -> fmt::Result {
    out.push_str("{\"image\":");
    match &reading.device {
        Some(device) => {
            let profile = if device.development { "development" } else { "production" };
            let (name, version, board) = (Text(&device.image), Text(&device.version), Text(&device.board));
            write!(
                out,
                "{{\"name\":{name},\"version\":{version},\"board\":{board},\"profile\":\"{profile}\"}}"
            )?;
        }
        None => out.push_str("null"),
    }
    out.push_str(",\"address\":");
    match reading.device.as_ref().and_then(|device| device.address) {
        Some([a, b, c, d]) => write!(out, "\"{a}.{b}.{c}.{d}\"")?,
        None => out.push_str("null"),
    }
    out.push_str(",\"device\":");
    match &reading.stats {
        Ok(stats) => write!(
            out,
            "{{\"uptime_ms\":{},\"cpu_permille\":{},\"memory_total_kib\":{},\"memory_used_kib\":{}}}",
            stats.uptime_ms,
            reading.cpu_now(history),
            stats.memory_total_kib,
            stats.memory_total_kib.saturating_sub(stats.memory_available_kib)
        )?,
        Err(_) => out.push_str("null"),
    }
    out.push_str(",\"apps\":");
    match &reading.apps {
        Ok(apps) => list(out, apps, app)?,
        Err(_) => out.push_str("null"),
    }
    out.push_str(",\"samples\":");
    match history {
        Ok(answer) => {
            write!(
                out,
                "{{\"kept\":{},\"boots\":{},\"every_s\":{},\"cpu_permille\":",
                answer.kept,
                answer.boots,
                range.every_s()
            )?;
            list(out, &answer.samples, |out, sample| write!(out, "{}", sample.cpu_permille))?;
            out.push_str(",\"memory_kib\":");
            list(out, &answer.samples, |out, sample| write!(out, "{}", u32::from(sample.memory_pages) * 4))?;
            out.push_str(",\"uptime_s\":");
            list(out, &answer.samples, |out, sample| write!(out, "{}", sample.uptime_s))?;
            out.push('}');
        }
        Err(_) => out.push_str("null"),
    }
    let problems = [
        ("device", reading.stats.as_ref().err()),
        ("apps", reading.apps.as_ref().err()),
        ("samples", history.as_ref().err()),
    ];
    let problems = problems.iter().filter_map(|(what, why)| Some((what, (*why)?))).collect::<Vec<_>>();
    out.push_str(",\"problems\":");
    list(out, &problems, |out, (what, why)| write!(out, "{}", Text(&format!("{what}: {why}"))))?;
    out.push_str("}\n");
    Ok(())
}

fn app(out: &mut String, app: &AppStatus) -> fmt::Result {
    let (_, state, _) = words::state(app.state);
    write!(
        out,
        "{{\"app\":{},\"version\":{},\"state\":\"{state}\",\"restarts\":{},\"memory_kib\":{},\"since_ms\":{},\
         \"last_end\":",
        Text(&app.app),
        Text(&app.version),
        app.restarts,
        app.memory_kib,
        app.since_ms,
    )?;
    match &app.last_end {
        Some(end) => write!(out, "{}}}", Text(end)),
        None => write!(out, "null}}"),
    }
}

fn list<T>(
    out: &mut String,
    items: &[T],
    mut item: impl FnMut(&mut String, &T) -> fmt::Result,
) -> fmt::Result {
    out.push('[');
    for (at, each) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        item(out, each)?;
    }
    out.push(']');
    Ok(())
}

/// A JSON string.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        self.0.chars().try_for_each(|c| match c {
            '"' => f.write_str("\\\""),
            '\\' => f.write_str("\\\\"),
            // Beyond what JSON asks: a document that somebody takes for HTML stays harmless.
            c if c.is_control() || matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}') => {
                write!(f, "\\u{:04x}", u32::from(c))
            }
            c => f.write_char(c),
        })?;
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::tests::{full, nothing};
    use proptest::prelude::*;

    #[test]
    fn state_whole_is_this_document() {
        let (reading, history) = full();
        let expected = concat!(
            r#"{"image":{"name":"demo","version":"0.1.0","board":"qemu-armv7","profile":"development"},"#,
            r#""address":"10.0.2.15","#,
            r#""device":{"uptime_ms":93784000,"cpu_permille":42,"memory_total_kib":21800,"memory_used_kib":14490},"#,
            r#""apps":[{"app":"org.nacre.recorder","version":"0.1.0","state":"running","restarts":0,"#,
            r#""memory_kib":1100,"since_ms":93780000,"last_end":null},"#,
            r#"{"app":"org.nacre.reporter","version":"0.1.0","state":"failed","restarts":5,"memory_kib":0,"#,
            r#""since_ms":4000,"last_end":"killed by \u003cb\u003esignal\u003c/b\u003e \"11\""}],"#,
            r#""samples":{"kept":4,"boots":2,"every_s":1,"cpu_permille":[100,420,0,42],"#,
            r#""memory_kib":[14000,14400,12000,14488],"uptime_s":[98,99,1,2]},"problems":[]}"#,
            "\n",
        );
        let text = state(&reading, &history, Range::Minutes);
        assert_eq!(text, expected);
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }

    #[test]
    fn state_without_an_os_says_what_is_missing() {
        let (reading, history) = nothing();
        let expected = concat!(
            r#"{"image":null,"address":null,"device":null,"apps":null,"samples":null,"#,
            r#""problems":["device: no connection to the OS","apps: no connection to the OS","#,
            r#""samples: org.nacre.recorder is not running"]}"#,
            "\n",
        );
        assert_eq!(state(&reading, &history, Range::Minutes), expected);
    }

    proptest! {
        #[test]
        fn text_any_string_is_read_back_by_another_parser(text in any::<String>()) {
            let read: String = serde_json::from_str(&Text(&text).to_string()).unwrap();
            prop_assert_eq!(read, text);
        }
    }
}
