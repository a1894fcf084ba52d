//! Reads a kernel's Kconfig files into a [`Tree`].

use std::io;
use std::path::{Path, PathBuf};

use super::expression::{Expression, Operand};
use super::parse_expression::{macro_length, quoted};
use super::statement::{Statement, statements};
use super::{Choice, Conditional, Definition, SymbolType, Tree, UnreadLine};

/// Deeper nesting of `source` than any kernel has; ends a loop.
const MAX_SOURCE_DEPTH: usize = 32;

/// Why the option tree of a kernel could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadKconfigError {
    /// A file that is named by another is not readable.
    #[error("read the kernel's option file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Files that include each other.
    #[error("the kernel's option file {} is included too deeply", path.display())]
    TooDeep {
        /// The file.
        path: PathBuf,
    },
}

/// A block that surrounds others.
#[derive(Default)]
struct Frame {
    depends: Vec<Expression>,
    visible: Vec<Expression>,
    choice: Option<usize>,
}

/// What the attribute lines belong to.
enum Current {
    Nothing,
    Symbol(String),
    /// The innermost frame: a menu or a choice.
    Frame,
}

struct Reader<'a> {
    source: &'a Path,
    source_arch: &'a str,
    tree: Tree,
    frames: Vec<Frame>,
    current: Current,
}

impl Tree {
    /// Reads the tree from a kernel's source. `source_arch` is the folder under `arch/`: `arm`, `x86`.
    ///
    /// # Errors
    /// A file that cannot be read. Lines that make no sense are kept in [`Tree::unread`].
    pub fn read(source: &Path, source_arch: &str) -> Result<Self, ReadKconfigError> {
        let mut reader = Reader {
            source,
            source_arch,
            tree: Self::default(),
            frames: Vec::new(),
            current: Current::Nothing,
        };
        reader.file("Kconfig", 0)?;
        Ok(reader.tree)
    }
}

impl Reader<'_> {
    fn file(&mut self, name: &str, depth: usize) -> Result<(), ReadKconfigError> {
        let path = self.source.join(name);
        if depth > MAX_SOURCE_DEPTH {
            return Err(ReadKconfigError::TooDeep { path });
        }
        let bytes = std::fs::read(&path).map_err(|source| ReadKconfigError::File { path, source })?;
        for statement in statements(&String::from_utf8_lossy(&bytes)) {
            if statement.keyword == "source" {
                self.current = Current::Nothing;
                let inner = quoted(&statement.rest).map_or_else(|| statement.rest.clone(), |(text, _)| text);
                self.file(&inner.replace("$(SRCARCH)", self.source_arch), depth + 1)?;
            } else if self.statement(name, &statement).is_none() {
                self.tree.unread.push(UnreadLine {
                    file: name.to_owned(),
                    line: statement.line,
                    text: format!("{} {}", statement.keyword, statement.rest),
                });
            }
        }
        Ok(())
    }

    /// Takes one statement; `None` if it makes no sense.
    fn statement(&mut self, file: &str, statement: &Statement) -> Option<()> {
        let rest = statement.rest.as_str();
        match statement.keyword.as_str() {
            _ if is_macro_line(statement) => Some(()),
            "config" | "menuconfig" => self.begin_symbol(file, statement.line, rest),
            "menu" => {
                self.frames.push(Frame::default());
                self.current = Current::Frame;
                Some(())
            }
            "choice" => {
                let choice = Choice { file: file.to_owned(), line: statement.line, ..Choice::default() };
                self.frames.push(Frame { choice: Some(self.tree.choices.len()), ..Frame::default() });
                self.tree.choices.push(choice);
                self.current = Current::Frame;
                Some(())
            }
            "if" => {
                self.current = Current::Nothing;
                let depends = vec![Expression::parse(rest).ok()?];
                self.frames.push(Frame { depends, ..Frame::default() });
                Some(())
            }
            "endmenu" | "endchoice" | "endif" => {
                self.current = Current::Nothing;
                self.frames.pop().map(|_| ())
            }
            "mainmenu" | "comment" => {
                self.current = Current::Nothing;
                Some(())
            }
            keyword => self.attribute(keyword, rest),
        }
    }

    fn begin_symbol(&mut self, file: &str, line: usize, name: &str) -> Option<()> {
        if name.is_empty() {
            return None;
        }
        let mut definition = Definition { file: file.to_owned(), line, ..Definition::default() };
        for frame in &self.frames {
            definition.depends.extend_from_slice(&frame.depends);
            definition.visible.extend_from_slice(&frame.visible);
            if let Some(index) = frame.choice {
                definition.choice = Some(index);
            }
        }
        if let Some(choice) = definition.choice.and_then(|index| self.tree.choices.get_mut(index))
            && !choice.members.iter().any(|member| member == name)
        {
            choice.members.push(name.to_owned());
        }
        self.tree.symbols.entry(name.to_owned()).or_default().push(definition);
        self.current = Current::Symbol(name.to_owned());
        Some(())
    }

    fn attribute(&mut self, keyword: &str, rest: &str) -> Option<()> {
        match &self.current {
            // Attributes of a `comment`, which has nothing that matters here.
            Current::Nothing => matches!(keyword, "depends").then_some(()),
            Current::Frame => self.frame_attribute(keyword, rest),
            Current::Symbol(name) => {
                let definition = self.tree.symbols.get_mut(name)?.last_mut()?;
                symbol_attribute(definition, keyword, rest)
            }
        }
    }

    fn frame_attribute(&mut self, keyword: &str, rest: &str) -> Option<()> {
        let frame = self.frames.last_mut()?;
        match keyword {
            "depends" => frame.depends.push(Expression::parse(rest.strip_prefix("on")?).ok()?),
            "visible" => frame.visible.push(Expression::parse(rest.strip_prefix("if")?).ok()?),
            "prompt" | "bool" | "tristate" => {
                if rest.is_empty() {
                    return Some(());
                }
                let prompt = prompt(rest)?;
                frame.visible.extend(prompt.condition);
                let choice = self.tree.choices.get_mut(frame.choice?)?;
                choice.prompt = Some(prompt.what);
            }
            "default" | "help" | "optional" => {}
            _ => return None,
        }
        Some(())
    }
}

fn symbol_attribute(definition: &mut Definition, keyword: &str, rest: &str) -> Option<()> {
    let kind = match keyword {
        "bool" | "def_bool" => Some(SymbolType::Bool),
        "tristate" | "def_tristate" => Some(SymbolType::Tristate),
        "int" => Some(SymbolType::Int),
        "hex" => Some(SymbolType::Hex),
        "string" => Some(SymbolType::String),
        _ => None,
    };
    if kind.is_some() {
        definition.kind = kind;
    }
    match keyword {
        "bool" | "tristate" | "int" | "hex" | "string" | "prompt" => {
            if !rest.is_empty() {
                definition.prompt = Some(prompt(rest)?);
            }
        }
        "default" | "def_bool" | "def_tristate" => {
            let (what, condition) = conditional(rest)?;
            definition.defaults.push(Conditional { what: Expression::parse(what).ok()?, condition });
        }
        "depends" => definition.depends.push(Expression::parse(rest.strip_prefix("on")?).ok()?),
        "visible" => definition.visible.push(Expression::parse(rest.strip_prefix("if")?).ok()?),
        "select" | "imply" => {
            let (what, condition) = conditional(rest)?;
            let entry = Conditional { what: what.trim().to_owned(), condition };
            if keyword == "select" { definition.selects.push(entry) } else { definition.implies.push(entry) }
        }
        "range" => {
            let (what, condition) = conditional(rest)?;
            let (least, rest) = operand(what)?;
            let (greatest, _) = operand(rest)?;
            definition.ranges.push(Conditional { what: (least, greatest), condition });
        }
        "help" => definition.help = Some(rest.to_owned()),
        "modules" | "option" | "optional" | "transitional" => {}
        _ => return None,
    }
    Some(())
}

/// Variables and checks of the compiler: `name := …`, `$(error-if,…)`.
fn is_macro_line(statement: &Statement) -> bool {
    let rest = &statement.rest;
    statement.keyword.is_empty() && rest.starts_with("$(")
        || ["=", ":=", "+="].iter().any(|sign| rest.starts_with(sign))
}

fn prompt(rest: &str) -> Option<Conditional<String>> {
    if !rest.starts_with(['"', '\'']) {
        return None;
    }
    let (what, length) = quoted(rest)?;
    let after = rest.get(length..)?.trim();
    let condition = match after.strip_prefix("if") {
        Some(condition) => Some(Expression::parse(condition).ok()?),
        None if after.is_empty() => None,
        None => return None,
    };
    Some(Conditional { what, condition })
}

/// Splits `… if CONDITION` at the last `if` outside quotes and macros.
fn conditional(text: &str) -> Option<(&str, Option<Expression>)> {
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(['"', '\'']) {
            at += quoted(rest)?.1;
        } else if rest.starts_with("$(") {
            at += macro_length(rest)?;
        } else if let Some(condition) = rest.strip_prefix("if")
            && condition.starts_with([' ', '\t', '(', '!', '$'])
            && text.get(..at)?.ends_with([' ', '\t', '"', ')'])
        {
            return Some((text.get(..at)?.trim(), Some(Expression::parse(condition).ok()?)));
        } else {
            at += rest.chars().next()?.len_utf8();
        }
    }
    Some((text.trim(), None))
}

/// The first operand of a text, and what follows.
fn operand(text: &str) -> Option<(Operand, &str)> {
    let text = text.trim_start();
    if text.starts_with(['"', '\'']) {
        let (content, length) = quoted(text)?;
        return Some((Operand::Quoted(content), text.get(length..)?));
    }
    if text.starts_with("$(") {
        let length = macro_length(text)?;
        return Some((Operand::Macro(text.get(..length)?.to_owned()), text.get(length..)?));
    }
    let end = text.find([' ', '\t']).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (!word.is_empty()).then(|| (Operand::Word(word.to_owned()), rest))
}
