//! Figures and foreign text, made fit for people and for HTML.

use std::fmt::{self, Write as _};

use nacre_app::AppState;

/// Text that becomes harmless in HTML: in an element as well as in a quoted attribute.
pub(crate) struct Html<'a>(pub(crate) &'a str);

impl fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            // Legal nowhere in HTML, or able to turn the text around it about.
            c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                f.write_char('\u{fffd}')
            }
            c => f.write_char(c),
        })
    }
}

/// A time in its two greatest units: `3 d 4 h`; a second one of none is left out.
pub(crate) fn duration(ms: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let seconds = ms / 1000;
    let mut out = String::new();
    let greatest = UNITS.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(UNITS.len() - 1);
    let mut rest = seconds;
    for (unit, name) in UNITS.iter().skip(greatest).take(2) {
        if rest >= *unit || out.is_empty() {
            let space = if out.is_empty() { "" } else { " " };
            // Writing to a String can't fail.
            let _ = write!(out, "{space}{}\u{a0}{name}", rest / unit);
        }
        rest %= unit;
    }
    out
}

/// An amount of memory: `812 KiB`, `14.1 MiB`.
pub(crate) fn size(kib: u32) -> String {
    match kib {
        0..1024 => format!("{kib}\u{a0}KiB"),
        1024..0x0010_0000 => tenths(u64::from(kib), 1024, "MiB"),
        _ => tenths(u64::from(kib), 0x0010_0000, "GiB"),
    }
}

/// A share: `4.2 %`.
pub(crate) fn percent(permille: u16) -> String {
    tenths(u64::from(permille), 10, "%")
}

/// Rounded to one decimal, without a float: their printing alone is a tenth of this program.
fn tenths(amount: u64, unit: u64, name: &str) -> String {
    let tenths = (amount * 10 + unit / 2) / unit;
    format!("{}.{}\u{a0}{name}", tenths / 10, tenths % 10)
}

/// How good a state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mood {
    /// As it should be.
    Good,
    /// Neither good nor bad: somebody wanted it so, or it has come to its end.
    Calm,
    /// Will get better by itself, perhaps.
    Uneasy,
    /// Stays bad until somebody does something.
    Bad,
}

impl Mood {
    /// Its class in the style sheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Calm => "calm",
            Self::Uneasy => "uneasy",
            Self::Bad => "bad",
        }
    }
}

/// A state for people, its name in the JSON, and how good it is.
pub(crate) fn state(state: AppState) -> (&'static str, &'static str, Mood) {
    match state {
        AppState::Running => ("Running", "running", Mood::Good),
        AppState::Backoff => ("Restarting", "backoff", Mood::Uneasy),
        AppState::Waiting => ("No network yet", "waiting", Mood::Uneasy),
        AppState::Stopping => ("Stopping", "stopping", Mood::Calm),
        AppState::Stopped => ("Stopped", "stopped", Mood::Calm),
        AppState::Done => ("Done", "done", Mood::Calm),
        AppState::Failed => ("Failed", "failed", Mood::Bad),
        AppState::Refused => ("Refused", "refused", Mood::Bad),
    }
}

/// The last part of a component id, which is what people call the app.
pub(crate) fn short(app: &str) -> &str {
    app.rsplit('.').next().unwrap_or(app)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        text.replace('\u{a0}', " ")
    }

    #[test]
    fn html_hostile_text_is_text() {
        let hostile = "<script>alert('a')</script>\" onload=\"b\" &amp; \0\u{202e}\u{7}";
        assert_eq!(
            Html(hostile).to_string(),
            "&lt;script&gt;alert(&#39;a&#39;)&lt;/script&gt;&quot; onload=&quot;b&quot; &amp;amp; \u{fffd}\u{fffd}\u{fffd}"
        );
        assert_eq!(Html("Größe 日本 🐚").to_string(), "Größe 日本 🐚");
    }

    #[test]
    fn duration_has_its_two_greatest_units() {
        for (ms, said) in [
            (0, "0 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (3_600_000 + 59_000, "1 h"),
            (125_000, "2 min 5 s"),
            (86_400_000 * 3 + 3_600_000 * 4, "3 d 4 h"),
            (u64::MAX, "213503982334 d 14 h"),
        ] {
            assert_eq!(plain(&duration(ms)), said);
        }
    }

    #[test]
    fn size_and_percent_are_rounded_to_a_decimal() {
        for (kib, said) in [
            (0, "0 KiB"),
            (1023, "1023 KiB"),
            (1024, "1.0 MiB"),
            (14_490, "14.2 MiB"),
            (u32::MAX, "4096.0 GiB"),
        ] {
            assert_eq!(plain(&size(kib)), said);
        }
        assert_eq!(plain(&percent(42)), "4.2 %");
        assert_eq!(plain(&percent(1000)), "100.0 %");
    }
}
