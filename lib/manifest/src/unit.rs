//! Values with a unit: sizes, times, rates, shares.

/// What is wrong with a value, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slip {
    pub(crate) message: String,
    pub(crate) hint: String,
}

fn slip<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, Slip> {
    Err(Slip { message: message.into(), hint: hint.into() })
}

/// Text in short, for a message.
fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The digits at the start, and the rest without blanks around.
fn split(text: &str) -> (&str, &str) {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    (number, unit.trim())
}

/// `4MiB`, `256KiB`, `1GiB`, `512B` or a bare number of bytes. Units are powers of 1024.
pub(crate) fn parse_size(text: &str) -> Result<u64, Slip> {
    const FORM: &str = "write a whole number and a unit: B, KiB, MiB or GiB, like `4MiB`";
    let (number, unit) = split(text);
    if number.is_empty() {
        return slip(format!("`{}` is not a size", short(text)), FORM);
    }
    if let Some(whole) = whole_size(number, unit) {
        return slip(format!("`{}` is not a whole number", short(text)), format!("did you mean `{whole}`?"));
    }
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => {
            let guess = match unit.to_ascii_lowercase().as_str() {
                "k" | "kb" | "kib" | "ki" => Some("KiB"),
                "m" | "mb" | "mib" | "mi" => Some("MiB"),
                "g" | "gb" | "gib" | "gi" => Some("GiB"),
                "b" | "byte" | "bytes" => Some("B"),
                _ => None,
            };
            return match guess {
                Some(near) => slip(
                    format!("`{}` has no unit of size", short(text)),
                    format!("did you mean `{number}{near}`? (units are powers of 1024)"),
                ),
                None => slip(format!("`{}` is not a size", short(text)), FORM),
            };
        }
    };
    match number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)) {
        Some(bytes) => Ok(bytes),
        None => slip(format!("`{}` is too large", short(text)), ""),
    }
}

/// `1.5MiB` in the next smaller unit, where it is a whole number of those.
fn whole_size(number: &str, rest: &str) -> Option<String> {
    let digits = rest.strip_prefix('.')?;
    let (tenths, unit) = split(digits);
    let smaller = match unit {
        "KiB" => "B",
        "MiB" => "KiB",
        "GiB" => "MiB",
        _ => return None,
    };
    let [number, tenths, scale]: [u64; 3] =
        [number.parse().ok()?, tenths.parse().ok()?, 10u64.checked_pow(u32::try_from(tenths.len()).ok()?)?];
    let parts = number.checked_mul(scale)?.checked_add(tenths)?.checked_mul(1024)?;
    (parts.is_multiple_of(scale)).then(|| format!("{}{smaller}", parts / scale))
}

/// A size in the largest unit that divides it.
pub fn show_size(bytes: u64) -> String {
    for (unit, factor) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes > 0 && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    format!("{bytes}B")
}

/// `100ms`, `5s`, `10m`, `1h`, in milliseconds.
pub(crate) fn parse_duration(text: &str) -> Result<u64, Slip> {
    const FORM: &str = "write a whole number and a unit: ms, s, m or h, like `5s`";
    let (number, unit) = split(text);
    if number.is_empty() {
        return slip(format!("`{}` is not a time", short(text)), FORM);
    }
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" => {
            return slip(format!("`{}` has no unit", short(text)), format!("did you mean `{number}s`?"));
        }
        _ => {
            if let Some(sum) = sum_of_times(text) {
                let message = format!("`{}` has more than one unit", short(text));
                return slip(message, format!("did you mean `{}`?", show_duration(sum)));
            }
            let guess = match unit.to_ascii_lowercase().as_str() {
                "msec" | "millis" | "milliseconds" => Some("ms"),
                "s" | "sec" | "secs" | "second" | "seconds" => Some("s"),
                "m" | "min" | "mins" | "minute" | "minutes" => Some("m"),
                "h" | "hr" | "hour" | "hours" => Some("h"),
                _ => None,
            };
            return match guess {
                Some(near) => slip(
                    format!("`{}` has no unit of time", short(text)),
                    format!("did you mean `{number}{near}`?"),
                ),
                None => slip(format!("`{}` is not a time", short(text)), FORM),
            };
        }
    };
    match number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)) {
        Some(ms) => Ok(ms),
        None => slip(format!("`{}` is too long", short(text)), ""),
    }
}

/// `1m30s`, in milliseconds.
fn sum_of_times(text: &str) -> Option<u64> {
    let mut sum = 0u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let letters =
            rest.get(digits..)?.len() - rest.get(digits..)?.trim_start_matches(char::is_alphabetic).len();
        let (one, more) = rest.split_at(digits + letters);
        // Two parts at least, each shorter than the whole, so that this ends.
        if one.is_empty() || one.len() == text.len() {
            return None;
        }
        sum = sum.checked_add(parse_duration(one).ok()?)?;
        rest = more;
    }
    Some(sum)
}

/// A time in the largest unit that divides it.
pub(crate) fn show_duration(ms: u64) -> String {
    for (unit, factor) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if ms > 0 && ms.is_multiple_of(factor) {
            return format!("{}{unit}", ms / factor);
        }
    }
    format!("{ms}ms")
}

/// `1s..60s`, or one time for both ends; in milliseconds.
pub(crate) fn parse_span(text: &str) -> Result<(u64, u64), Slip> {
    let (from, to) = match text.split_once("..") {
        Some((from, to)) => (parse_duration(from.trim())?, parse_duration(to.trim())?),
        None => {
            // `1s-60s` is how people write it elsewhere.
            if let Some((from, to)) = text.split_once('-')
                && parse_duration(from.trim()).is_ok()
                && parse_duration(to.trim()).is_ok()
            {
                let hint = format!("did you mean `{}..{}`?", from.trim(), to.trim());
                return slip(format!("`{}` is not a time", short(text)), hint);
            }
            let both = parse_duration(text)?;
            (both, both)
        }
    };
    if from > to {
        return slip(
            format!("`{}` ends before it begins", short(text)),
            "write the shorter time first, like `1s..60s`",
        );
    }
    Ok((from, to))
}

/// `5 per 10m`: a count and a time in milliseconds.
pub(crate) fn parse_rate(text: &str) -> Result<(u32, u64), Slip> {
    const FORM: &str = "write a count and a time, like `5 per 10m`";
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [count, "per", time] = parts.as_slice() else {
        let hint = match text.split_once('/') {
            Some((count, time)) if is_digits(count.trim()) && parse_duration(time.trim()).is_ok() => {
                format!("did you mean `{} per {}`?", count.trim(), time.trim())
            }
            _ => FORM.to_owned(),
        };
        return slip(format!("`{}` is not a rate", short(text)), hint);
    };
    match count.parse() {
        Ok(number) if is_digits(count) => Ok((number, parse_duration(time)?)),
        _ => slip(format!("`{}` is not a count", short(count)), FORM),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `25%` or `2.5%`, in thousandths.
pub(crate) fn parse_share(text: &str) -> Result<u32, Slip> {
    const FORM: &str = "write a share of one CPU with at most one decimal place, like `25%`";
    let Some(number) = text.strip_suffix('%') else {
        let hint = match (text.parse::<u32>(), hundredths(text)) {
            (Ok(number), _) => format!("did you mean `{number}%`?"),
            (Err(_), Some(percent)) => format!("did you mean `{percent}%`?"),
            _ => FORM.to_owned(),
        };
        return slip(format!("`{}` is not a share", short(text)), hint);
    };
    let (whole, tenth) = number.trim().split_once('.').unwrap_or((number.trim(), "0"));
    let permille = if is_digits(whole) && is_digits(tenth) && tenth.len() == 1 {
        whole.parse::<u32>().ok().and_then(|n| n.checked_mul(10)?.checked_add(tenth.parse().ok()?))
    } else {
        None
    };
    match permille {
        Some(permille) => Ok(permille),
        None => slip(format!("`{}` is not a share", short(text)), FORM),
    }
}

/// `0.25` as 25.
fn hundredths(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0.").filter(|digits| digits.len() <= 2 && is_digits(digits))?;
    Some(digits.parse::<u32>().ok()? * if digits.len() == 1 { 10 } else { 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_with_a_known_unit_is_its_bytes() {
        let table = [
            ("0", 0),
            ("17", 17),
            ("17B", 17),
            ("64KiB", 65_536),
            ("4 MiB", 4_194_304),
            ("1GiB", 1_073_741_824),
        ];
        for (text, bytes) in table {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn size_with_a_wrong_unit_says_the_right_one() {
        let table = [
            ("4MB", "did you mean `4MiB`? (units are powers of 1024)"),
            ("4m", "did you mean `4MiB`? (units are powers of 1024)"),
            ("256kb", "did you mean `256KiB`? (units are powers of 1024)"),
            ("4 apples", "write a whole number and a unit: B, KiB, MiB or GiB, like `4MiB`"),
            ("", "write a whole number and a unit: B, KiB, MiB or GiB, like `4MiB`"),
            ("-1MiB", "write a whole number and a unit: B, KiB, MiB or GiB, like `4MiB`"),
            ("1.5MiB", "did you mean `1536KiB`?"),
            ("1.25KiB", "did you mean `1280B`?"),
            ("1.1MiB", "write a whole number and a unit: B, KiB, MiB or GiB, like `4MiB`"),
            ("1.MiB", "write a whole number and a unit: B, KiB, MiB or GiB, like `4MiB`"),
            (
                "1.99999999999999999999999MiB",
                "write a whole number and a unit: B, KiB, MiB or GiB, like `4MiB`",
            ),
            ("99999999999999999999", ""),
            ("18446744073709551615KiB", ""),
        ];
        for (text, hint) in table {
            assert_eq!(parse_size(text).map_err(|slip| slip.hint), Err(hint.to_owned()), "{text}");
        }
    }

    #[test]
    fn size_shown_is_parsed_to_itself() {
        for bytes in [0, 1, 1023, 1024, 1536, 65_536, 1 << 20, 3 << 30, u64::MAX] {
            assert_eq!(parse_size(&show_size(bytes)), Ok(bytes));
        }
    }

    #[test]
    fn time_with_and_without_unit() {
        let table = [
            ("100ms", Ok(100)),
            ("5s", Ok(5_000)),
            ("10m", Ok(600_000)),
            ("2h", Ok(7_200_000)),
            ("5", Err("did you mean `5s`?")),
            ("5 sec", Err("did you mean `5s`?")),
            ("10min", Err("did you mean `10m`?")),
            ("x", Err("write a whole number and a unit: ms, s, m or h, like `5s`")),
            ("1m30s", Err("did you mean `90s`?")),
            ("1h1h", Err("did you mean `2h`?")),
            ("1h30", Err("write a whole number and a unit: ms, s, m or h, like `5s`")),
        ];
        for (text, expected) in table {
            let found = parse_duration(text).map_err(|slip| slip.hint);
            assert_eq!(found, expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn span_rate_and_share_by_table() {
        assert_eq!(parse_span("1s..60s"), Ok((1_000, 60_000)));
        assert_eq!(parse_span("2s"), Ok((2_000, 2_000)));
        assert!(parse_span("60s..1s").is_err());
        assert!(parse_span("1s..").is_err());
        assert_eq!(parse_rate("5 per 10m"), Ok((5, 600_000)));
        for text in ["5/10m", "5 in 10m", "per 10m", "5 per", "x per 1s", "5 per 10", "99999999999 per 1s"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
        assert_eq!(parse_share("25%"), Ok(250));
        assert_eq!(parse_share("2.5 %"), Ok(25));
        for text in ["25", "0.25", "%", "1.25%", "-1%", "1.%", "99999999999%", "+5%"] {
            assert!(parse_share(text).is_err(), "{text}");
        }
        for (text, hint) in [("0.25", "did you mean `25%`?"), ("0.5", "did you mean `50%`?")] {
            assert_eq!(parse_share(text).map_err(|slip| slip.hint), Err(hint.to_owned()));
        }
        assert_eq!(parse_span("1s-60s").map_err(|slip| slip.hint), Err("did you mean `1s..60s`?".to_owned()));
        assert_eq!(
            parse_rate("5/10m").map_err(|slip| slip.hint),
            Err("did you mean `5 per 10m`?".to_owned())
        );
        assert!(parse_rate("+5 per 10m").is_err());
        assert_eq!(parse_share("25").map_err(|slip| slip.hint), Err("did you mean `25%`?".to_owned()));
    }
}
