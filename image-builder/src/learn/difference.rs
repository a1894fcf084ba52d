//! The difference of two short texts, as `diff -u` writes it.

use std::fmt::Write as _;

/// Lines that are shown around a change.
const CONTEXT: usize = 3;

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    Goes,
    Comes,
}

/// The difference, with the name of the file; empty where there is none.
pub(super) fn unified(file: &str, before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let steps = steps(&old, &new);
    let changed: Vec<usize> =
        steps.iter().enumerate().filter(|(_, (fate, _))| *fate != Fate::Stays).map(|(at, _)| at).collect();
    let mut out = String::new();
    let Some(first) = changed.first() else { return out };
    let _ = writeln!(out, "--- {file}\n+++ {file} (learned)");
    let mut from = first.saturating_sub(CONTEXT);
    let mut rest = changed.as_slice();
    while !rest.is_empty() {
        // Changes whose surroundings touch are one piece.
        let own = rest.windows(2).take_while(|pair| pair[1] - pair[0] <= 2 * CONTEXT).count();
        let to = (rest[own] + CONTEXT + 1).min(steps.len());
        let lines = |part: &[(Fate, &str)], without| part.iter().filter(|(fate, _)| *fate != without).count();
        let (above, piece) = (&steps[..from], &steps[from..to]);
        let _ = writeln!(
            out,
            "@@ -{},{} +{},{} @@",
            lines(above, Fate::Comes) + 1,
            lines(piece, Fate::Comes),
            lines(above, Fate::Goes) + 1,
            lines(piece, Fate::Goes)
        );
        for (fate, line) in piece {
            let mark = match fate {
                Fate::Stays => ' ',
                Fate::Goes => '-',
                Fate::Comes => '+',
            };
            let _ = writeln!(out, "{mark}{line}");
        }
        rest = &rest[own + 1..];
        from = rest.first().map_or(to, |next| next.saturating_sub(CONTEXT));
    }
    out
}

/// The longest common sequence of lines stays (by the table of its lengths); a manifest has a few hundred lines.
fn steps<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<(Fate, &'t str)> {
    let mut longest = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for (i, one) in old.iter().enumerate().rev() {
        for (j, other) in new.iter().enumerate().rev() {
            longest[i][j] = if one == other {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut steps) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            steps.push((Fate::Stays, old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && longest[i + 1][j] >= longest[i][j + 1]) {
            steps.push((Fate::Goes, old[i]));
            i += 1;
        } else {
            steps.push((Fate::Comes, new[j]));
            j += 1;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_is_what_patch_reads() {
        assert_eq!(unified("x", "a\nb\n", "a\nb\n"), "");
        let old: String = (1..=20).map(|n| format!("{n}\n")).collect();
        let new = old.replace("\n5\n", "\nfive\n").replace("\n18\n", "\n18\nmore\n");
        assert_eq!(
            unified("x", &old, &new),
            "--- x\n+++ x (learned)\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n\
             @@ -16,5 +16,6 @@\n 16\n 17\n 18\n+more\n 19\n 20\n"
        );
    }
}
