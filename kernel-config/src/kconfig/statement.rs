//! Lines of a Kconfig file as statements: continuations joined, comments and help texts taken out.

/// One statement: its first word and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// Line of its beginning, from 1.
    pub(super) line: usize,
    /// First word.
    pub(super) keyword: String,
    /// What follows it; for `help` the text below, without its indentation.
    pub(super) rest: String,
}

/// The statements of a file in order.
pub(super) fn statements(text: &str) -> Vec<Statement> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((index, first)) = lines.next() {
        let mut logical = first.to_owned();
        while logical.ends_with('\\') {
            logical.pop();
            let Some((_, next)) = lines.next() else { break };
            logical.push_str(next);
        }
        let logical = without_comment(&logical).trim();
        if logical.is_empty() {
            continue;
        }
        // Names of macros have hyphens (`cc-option = …`); keywords don't.
        let end = logical
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
            .unwrap_or(logical.len());
        let (keyword, rest) = logical.split_at(end);
        let mut statement =
            Statement { line: index + 1, keyword: keyword.to_owned(), rest: rest.trim().to_owned() };
        if keyword == "help" && rest.trim().is_empty() {
            statement.rest = help_text(&mut lines);
        }
        found.push(statement);
    }
    found
}

/// A help text ends at the first line that is indented less than its first line. Tabs reach to the
/// next multiple of 8.
fn help_text<'a>(lines: &mut std::iter::Peekable<impl Iterator<Item = (usize, &'a str)>>) -> String {
    let mut text: Vec<String> = Vec::new();
    let mut indent = None;
    while let Some((_, line)) = lines.peek() {
        if line.trim().is_empty() {
            text.push(String::new());
        } else {
            let (width, content) = indentation(line);
            let least = *indent.get_or_insert(width);
            if width < least || width == 0 {
                break;
            }
            text.push(format!("{}{}", " ".repeat(width - least), content.trim_end()));
        }
        lines.next();
    }
    text.join("\n").trim_end().trim_start_matches('\n').to_owned()
}

fn indentation(line: &str) -> (usize, &str) {
    let mut width = 0;
    for (at, character) in line.char_indices() {
        match character {
            ' ' => width += 1,
            '\t' => width = (width / 8 + 1) * 8,
            _ => return (width, line.get(at..).unwrap_or("")),
        }
    }
    (width, "")
}

/// The line up to a `#` that stands outside quotes and macros.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut brackets = 0_usize;
    let mut escaped = false;
    for (at, character) in line.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match (quote, character) {
            (_, '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if brackets == 0 => quote = Some(character),
            (None, '(') => brackets += 1,
            (None, ')') => brackets = brackets.saturating_sub(1),
            (None, '#') if brackets == 0 => return line.get(..at).unwrap_or(line),
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_a_file_are_split() {
        let text = "# comment\nconfig A\n\tbool \"a # b\" # why\n\tdepends on B && \\\n\t\tC\n\thelp\n\t  First.\n\n\t    Deeper.\n\nconfig D\n";
        let found: Vec<(usize, String, String)> =
            statements(text).into_iter().map(|s| (s.line, s.keyword, s.rest)).collect();
        let expected = [
            (2, "config", "A"),
            (3, "bool", "\"a # b\""),
            (4, "depends", "on B && \t\tC"),
            (6, "help", "First.\n\n  Deeper."),
            (11, "config", "D"),
        ];
        assert_eq!(found, expected.map(|(line, k, r)| (line, k.to_owned(), r.to_owned())));
    }

    #[test]
    fn help_without_text_ends_at_once() {
        let found = statements("config A\n\thelp\nconfig B\n");
        assert_eq!(
            found.iter().map(|s| s.keyword.as_str()).collect::<Vec<_>>(),
            ["config", "help", "config"]
        );
    }
}
