//! A device that is made up: panel itself on this machine, and an OS that is a thread of this test.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nacre_app::{AppState, AppStatus, Device, Stats, System};
use nacre_wire::app::{Ask, MAX_PACKET, Message, Outcome, Request};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use panel::{Names, Panel, Server, Source};
use recorder::protocol;
use recorder::ring::Sample;

/// Memory of the device, in KiB.
const MEMORY: u32 = 21_800;

/// What the made-up OS says of its apps and of recorder.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) apps: Vec<AppStatus>,
    /// Whether recorder runs.
    pub(crate) recorder: bool,
}

/// A panel that serves a story.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) address: SocketAddr,
    story: Arc<Mutex<Story>>,
    end: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Made {
    /// On a port of its own, or on one that was its before.
    pub(crate) fn start(story: Story, port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free");
        let address = listener.local_addr().expect("it is bound");
        let (story, end) = (Arc::new(Mutex::new(story)), Arc::new(AtomicBool::new(false)));
        let (told, ending) = (Arc::clone(&story), Arc::clone(&end));
        let server = thread::spawn(move || {
            let source = Source::new(move || Ok(system(Arc::clone(&told))));
            let mut server = Server::new(listener, Panel::new(source), Names::default()).expect("a server");
            while !ending.load(Ordering::Relaxed) {
                server.turn(Some(Duration::from_millis(20))).expect("a turn");
            }
        });
        Self { address, story, end, server: Some(server) }
    }

    /// Goes on with another story.
    pub(crate) fn tell(&self, story: Story) {
        *self.story.lock().expect("nobody panicked") = story;
    }

    /// Address of the page.
    pub(crate) fn page(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

/// An app that runs.
pub(crate) fn running(app: &str, memory_kib: u32) -> AppStatus {
    AppStatus {
        app: app.to_owned(),
        version: "0.1.0".to_owned(),
        state: AppState::Running,
        restarts: 0,
        memory_kib,
        since_ms: 93_781_000,
        last_end: None,
    }
}

/// The demo image, an hour after it is well.
pub(crate) fn well() -> Story {
    let apps = vec![
        running("org.nacre.panel", 912),
        running("org.nacre.recorder", 1204),
        running("org.nacre.reporter", 640),
    ];
    Story { apps, recorder: true }
}

/// An app in each state, with names and last words as long as they get.
pub(crate) fn troubled() -> Story {
    let mut apps = well().apps;
    let app = |app: &str, state, restarts, since_ms, last_end: &str| AppStatus {
        state,
        restarts,
        since_ms,
        memory_kib: 0,
        last_end: Some(last_end.to_owned()),
        ..running(app, 0)
    };
    apps.extend([
        app("com.example.thermostat-for-the-whole-house", AppState::Backoff, 3, 4_000, "killed by SIGSEGV"),
        app("com.example.uplink", AppState::Waiting, 0, 61_000, "exit code 75"),
        app(
            "com.example.camera",
            AppState::Failed,
            12,
            7_260_000,
            "out of memory: its cgroup's 4 MiB were not enough",
        ),
        app(
            "com.example.oldcomer",
            AppState::Refused,
            0,
            93_782_000,
            "package refused: rollback index 1 is below 3",
        ),
        app("com.example.setup", AppState::Done, 0, 93_700_000, "exit code 0"),
        app("com.example.paused", AppState::Stopped, 1, 600_000, "stopped on request"),
    ]);
    Story { apps, recorder: true }
}

fn system(story: Arc<Mutex<Story>>) -> System {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .expect("a socket pair");
    let start = Instant::now();
    thread::spawn(move || {
        let mut packet = [0; MAX_PACKET];
        while let Ok(length @ 1..) = recv(theirs.as_raw_fd(), &mut packet, MsgFlags::empty()) {
            let Request { id, ask } = minicbor::decode(&packet[..length]).expect("panel asks properly");
            let story = story.lock().expect("nobody panicked").clone();
            let ms = 93_784_000 + u64::try_from(start.elapsed().as_millis()).expect("not so long");
            let reply = Message::Reply { id, outcome: outcome(ask, story, ms) };
            let reply = minicbor::to_vec(reply).expect("it can be encoded");
            if send(theirs.as_raw_fd(), &reply, MsgFlags::MSG_NOSIGNAL).is_err() {
                return;
            }
        }
    });
    System::over(ours)
}

fn outcome(ask: Ask, story: Story, uptime_ms: u64) -> Outcome {
    match ask {
        Ask::Stats => Outcome::Stats(Stats {
            uptime_ms,
            cpu_busy_ms: uptime_ms / 14,
            cpu_total_ms: uptime_ms,
            memory_total_kib: MEMORY,
            memory_available_kib: MEMORY - 14_490,
        }),
        Ask::Device => Outcome::Device(Device {
            image: "demo".to_owned(),
            version: "0.1.0".to_owned(),
            board: "qemu-armv7".to_owned(),
            development: true,
            address: Some([10, 0, 2, 15]),
        }),
        Ask::AppsStatus => Outcome::Apps(story.apps),
        Ask::Call { payload, .. } if story.recorder => {
            let ask: protocol::Ask = minicbor::decode(&payload).expect("panel asks recorder properly");
            let every = ask.every_s.unwrap_or(1);
            let now = u32::try_from(uptime_ms / 1000).expect("not so long");
            let samples = (0..u32::from(ask.newest)).rev().map(|ago| sample(now, every, ago)).collect();
            let answer = protocol::Answer { kept: 86_400, boots: 3, memory_total_kib: MEMORY, samples };
            Outcome::Answer(minicbor::to_vec(answer).expect("it can be encoded"))
        }
        _ => Outcome::Unavailable("org.nacre.recorder is not running".to_owned()),
    }
}

/// A day with quiet and busy hours; the 24 h before `now` begin with another boot.
fn sample(now: u32, every: u32, ago: u32) -> Sample {
    let second = now - (every * ago).min(now);
    // Noise that is the same each time.
    let noise = (second / every).wrapping_mul(2_654_435_761) >> 16;
    let busy = if (second / every / 30) % 4 == 1 { 220 } else { 0 };
    let cpu = 25 + noise % 60 + busy + if noise.is_multiple_of(37) { 150 } else { 0 };
    let pages = 3_480 + (second / every / 20) % 5 * 24 + noise % 9;
    let rebooted = every == 360 && ago > 150;
    Sample {
        cpu_permille: u16::try_from(cpu).expect("below 1000"),
        memory_pages: u16::try_from(if rebooted { pages - 700 } else { pages }).expect("below 65536"),
        uptime_s: if rebooted { 400_000 - every * ago } else { second },
    }
}
