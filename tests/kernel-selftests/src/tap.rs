//! What a kernel selftest prints: the Test Anything Protocol with the kernel's extensions
//! (Documentation/dev-tools/ktap.rst).

/// Lines kept of what was said before a test failed.
const KEPT: usize = 3;

/// Reads line by line.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    before: Vec<String>,
}

impl Reader {
    /// What a line means: nothing, or how a test ended, with what it said where that matters.
    pub(crate) fn line(&mut self, line: &str) -> Vec<String> {
        let (ended, rest) = match (line.strip_prefix("ok "), line.strip_prefix("not ok ")) {
            (Some(rest), _) => ("passed", rest),
            (_, Some(rest)) => ("failed", rest),
            _ => {
                let said = line.trim_start_matches('#').trim();
                if said.starts_with("RUN ") {
                    self.before.clear();
                } else if said.contains(':') && self.before.len() < KEPT {
                    self.before.push(said.to_owned());
                }
                return Vec::new();
            }
        };
        let before = std::mem::take(&mut self.before);
        // The number of the test comes first.
        let name = rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim();
        match name.split_once(" # SKIP ") {
            Some((name, reason)) => vec![format!("skipped {name}: {reason}")],
            None if ended == "failed" => {
                let reasons = before.into_iter().map(|said| format!("  {said}"));
                std::iter::once(format!("failed {name}")).chain(reasons).collect()
            }
            None => vec![format!("{ended} {name}")],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_selftest_are_told_apart() {
        let mut reader = Reader::default();
        for (line, expected) in [
            ("TAP version 13", &[][..]),
            ("#  RUN           global.kcmp ...", &[]),
            ("ok 1 global.kcmp # SKIP no kcmp()", &["skipped global.kcmp: no kcmp()"]),
            ("#  RUN           mini.inval ...", &[]),
            ("#            OK  mini.inval", &[]),
            ("ok 125 mini.inval", &["passed mini.inval"]),
            ("#  RUN           global.a ...", &[]),
            ("# landlock/a.c:1:a:Expected 0 (0) == x (-1)", &[]),
            ("# a: Test failed", &[]),
            (
                "not ok 9 global.a",
                &["failed global.a", "  landlock/a.c:1:a:Expected 0 (0) == x (-1)", "  a: Test failed"],
            ),
            ("ok 2 global.b", &["passed global.b"]),
            ("# Totals: pass:8 fail:1 xfail:0 xpass:0 skip:0 error:0", &[]),
        ] {
            assert_eq!(reader.line(line), expected, "{line}");
        }
    }
}
