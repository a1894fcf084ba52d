//! The witness: prepares each attack, orders it, and says whether its goal was reached.

pub(crate) mod scene;
pub(crate) mod scenes;
mod world;

pub(crate) use scenes::CALLED_AS_VICTIM;
pub(crate) use world::{comm, descriptors, effective_uid, harden_mounts, processes, started_by_kernel};

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::attack::name_process;
use crate::catalogue::{self, Attack, WITNESS};
use scene::Judge;
pub(crate) use world::World;

/// Longest time that an attack is given.
const PATIENCE: Duration = Duration::from_secs(8);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(25);

/// How long the effect of an attack may show after its process has ended.
const AFTER: Duration = Duration::from_millis(150);

/// Runs the attacks that `/app/attacks` lists, one name a line, from where an earlier run was broken off.
pub(crate) fn serve() -> ExitCode {
    name_process("witness");
    let _ = fs::write("/proc/self/oom_score_adj", "-900");
    let list = format!("/run/apps/{WITNESS}/root/app/attacks");
    let list = fs::read_to_string(list).unwrap_or_default();
    let mut progress = Progress::load();
    if let Some(name) = progress.interrupted() {
        // It reached more than its goal: nobody was left to look.
        progress.note(&name, "won (the system or its witness went down)");
    }
    // What was said before may have been lost with who should have shown it.
    for (name, verdict) in &progress.states {
        println!("attack {name}: {verdict}");
    }
    let mut world = World::new();
    let mut number = progress.count() as u32;
    for name in list.lines().map(str::trim).filter(|name| !name.is_empty()) {
        if progress.is_done(name) {
            continue;
        }
        let Some(attack) = catalogue::find(name) else {
            println!("attack {name}: unknown");
            continue;
        };
        number += 1;
        if !world.ready(number, name) {
            println!("attack {name}: not tried (the attacker or its victim does not run)");
            continue;
        }
        progress.note(name, BEGUN);
        let verdict = judge(&mut world, attack);
        println!("attack {name}: {verdict}");
        progress.note(name, &verdict);
    }
    println!("attacks done");
    loop {
        sleep(Duration::from_secs(60));
    }
}

/// Has an attack made, and looks.
fn judge(world: &mut World, attack: &Attack) -> String {
    let scene = &attack.scene;
    (scene.plant)(world, scene.detail);
    let begun = Instant::now();
    let mut won = false;
    let mut ended = None;
    if let Err(error) = world.send_order() {
        (scene.restore)(world, scene.detail);
        return format!("not tried (no order could be given: {error})");
    }
    while begun.elapsed() < PATIENCE && !won {
        sleep(LOOK);
        won = (scene.seen)(world, scene.detail);
        match ended {
            None => ended = world.ended().map(|how| (how, Instant::now())),
            Some((_, at)) if at.elapsed() >= scene.after.max(AFTER) => break,
            Some(_) => {}
        }
    }
    let after = begun.elapsed().as_millis();
    let how = match ended {
        Some((0, _)) => "it did what it could".to_owned(),
        Some((code @ 200.., _)) => format!("signal {}", code - 200),
        Some((code, _)) => format!("{:?}", Errno::from_raw(code)),
        None => "no end in time".to_owned(),
    };
    world.clean_up();
    (scene.restore)(world, scene.detail);
    match (scene.judge, won) {
        (Judge::Host, _) => format!("sent {} ({how}, {after} ms)", world.order.token),
        (Judge::Device, true) => format!("won ({after} ms)"),
        (Judge::Device, false) => format!("stopped ({how}, {after} ms)"),
    }
}

/// What is noted of an attack before it is made.
const BEGUN: &str = "begun";

/// What was done, on the disk: an attack may end the system.
struct Progress {
    file: Option<File>,
    states: BTreeMap<String, String>,
}

impl Progress {
    fn load() -> Self {
        let path = format!("/data/apps/{WITNESS}/progress");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        let states = lines.map(|(name, state)| (name.to_owned(), state.to_owned())).collect();
        Self { file: OpenOptions::new().create(true).append(true).open(path).ok(), states }
    }

    fn count(&self) -> usize {
        self.states.len()
    }

    fn interrupted(&self) -> Option<String> {
        self.states.iter().find(|(_, state)| *state == BEGUN).map(|(name, _)| name.clone())
    }

    fn is_done(&self, name: &str) -> bool {
        self.states.contains_key(name)
    }

    fn note(&mut self, name: &str, state: &str) {
        self.states.insert(name.to_owned(), state.to_owned());
        if let Some(file) = &mut self.file {
            let _ = writeln!(file, "{name} {state}");
            let _ = file.sync_all();
        }
    }
}
