//! Rows in columns.

/// Lays rows out in columns as wide as their widest cell, two spaces between. The last column is not padded.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + 2));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// A time for people, from milliseconds: `0.4s`, `12s`, `3m 05s`, `2h 10m`, `4d 3h`.
pub(crate) fn time(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..10 => format!("{s}.{}s", ms % 1000 / 100),
        10..60 => format!("{s}s"),
        60..3600 => format!("{}m {:02}s", s / 60, s % 60),
        3600..86400 => format!("{}h {:02}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d {}h", s / 86400, s % 86400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["APP", "STATE"], ["recorder", "running"], ["x", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(&rows), "APP       STATE\nrecorder  running\nx\n");
    }

    #[test]
    fn time_has_two_units_at_most() {
        for (ms, text) in [
            (0, "0.0s"),
            (450, "0.4s"),
            (12_345, "12s"),
            (185_000, "3m 05s"),
            (7_800_000, "2h 10m"),
            (356_400_000, "4d 3h"),
        ] {
            assert_eq!(time(ms), text);
        }
    }
}
