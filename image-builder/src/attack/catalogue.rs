//! The catalogue of attacks, which the hostile app's sources bring along.

use std::path::PathBuf;

use serde::Deserialize;

use crate::failure::{Exit, Failure, OrFail};
use crate::workspace::Workspace;

/// Where the checkout has it. A test of the hostile app keeps it like the program.
const FILE: &str = "tests/attacker/catalogue.json";

/// One attack.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Attack {
    /// Its name.
    pub name: String,
    /// What kind it is of.
    pub family: String,
    /// What the attacker then has or has done.
    pub goal: String,
    /// How it is seen that the goal was reached.
    pub seen: String,
    /// Whether it is on something that only the control kernel has.
    pub control_kernel: bool,
    /// The only architecture that it is possible on.
    pub only: Option<String>,
}

/// Which attacks are wanted.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Families; none means all.
    pub families: Vec<String>,
    /// Names; none means all.
    pub names: Vec<String>,
}

/// Reads the attacks that are possible on an architecture and wanted.
///
/// # Errors
/// 66 if a family or a name is unknown.
pub fn load(workspace: &Workspace, arch: &str, wanted: &Selection) -> Result<Vec<Attack>, Failure> {
    let path: PathBuf = workspace.root().join(FILE);
    let text = std::fs::read_to_string(&path)
        .or_fail(Exit::NotFound, || format!("can't read the catalogue of attacks `{}`", path.display()))?;
    let all: Vec<Attack> = serde_json::from_str(&text)
        .or_fail(Exit::Internal, || format!("can't understand `{}`", path.display()))?;
    select(all, arch, wanted)
}

fn select(all: Vec<Attack>, arch: &str, wanted: &Selection) -> Result<Vec<Attack>, Failure> {
    let known = |kind: &str, words: &[String], of: fn(&Attack) -> &str| {
        let unknown = words.iter().find(|word| all.iter().all(|attack| of(attack) != word.as_str()));
        let Some(word) = unknown else { return Ok(()) };
        let mut names: Vec<&str> = all.iter().map(of).collect();
        names.dedup();
        let near = nacre_diag::did_you_mean(word, names.iter().copied());
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None if kind == "family" => format!("families: {}", names.join(", ")),
            None => "nacre attack --list shows them".to_owned(),
        };
        Err(Failure::new(Exit::NotFound, format!("there is no {kind} `{word}` in the catalogue")).hint(hint))
    };
    known("family", &wanted.families, |attack| &attack.family)?;
    known("attack", &wanted.names, |attack| &attack.name)?;
    let is_wanted = |attack: &Attack| {
        attack.only.as_ref().is_none_or(|only| only == arch)
            && (wanted.families.is_empty() || wanted.families.contains(&attack.family))
            && (wanted.names.is_empty() || wanted.names.contains(&attack.name))
    };
    Ok(all.into_iter().filter(is_wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attack(name: &str, family: &str, only: Option<&str>) -> Attack {
        let text = |text: &str| text.to_owned();
        Attack {
            name: text(name),
            family: text(family),
            goal: text("Does it"),
            seen: text("it is done"),
            control_kernel: false,
            only: only.map(text),
        }
    }

    #[test]
    fn selection_takes_what_is_named_and_possible() {
        let all = [attack("a", "x", None), attack("b", "x", Some("x86_64")), attack("c", "y", None)];
        let names = |arch: &str, families: &[&str], names: &[&str]| {
            let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            let wanted = Selection { families: list(families), names: list(names) };
            select(all.to_vec(), arch, &wanted)
                .map(|found| found.into_iter().map(|a| a.name).collect::<Vec<_>>())
        };
        assert_eq!(names("armv7", &[], &[]).unwrap(), ["a", "c"]);
        assert_eq!(names("x86_64", &["x"], &[]).unwrap(), ["a", "b"]);
        assert_eq!(names("x86_64", &[], &["c"]).unwrap(), ["c"]);
        assert_eq!(names("x86_64", &["z"], &[]).unwrap_err().exit(), Exit::NotFound);
        assert_eq!(names("x86_64", &[], &["d"]).unwrap_err().exit(), Exit::NotFound);
    }
}
