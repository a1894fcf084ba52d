//! What the witness prepares for an attack, and what it looks for.

use std::time::Duration;

use super::World;

/// Who sees whether an attack reached its goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judge {
    /// The witness on the device.
    Device,
    /// The host, by what leaves the device's network card.
    Host,
}

/// A scene. Each function gets `detail`, which says what the scene is about.
#[derive(Clone, Copy)]
pub(crate) struct Scene {
    /// How it is seen that the goal was reached, as a sentence without full stop.
    pub(crate) seen_by: &'static str,
    /// What it is about: a path, a name, a mark.
    pub(crate) detail: &'static str,
    /// Who looks.
    pub(crate) judge: Judge,
    /// How long the effect may show after the attack has ended.
    pub(crate) after: Duration,
    /// Prepares it.
    pub(crate) plant: fn(&mut World, &str),
    /// Whether the goal is reached.
    pub(crate) seen: fn(&mut World, &str) -> bool,
    /// Brings back what was before.
    pub(crate) restore: fn(&mut World, &str),
}

impl Scene {
    /// A scene in which there is nothing to prepare and nothing to bring back.
    pub(crate) const fn new(seen_by: &'static str, seen: fn(&mut World, &str) -> bool) -> Self {
        const fn nothing(_: &mut World, _: &str) {}
        Self {
            seen_by,
            detail: "",
            judge: Judge::Device,
            after: Duration::ZERO,
            plant: nothing,
            seen,
            restore: nothing,
        }
    }

    /// With something to prepare.
    pub(crate) const fn plant(self, plant: fn(&mut World, &str)) -> Self {
        Self { plant, ..self }
    }

    /// With something to bring back.
    pub(crate) const fn restore(self, restore: fn(&mut World, &str)) -> Self {
        Self { restore, ..self }
    }

    /// About this.
    pub(crate) const fn of(self, detail: &'static str) -> Self {
        Self { detail, ..self }
    }

    /// With an effect that may show this much later.
    pub(crate) const fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }
}
