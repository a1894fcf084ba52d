//! The fields of a manifest that are amounts: restarts, limits, storage.

use std::ops::RangeInclusive;

use super::bounds;
use crate::describe;
use crate::device::{Limits, Restart, RestartPolicy};
use crate::unit;
use crate::yaml::{Fields, Node, Reading};

/// Reads `restart`, with the defaults for what is not there.
pub(super) fn restart(reading: &mut Reading<'_>, fields: &Fields<'_>) -> Restart {
    let mut restart = Restart {
        policy: bounds::RESTART_POLICY,
        backoff_min_ms: bounds::BACKOFF_MS.0,
        backoff_max_ms: bounds::BACKOFF_MS.1,
        limit_count: bounds::RESTART_LIMIT.0,
        limit_window_ms: bounds::RESTART_LIMIT.1,
    };
    let Some(node) = fields.get("restart") else { return restart };
    let fields = reading.fields(node, &["policy", "backoff", "limit"]);
    if let Some(node) = fields.get("policy") {
        let words = [
            ("always", RestartPolicy::Always),
            ("on-failure", RestartPolicy::OnFailure),
            ("never", RestartPolicy::Never),
        ];
        restart.policy = reading.word(node, &words).unwrap_or(restart.policy);
    }
    if let Some(node) = fields.get("backoff")
        && let Some((least, most)) = reading.measure(node, "a span of time like `1s..60s`", unit::parse_span)
    {
        let why = "it must lie within 100ms..1h: less is a busy loop, more an app that is down";
        restart.backoff_min_ms = time(reading, node, least, bounds::BACKOFF_BOUNDS_MS, why);
        if bounds::BACKOFF_BOUNDS_MS.contains(&least) {
            restart.backoff_max_ms = time(reading, node, most, bounds::BACKOFF_BOUNDS_MS, why);
        }
    }
    if let Some(node) = fields.get("limit")
        && let Some((count, window)) = reading.measure(node, "a rate like `5 per 10m`", unit::parse_rate)
    {
        if !bounds::RESTART_COUNT_BOUNDS.contains(&count) {
            let message = format!("`restart.limit`: {count} restarts is out of range");
            reading.bad(node, message, "it must be 1 to 1000; for no restart write `policy: never`");
        }
        restart.limit_count = count;
        let why = "the window must lie within 1s..24h";
        restart.limit_window_ms = time(reading, node, window, bounds::RESTART_WINDOW_BOUNDS_MS, why);
    }
    restart
}

/// A time within bounds, in milliseconds; 0 with a problem recorded if it is outside.
fn time(reading: &mut Reading<'_>, node: &Node, ms: u64, bounds: RangeInclusive<u64>, why: &str) -> u32 {
    match u32::try_from(ms) {
        Ok(time) if bounds.contains(&ms) => time,
        _ => {
            reading.bad(node, format!("`{}`: {} is out of range", node.label, unit::show_duration(ms)), why);
            0
        }
    }
}

/// Reads `limits`, with the defaults for what is not there.
pub(super) fn limits(reading: &mut Reading<'_>, fields: &Fields<'_>) -> Limits {
    let mut limits = Limits {
        memory_bytes: bounds::MEMORY,
        tasks: bounds::TASKS,
        cpu_permille: bounds::CPU_PERMILLE,
        open_files: bounds::OPEN_FILES,
        tmp_bytes: bounds::TMP,
    };
    let Some(node) = fields.get("limits") else { return limits };
    let fields = reading.fields(node, &["memory", "tasks", "cpu", "open-files", "tmp"]);
    if let Some(node) = fields.get("memory") {
        let why = "the kernel counts pages of 4KiB, and needs some for itself";
        let size = reading.size(node, bounds::MEMORY_BOUNDS, bounds::PAGE, why);
        limits.memory_bytes = size.unwrap_or(limits.memory_bytes);
    }
    if let Some(node) = fields.get("tasks") {
        limits.tasks = reading.number(node, bounds::TASKS_BOUNDS).unwrap_or(limits.tasks);
    }
    if let Some(node) = fields.get("cpu")
        && let Some(share) = reading.measure(node, "a share like `25%`", unit::parse_share)
    {
        if !bounds::CPU_PERMILLE_BOUNDS.contains(&share) {
            let message = format!("`limits.cpu`: {} is out of range", describe::share(share));
            reading.bad(node, message, "it must be 1% to 100% of one CPU");
        }
        limits.cpu_permille = share;
    }
    if let Some(node) = fields.get("open-files") {
        limits.open_files = reading.number(node, bounds::OPEN_FILES_BOUNDS).unwrap_or(limits.open_files);
    }
    if let Some(node) = fields.get("tmp") {
        let why = "it is made of pages of 4KiB, and counts as the app's memory";
        if let Some(tmp) = reading.size(node, bounds::TMP_BOUNDS, bounds::PAGE, why) {
            limits.tmp_bytes = tmp;
            if tmp > limits.memory_bytes {
                let memory = unit::show_size(limits.memory_bytes);
                let message = format!("`limits.tmp`: {} is more than the app's memory", unit::show_size(tmp));
                reading.bad(node, message, format!("/tmp counts as memory, and `limits.memory` is {memory}"));
            }
        }
    }
    limits
}

/// Reads `storage`, with the defaults for what is not there.
pub(super) fn storage(reading: &mut Reading<'_>, fields: &Fields<'_>) -> u64 {
    let Some(node) = fields.get("storage") else { return 0 };
    let fields = reading.fields(node, &["data"]);
    let Some(node) = fields.get("data") else { return 0 };
    let why = "the quota counts blocks of 1KiB";
    reading.size(node, bounds::DATA_BOUNDS, bounds::DATA_BLOCK, why).unwrap_or(0)
}
