//! All apps of the device: names, deadlines, shutdown, failed boot.

use std::time::Duration;

use nacre_manifest::component::ComponentId;

use crate::lifecycle::{Action, Event, Lifecycle, State};
use crate::uptime::Uptime;

/// Time between a failed boot's log line and the reboot: enough to read the log through the channel.
pub const REBOOT_PAUSE: Duration = Duration::from_secs(5);

/// Place of an app in the fleet. The place of an app that was removed is given to the next one that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppIndex(pub usize);

/// What to do next, for an app or for the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// For one app.
    App(AppIndex, Action),
    /// A line in the app manager's own name.
    Log(String),
    /// Orderly reboot.
    Reboot,
}

/// What a person asks for an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Up.
    Start,
    /// Down, and to stay so.
    Stop,
    /// Down and up.
    Restart,
    /// Killed as a crash would.
    Kill,
}

/// Why a wish was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WishError {
    /// No app of this name.
    NotFound(String),
    /// Not possible now, with the reason.
    Refused(String),
}

#[derive(Debug)]
struct Entry {
    id: ComponentId,
    lifecycle: Lifecycle,
    presence: Presence,
}

/// Whether there is an app at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Here,
    Removed,
}

/// All apps.
#[derive(Debug, Default)]
pub struct Fleet {
    apps: Vec<Entry>,
    closing: bool,
    reboot_at: Option<Uptime>,
}

impl Fleet {
    /// No app yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an app that is down, in the place of a removed one if there is one.
    pub fn add(&mut self, id: ComponentId, lifecycle: Lifecycle) -> AppIndex {
        let entry = Entry { id, lifecycle, presence: Presence::Here };
        let place = self.apps.iter().position(|old| old.presence == Presence::Removed);
        match place.and_then(|at| Some((at, self.apps.get_mut(at)?))) {
            Some((at, old)) => {
                *old = entry;
                AppIndex(at)
            }
            None => {
                self.apps.push(entry);
                AppIndex(self.apps.len() - 1)
            }
        }
    }

    /// Begins an app's history anew, with what another version of it asks for. It has no process.
    pub fn renew(&mut self, index: AppIndex, lifecycle: Lifecycle) {
        if let Some(entry) = self.apps.get_mut(index.0) {
            entry.lifecycle = lifecycle;
        }
    }

    /// Removes an app that has no process.
    pub fn remove(&mut self, index: AppIndex) {
        if let Some(entry) = self.apps.get_mut(index.0) {
            entry.presence = Presence::Removed;
        }
    }

    /// The app of this component id.
    pub fn place_of(&self, app: &ComponentId) -> Option<AppIndex> {
        self.iter().find(|(_, id, _)| *id == app).map(|(at, ..)| at)
    }

    /// Whether the device goes down.
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether an app is between its launch and its own code.
    pub fn is_starting(&self) -> bool {
        self.iter().any(|(.., lifecycle)| *lifecycle.state() == State::Starting)
    }

    /// Every app.
    pub fn iter(&self) -> impl Iterator<Item = (AppIndex, &ComponentId, &Lifecycle)> {
        let here = self.apps.iter().enumerate().filter(|(_, entry)| entry.presence == Presence::Here);
        here.map(|(at, entry)| (AppIndex(at), &entry.id, &entry.lifecycle))
    }

    /// One app.
    pub fn get(&self, index: AppIndex) -> Option<(&ComponentId, &Lifecycle)> {
        let entry = self.apps.get(index.0).filter(|entry| entry.presence == Presence::Here)?;
        Some((&entry.id, &entry.lifecycle))
    }

    /// Finds an app by its component id or by the last label of it.
    ///
    /// # Errors
    /// [`WishError::NotFound`] without one, [`WishError::Refused`] if several have this last label.
    pub fn find(&self, name: &str) -> Result<AppIndex, WishError> {
        let whole = self.iter().find(|(_, id, _)| id.as_str() == name).map(|(at, ..)| at);
        let mut short = self.iter().filter(|(_, id, _)| id.short() == name).map(|(at, ..)| at);
        match (whole, short.next(), short.next()) {
            (Some(at), ..) => Ok(at),
            (None, Some(at), None) => Ok(at),
            (None, Some(_), Some(_)) => {
                Err(WishError::Refused(format!("several apps are called {name}: give the whole id")))
            }
            (None, None, _) => {
                let names: Vec<_> = self.iter().map(|(_, id, _)| id.short()).collect();
                let known = if names.is_empty() { "none".into() } else { names.join(", ") };
                Err(WishError::NotFound(format!("no app {name} here; there are: {known}")))
            }
        }
    }

    /// Takes an event of one app.
    pub fn step(&mut self, index: AppIndex, event: Event, now: Uptime) -> Vec<Order> {
        let entry = self.apps.get_mut(index.0).filter(|entry| entry.presence == Presence::Here);
        let Some(entry) = entry else { return vec![] };
        let actions = entry.lifecycle.step(event, now);
        actions.into_iter().map(|action| Order::App(index, action)).collect()
    }

    /// Takes a person's wish.
    ///
    /// # Errors
    /// [`WishError`] with the text for the person.
    pub fn wish(&mut self, name: &str, wish: Wish, now: Uptime) -> Result<Vec<Order>, WishError> {
        let index = self.find(name)?;
        let refuse = |text: String| Err(WishError::Refused(text));
        let Some((id, lifecycle)) = self.get(index) else { return Ok(vec![]) };
        let name = id.short();
        if self.closing {
            return refuse("the device is going down".into());
        }
        if let State::Refused(why) = lifecycle.state() {
            return refuse(format!("the package of {name} was refused: {why}"));
        }
        let event = match wish {
            Wish::Start if matches!(lifecycle.state(), State::Starting | State::Running { .. }) => {
                return refuse(format!("{name} is running already"));
            }
            Wish::Start if *lifecycle.state() == State::Waiting => {
                return refuse(format!("{name} waits for the network, and starts by itself then"));
            }
            Wish::Kill if !matches!(lifecycle.state(), State::Starting | State::Running { .. }) => {
                return refuse(format!("{name} is not running"));
            }
            Wish::Start => Event::Start,
            Wish::Stop => Event::Stop,
            Wish::Restart => Event::Restart,
            Wish::Kill => Event::Kill,
        };
        Ok(self.step(index, event, now))
    }

    /// Starts every app that was not refused.
    pub fn start_all(&mut self, now: Uptime) -> Vec<Order> {
        self.each(&Event::Start, now)
    }

    /// The apps that [`Fleet::timer`] now kills because no heartbeat came.
    pub fn silent(&self, now: Uptime) -> Vec<AppIndex> {
        let all = self.iter().filter(|(.., lifecycle)| lifecycle.is_silent(now));
        all.map(|(index, ..)| index).collect()
    }

    /// Begins the end: every app is stopped and none starts any more.
    pub fn shut_down(&mut self, now: Uptime) -> Vec<Order> {
        self.closing = true;
        self.reboot_at = None;
        self.each(&Event::Shutdown, now)
    }

    /// Whether a shutdown was asked for and no process is left.
    pub fn is_down(&self) -> bool {
        self.closing && self.apps.iter().all(|entry| !entry.lifecycle.has_process())
    }

    /// Says what failed the boot, and reboots after [`REBOOT_PAUSE`].
    pub fn fail_boot(&mut self, failures: &[String], now: Uptime) -> Vec<Order> {
        if failures.is_empty() || self.closing {
            return vec![];
        }
        self.reboot_at = Some(now.after(REBOOT_PAUSE));
        failures.iter().map(|failure| Order::Log(format!("boot failed: {failure}"))).collect()
    }

    /// When [`Fleet::timer`] does something next.
    pub fn deadline(&self) -> Option<Uptime> {
        self.apps.iter().filter_map(|entry| entry.lifecycle.deadline()).chain(self.reboot_at).min()
    }

    /// Does what is due.
    pub fn timer(&mut self, now: Uptime) -> Vec<Order> {
        let mut orders = self.each(&Event::Timer, now);
        if self.reboot_at.is_some_and(|at| at <= now) {
            self.reboot_at = None;
            orders.push(Order::Reboot);
        }
        orders
    }

    fn each(&mut self, event: &Event, now: Uptime) -> Vec<Order> {
        let all = 0..self.apps.len();
        all.flat_map(|at| self.step(AppIndex(at), event.clone(), now)).collect()
    }
}

#[cfg(test)]
mod tests {
    use nacre_manifest::device::{Restart, RestartPolicy};

    use super::*;
    use crate::end::End;

    const NOW: Uptime = Uptime::from_millis(1_000);

    fn fleet(ids: &[&str]) -> Fleet {
        let restart = Restart {
            policy: RestartPolicy::Always,
            backoff_min_ms: 1_000,
            backoff_max_ms: 1_000,
            limit_count: 5,
            limit_window_ms: 60_000,
        };
        let mut fleet = Fleet::new();
        for id in ids {
            let id: ComponentId = id.parse().unwrap();
            let lifecycle = Lifecycle::new(id.short(), &restart, NOW);
            fleet.add(id, lifecycle);
        }
        fleet
    }

    #[test]
    fn find_by_id_or_last_label_gives_the_app() {
        let fleet = fleet(&["org.nacre.recorder", "org.nacre.reporter", "com.example.reporter"]);
        assert_eq!(fleet.find("recorder"), Ok(AppIndex(0)));
        assert_eq!(fleet.find("com.example.reporter"), Ok(AppIndex(2)));
        assert!(matches!(fleet.find("reporter"), Err(WishError::Refused(_))));
        assert_eq!(
            fleet.find("x"),
            Err(WishError::NotFound("no app x here; there are: recorder, reporter, reporter".into()))
        );
    }

    #[test]
    fn fleet_is_starting_until_each_app_runs_or_has_ended() {
        let mut fleet = fleet(&["org.nacre.a", "org.nacre.b"]);
        assert!(!fleet.is_starting());
        fleet.start_all(NOW);
        fleet.step(AppIndex(0), Event::Started { pid: 7 }, NOW);
        assert!(fleet.is_starting());
        fleet.step(AppIndex(1), Event::Ended(End::NotStarted("no".into())), NOW);
        assert!(!fleet.is_starting());
    }

    #[test]
    fn app_removed_is_not_found_and_its_place_is_given_to_the_next() {
        let mut fleet = fleet(&["org.nacre.a", "org.nacre.b"]);
        fleet.remove(AppIndex(0));
        assert!(matches!(fleet.find("a"), Err(WishError::NotFound(_))));
        assert_eq!(fleet.get(AppIndex(0)).map(|_| ()), None);
        assert_eq!(fleet.start_all(NOW), [Order::App(AppIndex(1), Action::Start)]);
        let other: ComponentId = "org.nacre.c".parse().unwrap();
        let lifecycle = fleet.get(AppIndex(1)).unwrap().1.clone();
        assert_eq!(fleet.add(other.clone(), lifecycle.clone()), AppIndex(0));
        assert_eq!((fleet.find("c"), fleet.place_of(&other)), (Ok(AppIndex(0)), Some(AppIndex(0))));
        assert_eq!(fleet.add("org.nacre.d".parse().unwrap(), lifecycle), AppIndex(2));
    }

    #[test]
    fn wish_that_makes_no_sense_is_refused_with_the_reason() {
        let mut fleet = fleet(&["org.nacre.a", "org.nacre.b"]);
        fleet.start_all(NOW);
        fleet.step(AppIndex(1), Event::Ended(End::Exited(1)), NOW);
        fleet.step(AppIndex(1), Event::Refused("wrong key".into()), NOW);
        let refused = |text: &str| Err(WishError::Refused(text.into()));
        assert_eq!(fleet.wish("a", Wish::Start, NOW), refused("a is running already"));
        assert_eq!(fleet.wish("b", Wish::Start, NOW), refused("the package of b was refused: wrong key"));
        assert_eq!(fleet.wish("a", Wish::Kill, NOW), Ok(vec![Order::App(AppIndex(0), Action::KillGroup)]));
        fleet.shut_down(NOW);
        assert_eq!(fleet.wish("a", Wish::Restart, NOW), refused("the device is going down"));
    }

    #[test]
    fn shutdown_is_done_when_the_last_process_is_gone() {
        let mut fleet = fleet(&["org.nacre.a", "org.nacre.b"]);
        fleet.start_all(NOW);
        fleet.step(AppIndex(0), Event::Started { pid: 5 }, NOW);
        let orders = fleet.shut_down(NOW);
        assert_eq!(
            orders,
            [Order::App(AppIndex(0), Action::SignalTerm), Order::App(AppIndex(1), Action::KillGroup),]
        );
        assert!(!fleet.is_down());
        for at in 0..2 {
            fleet.step(AppIndex(at), Event::Ended(End::Signalled(9)), NOW);
        }
        assert!(fleet.is_down());
    }

    #[test]
    fn failed_boot_reboots_after_its_pause() {
        let mut fleet = fleet(&[]);
        assert_eq!(fleet.fail_boot(&[], NOW), []);
        let orders = fleet.fail_boot(&["critical app a.b is not installed".into()], NOW);
        assert_eq!(orders, [Order::Log("boot failed: critical app a.b is not installed".into())]);
        let due = fleet.deadline().unwrap();
        assert_eq!(due, NOW.after(REBOOT_PAUSE));
        assert_eq!(fleet.timer(NOW), []);
        assert_eq!(fleet.timer(due), [Order::Reboot]);
        assert_eq!(fleet.deadline(), None);
    }
}
