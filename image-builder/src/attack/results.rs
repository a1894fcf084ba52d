//! What came of a campaign, and what it means.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Attack, Campaign, Configuration};
use crate::failure::Exit;

/// How an attack ended in one configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The witness saw its goal reached.
    Won,
    /// It didn't; with what the attacker met.
    Stopped(String),
    /// It could not be tried, with the reason: neither good nor bad.
    Unknown(String),
}

impl Outcome {
    /// The word of the JSON.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Won => "won",
            Self::Stopped(_) => "stopped",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// One attack, and how it ended.
#[derive(Debug, Clone)]
pub struct Row {
    /// The attack.
    pub attack: Attack,
    /// By configuration.
    pub outcomes: BTreeMap<Configuration, Outcome>,
}

impl Row {
    /// Whether it ended so in a configuration.
    fn is(&self, configuration: Configuration, outcome: &Outcome) -> bool {
        self.outcomes.get(&configuration).is_some_and(|found| found.word() == outcome.word())
    }

    /// Whether it won without any layer: what doesn't, proves nothing.
    pub fn is_proven(&self) -> bool {
        self.is(Configuration::Control, &Outcome::Won)
    }

    /// The layers without which it wins.
    pub fn rests_on(&self) -> impl Iterator<Item = &'static str> {
        Configuration::layers().filter(|layer| self.is(Configuration::Without(layer), &Outcome::Won))
    }
}

/// What came of all attacks.
#[derive(Debug, Clone)]
pub struct Results {
    /// Image and version.
    pub image: String,
    /// Board.
    pub board: String,
    /// What was run, in this order.
    pub configurations: Vec<Configuration>,
    /// One for each attack.
    pub rows: Vec<Row>,
}

/// Families whose attacks may rest on one layer: what is shared has one owner.
const MAY_REST_ON_ONE: [&str; 2] = ["resources", "channel"];

impl Results {
    pub(super) fn new(
        campaign: &Campaign<'_>,
        mut outcomes: BTreeMap<Configuration, BTreeMap<String, Outcome>>,
    ) -> Self {
        let rows = campaign.attacks.iter().map(|attack| Row {
            attack: attack.clone(),
            outcomes: outcomes
                .iter_mut()
                .filter_map(|(configuration, found)| Some((*configuration, found.remove(&attack.name)?)))
                .collect(),
        });
        Self {
            image: campaign.image.clone(),
            board: campaign.board.board.clone(),
            configurations: campaign.configurations.clone(),
            rows: rows.collect(),
        }
    }

    /// Attacks that won with every layer.
    pub fn won(&self) -> Vec<&Row> {
        self.rows.iter().filter(|row| row.is(Configuration::AllLayers, &Outcome::Won)).collect()
    }

    /// Attacks that can't be judged: they could not be tried, or did not win without any layer.
    pub fn unjudged(&self) -> Vec<&Row> {
        let is_unknown = |row: &&Row| {
            let untried = row.outcomes.values().any(|outcome| matches!(outcome, Outcome::Unknown(_)));
            let unproven = self.configurations.contains(&Configuration::Control) && !row.is_proven();
            untried || unproven
        };
        self.rows.iter().filter(is_unknown).collect()
    }

    /// Attacks that one layer alone stops, with that layer.
    pub fn pairs(&self) -> Vec<(&Row, &'static str)> {
        self.rows.iter().flat_map(|row| row.rests_on().map(move |layer| (row, layer))).collect()
    }

    /// The same without those of which that is expected: of what all share, one layer is in charge.
    pub fn unexpected_pairs(&self) -> Vec<(&Row, &'static str)> {
        let is_expected = |row: &Row| MAY_REST_ON_ONE.contains(&row.attack.family.as_str());
        self.pairs().into_iter().filter(|(row, _)| !is_expected(row)).collect()
    }

    /// 0 if all were stopped; 69 if one won with every layer; 75 if that could not be said of one.
    pub fn exit(&self) -> Exit {
        if !self.won().is_empty() {
            return Exit::VerificationFailed;
        }
        if !self.unjudged().is_empty() { Exit::TryAgain } else { Exit::Done }
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let word = |row: &Row, configuration| row.outcomes.get(&configuration).map(Outcome::word);
        let attacks: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let without = Configuration::layers().filter_map(|layer| {
                    Some((layer.to_owned(), word(row, Configuration::Without(layer))?.into()))
                });
                let mut attack = json!({
                    "name": row.attack.name,
                    "family": row.attack.family,
                    "goal": row.attack.goal,
                    "all_layers": word(row, Configuration::AllLayers),
                    "without": Value::Object(without.collect()),
                });
                if let Some(control) = word(row, Configuration::Control) {
                    attack["control"] = control.into();
                }
                attack
            })
            .collect();
        json!({ "image": self.image, "board": self.board, "attacks": attacks })
    }
}
