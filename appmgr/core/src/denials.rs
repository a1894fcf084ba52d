//! What the sandbox refused to apps: which refusals are told, and the newest of them.
//!
//! An app can be refused the same thing a million times a second. The first of a kind is told at once; equal ones
//! are counted, and told again after [`REPEAT`]; and no app is told of more often than its budget allows.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use nacre_manifest::component::ComponentId;
use nacre_wire::denial::{Denial, Layer, MAX_REMEDY, MAX_TRIED, Remedy};

use crate::fleet::AppIndex;
use crate::log_line::printable;
use crate::uptime::Uptime;

/// Events of one app that may be told at once.
pub const BURST: u32 = 16;

/// Time after which one more may be.
pub const REFILL: Duration = Duration::from_secs(1);

/// Time after which an equal refusal is told again, with the number of those between.
pub const REPEAT: Duration = Duration::from_secs(60);

/// Kinds of refusals that are told apart for one app. The one that was seen longest ago makes room.
const MOST_KINDS: usize = 32;

/// Events kept for the device channel. The app that has most of them loses its oldest.
pub const MOST_EVENTS: usize = 64;

/// Something that an app may not do, and what would allow it. Its text is what the app is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was tried.
    pub tried: String,
    /// What would allow it.
    pub remedy: Remedy,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} — {}", self.tried, self.remedy)
    }
}

/// Refusals of all apps.
#[derive(Debug, Default)]
pub struct Denials {
    events: VecDeque<(AppIndex, Denial)>,
    last_number: u64,
    apps: BTreeMap<usize, Ledger>,
}

/// What is known of one app.
#[derive(Debug)]
struct Ledger {
    kinds: Vec<Kind>,
    tokens: u32,
    /// Since when `tokens` is so many.
    refilled: Uptime,
    /// Refusals of kinds that were not told, since the last event.
    left_out: u32,
}

/// Equal refusals. The text is known by its hash: what an app tries can be long. Who finds two texts with one hash
/// makes one of the own refusals look like another.
#[derive(Debug)]
struct Kind {
    hash: u64,
    told: Uptime,
    seen: Uptime,
    /// Refusals since it was told.
    more: u32,
}

impl Denials {
    /// Notes a refusal; the event, if it is to be told now. What an app chose of the text is made printable, and
    /// every text is cut to its bound.
    pub fn note(
        &mut self,
        app: AppIndex,
        id: &ComponentId,
        layer: Layer,
        refusal: Refusal,
        now: Uptime,
    ) -> Option<&Denial> {
        let ledger = self.apps.entry(app.0).or_insert_with(|| Ledger::new(now));
        let tried = cut(printable(refusal.tried.as_bytes()), MAX_TRIED);
        let (more, left_out) = ledger.judge(hash(layer, &tried), now)?;
        self.last_number += 1;
        let denial = Denial {
            number: self.last_number,
            uptime_ms: now.as_millis(),
            app: id.as_str().to_owned(),
            layer,
            tried,
            remedy: bounded(refusal.remedy),
            more,
            left_out,
        };
        if self.events.len() >= MOST_EVENTS {
            self.drop_one();
        }
        self.events.push_back((app, denial));
        self.events.back().map(|(_, denial)| denial)
    }

    /// A new run of an app begins: what it is refused is told again, within the budget of before.
    pub fn forget(&mut self, app: AppIndex) {
        if let Some(ledger) = self.apps.get_mut(&app.0) {
            ledger.kinds = Vec::new();
        }
    }

    /// The first kept event with a greater number, of this app if one is named.
    pub fn next_after(&self, number: u64, app: Option<&str>) -> Option<&Denial> {
        let from = self.events.partition_point(|(_, denial)| denial.number <= number);
        let mut events = self.events.range(from..).map(|(_, denial)| denial);
        events.find(|denial| app.is_none_or(|app| denial.app == app))
    }

    /// Number of the newest event; 0 before the first.
    pub fn last_number(&self) -> u64 {
        self.last_number
    }

    fn drop_one(&mut self) {
        let mut held = BTreeMap::<usize, usize>::new();
        for (app, _) in &self.events {
            *held.entry(app.0).or_default() += 1;
        }
        let largest = held.into_iter().max_by_key(|(_, count)| *count).map(|(app, _)| app);
        let at = self.events.iter().position(|(app, _)| Some(app.0) == largest).unwrap_or(0);
        self.events.remove(at);
    }
}

impl Ledger {
    fn new(now: Uptime) -> Self {
        Self { kinds: Vec::new(), tokens: BURST, refilled: now, left_out: 0 }
    }

    /// Whether a refusal is told; then how many equal ones and how many others were not.
    fn judge(&mut self, hash: u64, now: Uptime) -> Option<(u32, u32)> {
        self.refill(now);
        let Some(at) = self.kinds.iter().position(|kind| kind.hash == hash) else {
            if self.tokens == 0 {
                // It is not known either, and so is told as soon as there is room.
                self.left_out = self.left_out.saturating_add(1);
                return None;
            }
            self.make_room();
            self.kinds.push(Kind { hash, told: now, seen: now, more: 0 });
            return Some((0, self.spend()));
        };
        let kind = self.kinds.get_mut(at)?;
        kind.seen = now;
        if self.tokens == 0 || now.since(kind.told) < REPEAT {
            kind.more = kind.more.saturating_add(1);
            return None;
        }
        kind.told = now;
        let more = std::mem::take(&mut kind.more);
        Some((more, self.spend()))
    }

    fn refill(&mut self, now: Uptime) {
        let earned = now.since(self.refilled).as_millis() / REFILL.as_millis();
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        self.tokens = self.tokens.saturating_add(earned).min(BURST);
        self.refilled = if self.tokens == BURST { now } else { self.refilled.after(REFILL * earned) };
    }

    fn spend(&mut self) -> u32 {
        self.tokens = self.tokens.saturating_sub(1);
        std::mem::take(&mut self.left_out)
    }

    fn make_room(&mut self) {
        if self.kinds.len() < MOST_KINDS {
            return;
        }
        let oldest = self.kinds.iter().enumerate().min_by_key(|(_, kind)| kind.seen).map(|(at, _)| at);
        if let Some(at) = oldest {
            let kind = self.kinds.swap_remove(at);
            self.left_out = self.left_out.saturating_add(kind.more);
        }
    }
}

fn hash(layer: Layer, tried: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (layer.name(), tried).hash(&mut hasher);
    hasher.finish()
}

fn bounded(remedy: Remedy) -> Remedy {
    let part = |text: String| cut(printable(text.as_bytes()), MAX_REMEDY);
    match remedy {
        Remedy::Manifest { app, field, line } => {
            Remedy::Manifest { app, field: part(field), line: part(line) }
        }
        Remedy::Never { reason } => Remedy::Never { reason: part(reason) },
    }
}

/// The start of a text with `…` at its end, if it is longer than so many bytes.
fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let mut end = most.saturating_sub('…'.len_utf8());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use nacre_wire::message;
    use proptest::prelude::*;

    use super::*;

    const APP: AppIndex = AppIndex(1);

    fn id() -> ComponentId {
        "org.nacre.reporter".parse().unwrap()
    }

    fn refusal(tried: &str) -> Refusal {
        Refusal { tried: tried.to_owned(), remedy: Remedy::never("so it is") }
    }

    fn note(denials: &mut Denials, app: AppIndex, tried: &str, at_ms: u64) -> Option<(u32, u32)> {
        let now = Uptime::from_millis(at_ms);
        let told = denials.note(app, &id(), Layer::Seccomp, refusal(tried), now);
        told.map(|denial| (denial.more, denial.left_out))
    }

    #[test]
    fn equal_refusals_are_told_once_and_counted_until_the_next_time() {
        let mut denials = Denials::default();
        assert_eq!(note(&mut denials, APP, "mount", 0), Some((0, 0)));
        for n in 0..1_000 {
            assert_eq!(note(&mut denials, APP, "mount", n), None);
        }
        assert_eq!(note(&mut denials, APP, "ptrace", 1_000), Some((0, 0)), "another kind");
        assert_eq!(note(&mut denials, APP, "mount", 59_999), None);
        assert_eq!(note(&mut denials, APP, "mount", 60_000), Some((1_001, 0)));
        let other_layer =
            denials.note(APP, &id(), Layer::Landlock, refusal("mount"), Uptime::from_millis(60_001));
        assert_eq!(other_layer.map(|denial| denial.number), Some(4));
    }

    #[test]
    fn different_refusals_at_once_are_told_as_far_as_the_budget_goes() {
        let mut denials = Denials::default();
        let told = (0..100).filter(|n| note(&mut denials, APP, &n.to_string(), 0).is_some()).count();
        assert_eq!(told, 16);
        assert_eq!(note(&mut denials, APP, "50", 999), None);
        assert_eq!(note(&mut denials, APP, "50", 1_000), Some((0, 85)), "told late, and how many were not");
        assert_eq!(note(&mut denials, AppIndex(2), "50", 1_000), Some((0, 0)), "another app's budget");
        assert_eq!(denials.last_number(), 18);
    }

    #[test]
    fn new_run_is_told_again_within_the_budget_of_before() {
        let mut denials = Denials::default();
        let mut told = 0;
        for run in 0..20 {
            told += usize::from(note(&mut denials, APP, "mount", run).is_some());
            denials.forget(APP);
        }
        assert_eq!(told, 16);
    }

    #[test]
    fn events_are_found_by_number_and_app_and_the_noisy_one_loses_its_own() {
        let mut denials = Denials::default();
        note(&mut denials, AppIndex(0), "once", 0);
        for n in 0..200 {
            assert!(note(&mut denials, APP, &n.to_string(), n * 1_000).is_some());
        }
        let mut kept = Vec::new();
        while let Some(denial) = denials.next_after(kept.last().copied().unwrap_or(0), None) {
            kept.push(denial.number);
        }
        assert_eq!((kept.len(), kept[0], kept[1]), (64, 1, 139));
        assert!(denials.next_after(0, Some("org.nacre.other")).is_none());
        assert_eq!(denials.next_after(1, Some("org.nacre.reporter")).map(|denial| denial.number), Some(139));
        assert!(denials.next_after(denials.last_number(), None).is_none());
    }

    #[test]
    fn text_of_an_app_is_made_printable_and_cut() {
        let mut denials = Denials::default();
        let text = format!("open /tmp/\u{1b}[2J{}", "é".repeat(300));
        let denial = denials.note(APP, &id(), Layer::Landlock, refusal(&text), Uptime::default()).unwrap();
        assert!(denial.tried.starts_with("open /tmp/\\u{1b}[2J") && denial.tried.ends_with('…'));
        assert!(denial.tried.len() <= MAX_TRIED);
        assert!(message::encode(denial).is_ok());
    }

    proptest! {
        #[test]
        fn any_refusals_stay_within_the_bounds_and_none_is_lost_count_of(
            refusals in prop::collection::vec((0usize..3, 0u32..60, 0u64..3_000), 0..600),
        ) {
            let mut denials = Denials::default();
            let mut now = 0;
            let mut per_app = [0u64; 3];
            for (app, tried, pause) in &refusals {
                now += pause;
                if let Some((more, left_out)) = note(&mut denials, AppIndex(*app), &tried.to_string(), now) {
                    per_app[*app] += 1 + u64::from(more) + u64::from(left_out);
                }
                prop_assert!(denials.events.len() <= MOST_EVENTS);
            }
            for (app, accounted) in per_app.iter().enumerate() {
                let all = refusals.iter().filter(|(of, ..)| *of == app).count() as u64;
                let open = denials.apps.get(&app).map_or(0, |ledger| {
                    prop_assert_kinds(ledger);
                    u64::from(ledger.left_out) + ledger.kinds.iter().map(|kind| u64::from(kind.more)).sum::<u64>()
                });
                prop_assert_eq!(accounted + open, all);
            }
            let numbers: Vec<u64> = denials.events.iter().map(|(_, denial)| denial.number).collect();
            prop_assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    fn prop_assert_kinds(ledger: &Ledger) {
        assert!(ledger.kinds.len() <= MOST_KINDS && ledger.tokens <= BURST);
    }
}
