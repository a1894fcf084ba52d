//! Limits that an app runs into, as the kernel counts them (`admin-guide/cgroup-v2.rst`).

use std::fs::File;
use std::os::unix::fs::FileExt;

use nacre_appmgr_core::fleet::AppIndex;
use nacre_appmgr_core::limits;
use nacre_manifest::device::Limits;
use nacre_wire::denial::Layer;

use crate::cgroup::Cgroup;
use crate::daemon::Daemon;
use crate::event_loop::{EventLoop, Interest, Source};

/// The counts that were there when a run began, or when they were told last.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Told {
    /// Times at which the group was out of memory.
    memory: u64,
    /// Processes and threads that it could not start.
    tasks: u64,
}

impl Told {
    /// What is there now. `memory` is the text of the group's `memory.events`, `tasks` its `pids.events`, which has no
    /// news then.
    pub(crate) fn now(memory: &str, tasks: Option<&File>) -> Self {
        Self { memory: count(memory, "oom"), tasks: tasks.map_or(0, |file| count(&read(file), "max")) }
    }
}

/// Waits for news of a group: of processes and threads that it could not start. What the file says is the caller's to
/// read. Where news can't be waited for, it is told when the run ends.
pub(crate) fn watch(events: &EventLoop, cgroup: &Cgroup, app: AppIndex) -> Option<File> {
    let file = cgroup.open_file("pids.events").ok()?;
    let _ = events.add(&file, Source::RefusedTasks(app), Interest::News);
    Some(file)
}

/// Reads a file from its beginning: there is no news then until it changes. One that can't be read is empty.
fn read(file: &File) -> String {
    let mut text = [0; 64];
    let length = file.read_at(&mut text, 0).unwrap_or(0);
    String::from_utf8_lossy(text.get(..length).unwrap_or_default()).into_owned()
}

impl Daemon {
    /// Tells what an app has run into since it was told last.
    pub(crate) fn tell_limits(&mut self, app: AppIndex) {
        let Some(slot) = self.slots.get_mut(app.0) else { return };
        let Some(installed) = &slot.installed else { return };
        let now = Told::now(&installed.cgroup.memory_events(), slot.refused_tasks.as_ref());
        let before = std::mem::replace(&mut slot.limits_told, now);
        let limits: Limits = installed.limits;
        if now.memory > before.memory {
            self.deny(app, Layer::Limit, limits::memory(&limits));
        }
        if now.tasks > before.tasks {
            self.deny(app, Layer::Limit, limits::tasks(&limits));
        }
    }
}

/// A count of a file with one in each line.
fn count(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_is_that_of_its_name() {
        let events = "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 1\n";
        assert_eq!([count(events, "oom"), count(events, "max"), count(events, "none")], [2, 9, 0]);
        assert_eq!([count("", "max"), count("max", "max"), count("max x", "max")], [0, 0, 0]);
    }
}
