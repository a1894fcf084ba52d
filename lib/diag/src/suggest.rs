//! "Did you mean": the nearest of the known words.

/// Words longer than this are not compared: no name in our formats is near it, and the work grows with the
/// square.
const MAX_WORD: usize = 64;

/// The candidate nearest to `word`, if one is near enough to be a slip: at most one edit in three
/// characters. Case and `_` for `-` count as nothing. Of equally near ones the first wins.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = fold(word)?;
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let Some(folded) = fold(candidate) else { continue };
        let distance = distance(&word, &folded);
        let allowed = (word.len().max(folded.len()) / 3).max(1);
        // Of a word with one or two letters any other is one edit away: only equality (after folding) counts.
        let near = if word.len().min(folded.len()) <= 2 { distance == 0 } else { distance <= allowed };
        if near && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal string
/// alignment). Compares at most the first 64 characters.
pub fn edit_distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(MAX_WORD).collect();
    let b: Vec<char> = b.chars().take(MAX_WORD).collect();
    distance(&a, &b)
}

fn fold(word: &str) -> Option<Vec<char>> {
    let folded: Vec<char> = word
        .chars()
        .take(MAX_WORD + 1)
        .flat_map(char::to_lowercase)
        .map(|c| if c == '_' { '-' } else { c })
        .collect();
    (!folded.is_empty() && folded.len() <= MAX_WORD).then_some(folded)
}

fn distance(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut before: Vec<usize> = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(width);
        row.push(i + 1);
        for (j, &y) in b.iter().enumerate() {
            let replace = last[j] + usize::from(x != y);
            let mut least = replace.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distance_counts_edits_and_swaps() {
        let table = [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("memory", "memory", 0),
            ("memroy", "memory", 1),
            ("tasks", "task", 1),
            ("kitten", "sitting", 3),
            ("é", "e", 1),
        ];
        for (a, b, expected) in table {
            assert_eq!(edit_distance(a, b), expected, "{a} {b}");
            assert_eq!(edit_distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn did_you_mean_finds_slips_and_nothing_else() {
        let known = ["app", "version", "rollback-index", "limits", "restart", "run"];
        let table = [
            ("limts", Some("limits")),
            ("Limits", Some("limits")),
            ("rollback_index", Some("rollback-index")),
            ("rollbackindex", Some("rollback-index")),
            ("versoin", Some("version")),
            ("ap", None),
            ("network", None),
            ("", None),
            ("apps", Some("app")),
        ];
        for (word, expected) in table {
            assert_eq!(did_you_mean(word, known), expected, "{word}");
        }
        assert_eq!(did_you_mean(&"x".repeat(10_000), known), None);
    }
}
