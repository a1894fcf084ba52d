//! What this kernel has of a recommended setting.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::list::LeftOut;
use super::setting::{Setting, Want};
use crate::config::{Config, Configured};
use crate::kconfig::{Expression, Tree};
use crate::request::Arch;
use crate::value::Value;

/// What became of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is as recommended, or something does the same.
    Kept,
    /// It is not, and the list says why.
    LeftOut,
    /// There is nothing that it could apply to: no such option in this kernel or for this architecture and
    /// compiler, or the part that a sysctl or argument is about is not compiled.
    NotInThisKernel,
    /// It is not, and no list says why.
    Missing,
}

/// One setting with its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What is recommended.
    pub wanted: String,
    /// What there is.
    pub is: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Who recommends it.
    pub from: Vec<&'static str>,
    /// What it is for, or why it is left out.
    pub reason: String,
    /// What it would cost, if it is left out.
    pub price: Option<String>,
}

/// Something that must not stay as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HardeningFinding {
    /// A setting that is neither kept nor left out with a reason.
    Missing {
        /// What is recommended.
        wanted: String,
        /// What there is.
        is: String,
        /// The list that could say why.
        list: PathBuf,
        /// The architecture's name in that list.
        arch: &'static str,
    },
    /// A line of the list of what is left out that says what isn't so.
    Stale {
        /// The list.
        list: PathBuf,
        /// Its line.
        entry: LeftOut,
        /// What is so.
        what: &'static str,
    },
}

/// Every setting with its verdict, and what must not stay so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HardeningReport {
    /// The kernel's version.
    pub version: String,
    /// Its architecture.
    pub arch: &'static str,
    /// The settings.
    pub settings: Vec<Row>,
    /// What must not stay so.
    #[serde(skip)]
    pub findings: Vec<HardeningFinding>,
}

/// What there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct System<'a> {
    pub(super) tree: &'a Tree,
    pub(super) config: &'a Config,
    pub(super) sysctls: &'a BTreeMap<String, String>,
    pub(super) command_line: &'a str,
}

impl System<'_> {
    pub(super) fn judge(
        self,
        settings: Vec<Setting>,
        left_out: Vec<LeftOut>,
        list: &Path,
        arch: Arch,
        version: &str,
    ) -> HardeningReport {
        let mut findings = Vec::new();
        let mut rows = Vec::new();
        let mut known: Vec<(Want, Verdict)> = Vec::new();
        for setting in settings {
            let entry = left_out.iter().find(|entry| entry.wanted == setting.wanted);
            let (verdict, is) = self.verdict(&setting, entry.is_some());
            let wanted = setting.wanted.to_string();
            if verdict == Verdict::Missing {
                findings.push(HardeningFinding::Missing {
                    wanted: wanted.clone(),
                    is: is.clone(),
                    list: list.to_owned(),
                    arch: arch.name(),
                });
            }
            let entry = entry.filter(|_| verdict == Verdict::LeftOut);
            rows.push(Row {
                wanted,
                is,
                verdict,
                from: setting.from,
                reason: entry.map_or(setting.reason, |entry| entry.reason.clone()),
                price: entry.map(|entry| entry.price.clone()),
            });
            known.push((setting.wanted, verdict));
        }
        for entry in left_out {
            let what = match known.iter().find(|(wanted, _)| *wanted == entry.wanted) {
                Some((_, Verdict::LeftOut | Verdict::Missing)) => continue,
                Some((_, Verdict::Kept)) => "it is kept",
                Some((_, Verdict::NotInThisKernel)) => "this kernel has nothing that it could apply to",
                None => "nobody recommends it",
            };
            findings.push(HardeningFinding::Stale { list: list.to_owned(), entry, what });
        }
        HardeningReport { version: version.to_owned(), arch: arch.name(), settings: rows, findings }
    }

    fn verdict(self, setting: &Setting, listed: bool) -> (Verdict, String) {
        let is = self.is(&setting.wanted);
        if let Want::Config(symbol, _) = &setting.wanted
            && self.tree.definitions(symbol).is_empty()
            && !setting.instead.iter().any(|want| self.has(want))
        {
            return (Verdict::NotInThisKernel, "no such option".to_owned());
        }
        if self.has(&setting.wanted) {
            return (Verdict::Kept, is);
        }
        if let Some(instead) = setting.instead.iter().find(|want| self.has(want)) {
            let is_about_nothing =
                !matches!(setting.wanted, Want::Config(..)) && matches!(instead, Want::Config(_, Value::No));
            let verdict = if is_about_nothing { Verdict::NotInThisKernel } else { Verdict::Kept };
            return (verdict, instead.to_string());
        }
        match &setting.wanted {
            _ if listed => (Verdict::LeftOut, is),
            Want::Config(symbol, _) if self.is_out_of_reach(symbol, 0) => (Verdict::NotInThisKernel, is),
            _ => (Verdict::Missing, is),
        }
    }

    fn has(self, want: &Want) -> bool {
        match want {
            Want::Config(symbol, value) => self.config.get(symbol).unwrap_or(&Value::No).same(value),
            Want::Sysctl(name, value) => self.sysctls.get(name) == Some(value),
            Want::Argument(word) => self.command_line.split_whitespace().any(|there| there == word),
        }
    }

    fn is(self, want: &Want) -> String {
        match want {
            Want::Config(symbol, _) => self.config.shown(symbol),
            Want::Sysctl(name, _) => self.sysctls.get(name).cloned().unwrap_or_else(|| "not set".to_owned()),
            Want::Argument(_) if self.has(want) => "given".to_owned(),
            Want::Argument(_) => "not given".to_owned(),
        }
    }

    /// Whether no fragment of this architecture, with this compiler, could switch a symbol on: it needs
    /// one of those by which the kernel says what an architecture and a compiler can.
    fn is_out_of_reach(self, symbol: &str, depth: usize) -> bool {
        const FACTS: [&str; 5] = ["ARCH_HAS_", "ARCH_SUPPORTS_", "HAVE_", "CC_HAS_", "CC_IS_"];
        let on = Configured { tree: self.tree, config: self.config };
        let definitions = self.tree.definitions(symbol);
        if definitions.is_empty() || FACTS.iter().any(|fact| symbol.starts_with(fact)) {
            return self.config.get(symbol).is_none();
        }
        // Chains of dependencies are short; a longer one is a ring.
        let out = |part: &Expression| {
            let symbols = part.symbols();
            let positive = !part.to_string().starts_with('!');
            positive
                && !symbols.is_empty()
                && symbols.iter().all(|symbol| self.is_out_of_reach(symbol, depth + 1))
        };
        depth < 8
            && definitions
                .iter()
                .all(|definition| definition.depends.iter().flat_map(|depends| depends.unmet(&on)).any(out))
    }
}
