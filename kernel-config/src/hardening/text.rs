//! The list as people read it, in 80 columns.

use std::fmt;

use super::verdict::{HardeningFinding, HardeningReport, Verdict};

/// Columns of a terminal that nobody made wider.
const COLUMNS: usize = 80;
/// What there is stands on a line of its own if it is longer.
const SHORT: usize = 23;

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Kept => "kept",
            Self::LeftOut => "left out",
            Self::NotInThisKernel => "not here",
            Self::Missing => "MISSING",
        })
    }
}

impl HardeningReport {
    /// How many settings have a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.settings.iter().filter(|row| row.verdict == verdict).count()
    }
}

/// One entry per setting, with reason and price below what is left out, and the numbers at the end.
impl fmt::Display for HardeningReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.settings {
            if row.is.chars().count() > SHORT {
                writeln!(f, "{:<8}  {}", row.verdict, row.wanted)?;
                paragraph(f, "by: ", &row.is)?;
            } else {
                writeln!(f, "{:<8}  {:<44}  {}", row.verdict, row.wanted, row.is)?;
            }
            if row.verdict == Verdict::LeftOut {
                paragraph(f, "why: ", &row.reason)?;
                paragraph(f, "price: ", row.price.as_deref().unwrap_or("none"))?;
            }
        }
        writeln!(f)?;
        writeln!(
            f,
            "kernel {} for {}: {} recommended settings",
            self.version,
            self.arch,
            self.settings.len()
        )?;
        write!(
            f,
            "{} kept, {} left out, {} not in this kernel",
            self.count(Verdict::Kept),
            self.count(Verdict::LeftOut),
            self.count(Verdict::NotInThisKernel)
        )?;
        match self.count(Verdict::Missing) {
            0 => writeln!(f),
            missing => writeln!(f, ", {missing} missing"),
        }
    }
}

/// A text below a setting, broken between words; its further lines stand below its first word.
fn paragraph(f: &mut fmt::Formatter<'_>, title: &str, text: &str) -> fmt::Result {
    let indent = 10 + title.len();
    write!(f, "{:10}{title}", "")?;
    let mut column = indent;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > indent && column + 1 + width > COLUMNS {
            write!(f, "\n{:indent$}", "")?;
            column = indent;
        } else if column > indent {
            f.write_str(" ")?;
            column += 1;
        }
        f.write_str(word)?;
        column += width;
    }
    writeln!(f)
}

impl fmt::Display for HardeningFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { wanted, is, .. } => {
                write!(f, "{wanted} is recommended, is {is}, and is not listed as left out")
            }
            Self::Stale { entry, what, .. } => {
                write!(f, "{} is listed as left out, but {what}", entry.wanted)
            }
        }
    }
}
