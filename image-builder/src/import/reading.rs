//! One file being read: the problems found so far, and values of the kind that is wanted.

use std::ops::Range;

use nacre_diag::{Diagnostic, ExitCode, Place, Report};

use super::json::{Field, Node, Value};
use super::text::{Text, cut, visible};

/// Problems reported from one file; after that many nobody reads on.
const MAX_PROBLEMS: usize = 50;

/// A file and what is wrong with it.
pub(super) struct Reading<'t> {
    text: &'t Text,
    report: Report,
    hidden: usize,
}

impl<'t> Reading<'t> {
    pub(super) fn new(text: &'t Text) -> Self {
        Self { text, report: Report::new(), hidden: 0 }
    }

    /// Records bad input.
    pub(super) fn bad(&mut self, at: &Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        self.record(at, |place| {
            let (found, hint) = (Diagnostic::error(ExitCode::BadInput, message).at(place), hint.into());
            if hint.is_empty() { found } else { found.with_hint(hint) }
        });
    }

    /// Records a key that is there already.
    pub(super) fn twice(&mut self, key: &str, at: &Range<usize>, first: &Range<usize>) {
        let text = self.text;
        self.record(at, |place| {
            let message = format!("`{}` is there twice", short(key));
            let cause = format!("it is at {} as well", text.place(first));
            let found = Diagnostic::error(ExitCode::BadInput, message).at(place).with_cause(cause);
            found.with_hint("remove one of them; upper and lower case are one")
        });
    }

    /// Records bad input that is about the whole file.
    pub(super) fn bad_file(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        let found = Diagnostic::error(ExitCode::BadInput, message).at(Place::file(&self.text.file));
        self.report.push(found.with_hint(hint));
    }

    fn record(&mut self, at: &Range<usize>, problem: impl FnOnce(Place) -> Diagnostic) {
        // Finding the place costs a pass over the text: not for problems that nobody will see.
        if self.report.errors() >= MAX_PROBLEMS {
            self.hidden += 1;
            return;
        }
        let place = self.text.place(at);
        self.report.push(problem(place));
    }

    /// The fields of an object.
    pub(super) fn map<'n>(&mut self, node: &'n Node, label: &str) -> Option<&'n [Field]> {
        match &node.value {
            Value::Map(fields) => Some(fields),
            _ => self.wrong(node, label, "an object: `{ … }`"),
        }
    }

    /// The items of a list.
    pub(super) fn list<'n>(&mut self, node: &'n Node, label: &str) -> Option<&'n [Node]> {
        match &node.value {
            Value::List(items) => Some(items),
            _ => self.wrong(node, label, "a list: `[ … ]`"),
        }
    }

    /// A text.
    pub(super) fn text<'n>(&mut self, node: &'n Node, label: &str) -> Option<&'n str> {
        match &node.value {
            Value::Text(text) => Some(text),
            _ => self.wrong(node, label, "a text in quotes"),
        }
    }

    /// true or false.
    pub(super) fn flag(&mut self, node: &Node, label: &str) -> Option<bool> {
        match &node.value {
            Value::Bool(flag) => Some(*flag),
            _ => self.wrong(node, label, "true or false, without quotes"),
        }
    }

    /// A whole number within bounds.
    pub(super) fn number(
        &mut self,
        node: &Node,
        label: &str,
        bounds: std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        let number = match &node.value {
            Value::Number(text) => text.parse().ok().filter(|number| bounds.contains(number)),
            _ => None,
        };
        let wanted = format!("a number of {} to {}, without quotes", bounds.start(), bounds.end());
        number.or_else(|| self.wrong(node, label, &wanted))
    }

    fn wrong<T>(&mut self, node: &Node, label: &str, wanted: &str) -> Option<T> {
        self.bad(&node.at, format!("`{label}` must be {wanted}"), "");
        None
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_clean(&self) -> bool {
        self.report.is_empty()
    }

    /// The value if nothing is wrong, else the problems; there is one if there is no value.
    pub(super) fn finish_some<T>(mut self, value: Option<T>) -> Result<T, Report> {
        if value.is_none() && self.is_clean() {
            let lost = Diagnostic::error(ExitCode::Internal, "a value was lost without a problem");
            self.report.push(lost.at(Place::file(&self.text.file)));
        }
        let value = self.finish(value)?;
        value.ok_or_else(Report::new)
    }

    /// The value if nothing is wrong, else the problems in reading order.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, Report> {
        self.report.sort_by_place();
        if self.hidden > 0 {
            let more = format!("{} more problems are not shown", self.hidden);
            self.report.push(Diagnostic::error(ExitCode::BadInput, more).at(Place::file(&self.text.file)));
        }
        self.report.or(value)
    }
}

/// The field of this name; case doesn't count.
pub(super) fn field<'n>(fields: &'n [Field], name: &str) -> Option<&'n Field> {
    fields.iter().find(|field| field.key.eq_ignore_ascii_case(name))
}

/// Text from a file in short, for a message.
pub(super) fn short(text: &str) -> String {
    visible(&cut(text, 80))
}
