//! Figures of the device, from `/proc` (`proc_stat(5)`, `proc_meminfo(5)`).

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use nacre_appmgr_core::Uptime;
use nacre_wire::status::Stats;

/// Figures younger than this are given again: an app that asks without pause costs little.
const FRESH: Duration = Duration::from_millis(100);

/// Milliseconds in a clock tick of `/proc/stat`: `USER_HZ` is 100 on every architecture here.
const TICK_MS: u64 = 10;

/// Reads the figures, not more often than is useful.
#[derive(Debug, Default)]
pub struct StatsReader {
    last: Option<Stats>,
}

impl StatsReader {
    /// The figures of now.
    pub fn read(&mut self, now: Uptime) -> Stats {
        if let Some(last) = self.last
            && now.since(Uptime::from_millis(last.uptime_ms)) < FRESH
        {
            return last;
        }
        // 2 KiB hold the first line of `stat` and the first three of `meminfo`.
        let (cpu_busy_ms, cpu_total_ms) = cpu_ms(&head("/proc/stat")).unwrap_or_default();
        let memory = head("/proc/meminfo");
        let stats = Stats {
            uptime_ms: now.as_millis(),
            cpu_busy_ms,
            cpu_total_ms,
            memory_total_kib: memory_kib(&memory, "MemTotal:").unwrap_or_default(),
            memory_available_kib: memory_kib(&memory, "MemAvailable:").unwrap_or_default(),
        };
        self.last = Some(stats);
        stats
    }
}

fn head(path: &str) -> String {
    let mut bytes = Vec::new();
    // Without /proc the figures are zero.
    let _ = File::open(path).and_then(|file| file.take(2048).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Busy and total milliseconds of all CPUs: user, nice, system, idle, iowait, irq, softirq, steal.
fn cpu_ms(stat: &str) -> Option<(u64, u64)> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> =
        fields.split_ascii_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
    let total = ticks.iter().fold(0u64, |sum, ticks| sum.saturating_add(*ticks));
    let idle = ticks.get(3)?.saturating_add(*ticks.get(4)?);
    Some((total.saturating_sub(idle).saturating_mul(TICK_MS), total.saturating_mul(TICK_MS)))
}

fn memory_kib(meminfo: &str, name: &str) -> Option<u32> {
    meminfo.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_line_gives_busy_and_total_time() {
        let stat = "cpu  10 1 20 300 40 2 3 4 0 0\ncpu0 1 1 1 1\n";
        assert_eq!(cpu_ms(stat), Some((400, 3_800)));
        for bad in ["", "cpu 1 2 3", "cpu  a b c d e f g h", "intr 5"] {
            assert_eq!(cpu_ms(bad), None, "{bad}");
        }
    }

    #[test]
    fn memory_lines_are_found_by_name() {
        let meminfo =
            "MemTotal:          21112 kB\nMemFree:            4000 kB\nMemAvailable:       9876 kB\n";
        assert_eq!(memory_kib(meminfo, "MemTotal:"), Some(21_112));
        assert_eq!(memory_kib(meminfo, "MemAvailable:"), Some(9_876));
        assert_eq!(memory_kib(meminfo, "Swap:"), None);
    }

    #[test]
    fn reader_asked_twice_at_once_gives_the_same_figures() {
        let mut reader = StatsReader::default();
        let first = reader.read(Uptime::from_millis(1_000));
        assert!(first.memory_total_kib > 0 && first.cpu_total_ms >= first.cpu_busy_ms);
        assert_eq!(reader.read(Uptime::from_millis(1_050)), first);
        assert_eq!(reader.read(Uptime::from_millis(1_200)).uptime_ms, 1_200);
    }
}
