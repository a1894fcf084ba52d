//! Asks recorder for its samples and logs a chart and the states of the apps, every few seconds.
#![forbid(unsafe_code)]

mod chart;

use std::error::Error;
use std::time::{Duration, Instant};

use nacre_app::{AppState, AppStatus, AskError, Event, Level, System, Wake};
use recorder::protocol::{Answer, Ask, RECORDER};

/// Columns of the chart: with time, name and legend a line fits 80.
const COLUMNS: u16 = 40;

fn main() -> Result<(), Box<dyn Error>> {
    let pause = pause(std::env::args().skip(1))?;
    let mut system = System::connect()?;
    system.events()?;
    system.beat_every(HEARTBEAT)?;
    let mut next = Instant::now() + pause;
    loop {
        match system.wait(&[], next.saturating_duration_since(Instant::now()))? {
            Wake::Event(Event::Shutdown) => return Ok(()),
            Wake::Timeout => next = Instant::now() + pause,
            _ => continue,
        }
        match samples(&mut system) {
            Ok(answer) => report_samples(&answer),
            Err(error) => system.log(Level::Warning, "no samples", &[("why", &error)])?,
        }
        match system.apps() {
            Ok(apps) => println!("apps: {}", apps.iter().map(app).collect::<Vec<_>>().join(", ")),
            Err(error) => system.log(Level::Warning, "no states", &[("why", &error)])?,
        }
    }
}

/// Between two heartbeats: a third of what the manifest allows.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// The pause between two reports, from `--every SECONDS`.
fn pause(mut arguments: impl Iterator<Item = String>) -> Result<Duration, String> {
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(Duration::from_secs(5)),
        (Some("--every"), Some(seconds)) => {
            let seconds = seconds.parse().map_err(|_| format!("`{seconds}` is not a number of seconds"))?;
            Ok(Duration::from_secs(seconds))
        }
        (Some(other), _) => Err(format!("`{other}` is not known: the one option is `--every SECONDS`")),
    }
}

fn samples(system: &mut System) -> Result<Answer, AskError> {
    let ask = minicbor::to_vec(Ask { newest: COLUMNS, every_s: None }).map_err(|_| AskError::TooLong)?;
    minicbor::decode(&system.call(RECORDER, &ask)?).map_err(|_| AskError::Unexpected)
}

fn report_samples(answer: &Answer) {
    let Some(newest) = answer.samples.last() else {
        println!("no samples yet");
        return;
    };
    let cpu = answer.samples.iter().map(|sample| u32::from(sample.cpu_permille));
    println!("cpu {:3}%  |{}|", newest.cpu_permille / 10, chart::bars(cpu, 1000, COLUMNS));
    let total = answer.memory_total_kib.max(1);
    let used = |pages: u16| u32::from(pages) * 4;
    let memory = answer.samples.iter().map(|sample| used(sample.memory_pages));
    let percent = used(newest.memory_pages) * 100 / total;
    println!("mem {percent:3}%  |{}|", chart::bars(memory, total, COLUMNS));
    println!("{} samples of {} boots, up {} s", answer.kept, answer.boots, newest.uptime_s);
}

fn app(status: &AppStatus) -> String {
    let name = status.app.rsplit('.').next().unwrap_or(&status.app);
    let state = match status.state {
        AppState::Running => "running",
        AppState::Backoff => "waiting",
        AppState::Stopping => "stopping",
        AppState::Stopped => "stopped",
        AppState::Done => "done",
        AppState::Failed => "failed",
        AppState::Refused => "refused",
        AppState::Waiting => "offline",
    };
    let restarts = match status.restarts {
        0 => String::new(),
        1 => ", 1 restart".to_owned(),
        n => format!(", {n} restarts"),
    };
    format!("{name} {state} ({} KiB{restarts})", status.memory_kib)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &[&str]) -> Result<Duration, String> {
        pause(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn pause_from_arguments_is_checked() {
        assert_eq!(arguments(&[]), Ok(Duration::from_secs(5)));
        assert_eq!(arguments(&["--every", "2"]), Ok(Duration::from_secs(2)));
        assert!(arguments(&["--every", "soon"]).unwrap_err().contains("`soon`"));
        assert!(arguments(&["--evry", "2"]).unwrap_err().contains("--every SECONDS"));
    }
}
