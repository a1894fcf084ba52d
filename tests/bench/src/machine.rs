//! What it was measured on, and how busy that was.

use std::fmt;
use std::fs;

use crate::Result;

/// The machine and its load, before and after.
#[derive(Debug)]
pub(crate) struct Machine {
    processor: String,
    kernel: String,
    before: Load,
    after: Load,
}

/// How busy a machine is.
#[derive(Debug, Clone)]
struct Load {
    /// Of the last minute.
    average: String,
    /// Time that the processors spent in all, and what of it a hypervisor kept for others, in ticks.
    all: f64,
    stolen: f64,
}

impl Machine {
    /// Before the first measurement.
    pub(crate) fn look() -> Result<Self> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
        let name = model.map_or("processor of unknown name", |(_, name)| name.trim());
        let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        let load = Load::now()?;
        Ok(Self {
            processor: format!("{cores} × {name}"),
            // Behind a dash is who built it.
            kernel: release.trim().split('-').next().unwrap_or_default().to_owned(),
            before: load.clone(),
            after: load,
        })
    }

    /// After the last one.
    pub(crate) fn look_again(&mut self) -> Result<()> {
        self.after = Load::now()?;
        Ok(())
    }
}

impl Load {
    /// proc(5): loadavg and stat.
    fn now() -> Result<Self> {
        let loadavg = fs::read_to_string("/proc/loadavg")?;
        let stat = fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().unwrap_or_default();
        let ticks: Vec<f64> = line.split_whitespace().skip(1).flat_map(str::parse).collect();
        Ok(Self {
            average: loadavg.split_whitespace().next().unwrap_or_default().to_owned(),
            // Guest time, from the ninth on, is in user time already.
            all: ticks.iter().take(8).sum(),
            stolen: ticks.get(7).copied().unwrap_or_default(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.after.all - self.before.all;
        let stolen = if all > 0.0 { (self.after.stolen - self.before.stolen) / all * 100.0 } else { 0.0 };
        write!(
            f,
            "Measured on {}, Linux {}; load {} before and {} after; {stolen:.1} % of the time went to other \
             machines on the same host. Times are medians; the spread is the noise of this machine.",
            self.processor, self.kernel, self.before.average, self.after.average
        )
    }
}
