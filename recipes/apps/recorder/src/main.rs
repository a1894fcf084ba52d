//! Takes CPU, memory and uptime of the device every second and keeps the last day in a ring file.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fs::File;
use std::time::{Duration, Instant};

use nacre_app::{Call, Event, Level, Stats, System, Wake};
use recorder::protocol::{Answer, Ask, MOST_SAMPLES};
use recorder::ring::{DAY, Ring, Sample};

const FILE: &str = "/data/samples";

/// Samples that a power cut may cost: flash wears with every write, so not each one is forced out.
const SAMPLES_PER_SYNC: u32 = 5;

/// A third of what the manifest allows.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Between two samples.
const SECOND: Duration = Duration::from_secs(1);

fn main() -> Result<(), Box<dyn Error>> {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(FILE)?;
    let mut ring = Ring::open(file, DAY)?;
    println!("{} samples kept from {} boots before this one", ring.kept(), ring.boots());
    let mut system = System::connect()?;
    system.events()?;
    system.beat_every(HEARTBEAT)?;
    let mut before = system.stats()?;
    let mut next = Instant::now() + SECOND;
    let mut unsynced = 0;
    loop {
        match system.wait(&[], next.saturating_duration_since(Instant::now()))? {
            Wake::Event(Event::Shutdown) => {
                ring.sync()?;
                println!("{} samples kept, all on the disk", ring.kept());
                return Ok(());
            }
            Wake::Call(call) => answer(&mut system, &ring, &call, &before)?,
            _ => {}
        }
        // However many peers ask.
        if Instant::now() < next {
            continue;
        }
        let now = system.stats()?;
        ring.push(sample(&before, &now))?;
        before = now;
        unsynced += 1;
        if unsynced >= SAMPLES_PER_SYNC {
            ring.sync()?;
            unsynced = 0;
        }
        // Late by more than a second: begin anew instead of catching up in a burst.
        next = (next + SECOND).max(Instant::now());
    }
}

/// What happened between two readings.
fn sample(before: &Stats, now: &Stats) -> Sample {
    let total = now.cpu_total_ms.saturating_sub(before.cpu_total_ms).max(1);
    let busy = now.cpu_busy_ms.saturating_sub(before.cpu_busy_ms).min(total);
    let used_kib = now.memory_total_kib.saturating_sub(now.memory_available_kib);
    Sample {
        cpu_permille: u16::try_from(busy * 1000 / total).unwrap_or(1000),
        memory_pages: u16::try_from(used_kib / 4).unwrap_or(u16::MAX),
        uptime_s: u32::try_from(now.uptime_ms / 1000).unwrap_or(u32::MAX),
    }
}

/// Answers a peer. A question that makes no sense gets an empty answer: this app goes on.
fn answer(system: &mut System, ring: &Ring, call: &Call, stats: &Stats) -> Result<(), Box<dyn Error>> {
    let ask = minicbor::decode(&call.payload).unwrap_or(Ask { newest: 0, every_s: None });
    let count = usize::from(ask.newest.min(MOST_SAMPLES));
    let answer = Answer {
        kept: ring.kept(),
        boots: ring.boots(),
        memory_total_kib: stats.memory_total_kib,
        samples: match ask.every_s {
            None => ring.newest(count)?,
            Some(every_s) => ring.newest_means(count, every_s)?,
        },
    };
    if let Err(error) = system.answer(call, &minicbor::to_vec(answer)?) {
        system.log(Level::Warning, "a peer has no answer", &[("peer", &call.from), ("why", &error)])?;
    }
    Ok(())
}
