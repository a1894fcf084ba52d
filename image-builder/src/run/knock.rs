//! Finding out when a forwarded port answers.
//!
//! QEMU accepts every connection to such a port at once, whether or not the guest answers, and keeps it open
//! while the guest says nothing. So being connected proves nothing: QEMU itself is asked how far the guest has
//! come with the connection.

use std::net::{SocketAddrV4, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nacre_manifest::device::Protocol;

use super::forward::Forward;
use super::qmp::Qmp;
use super::vm::Event;

/// Time from a look at the connections to the next.
const LOOK: Duration = Duration::from_millis(250);

/// Pause after a connection that the guest refused.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a connection that the guest says nothing about is kept: at first, while the guest starts, and
/// later. QEMU holds on to each for 75 s after it was given up here, so there must not be many.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(15));

/// How long "at first" lasts.
const START: Duration = Duration::from_secs(40);

/// How long connecting to QEMU may take: it is on this machine.
const CONNECT: Duration = Duration::from_secs(1);

/// Knocks at the forwarded TCP ports of one VM until each has answered once. Dropping it ends that.
#[derive(Debug)]
pub(crate) struct Knocker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Knocker {
    /// Begins; [`Event::Answers`] tells of each port. `control` is a control socket of QEMU for this alone.
    pub(crate) fn start(forwards: &[Forward], control: PathBuf, events: &Sender<Event>) -> Self {
        // A UDP port answers or not as its app likes.
        let tcp = forwards.iter().filter(|forward| forward.protocol == Protocol::Tcp);
        let doors: Vec<Door> = tcp.map(|&forward| Door::new(forward)).collect();
        let (stop, stopped) = channel();
        let events = events.clone();
        let thread = std::thread::spawn(move || {
            // Without QEMU's word there is no notice; the ports work all the same.
            let Ok(stream) = std::os::unix::net::UnixStream::connect(control) else { return };
            if let Ok(qmp) = Qmp::greet(stream) {
                knock(doors, qmp, &stopped, &events);
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Knocker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

fn knock(mut doors: Vec<Door>, mut qmp: Qmp, stopped: &Receiver<()>, events: &Sender<Event>) {
    let begin = Instant::now();
    while !doors.is_empty() {
        let now = Instant::now();
        for door in &mut doors {
            door.connect_if_due(now);
        }
        // Nobody sends: this ends with the pause or with the run.
        if stopped.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        let Ok(table) = qmp.monitor("info usernet") else { return };
        let patience = if begin.elapsed() < START { PATIENCE.0 } else { PATIENCE.1 };
        let now = Instant::now();
        doors.retain_mut(|door| {
            let answers = door.look(&table, now, patience);
            if answers {
                // Fails only when the run is over.
                let _ = events.send(Event::Answers(door.forward));
            }
            !answers
        });
    }
}

/// One forwarded port that has not answered yet.
struct Door {
    forward: Forward,
    /// A connection that waits for the guest.
    stream: Option<TcpStream>,
    /// When it was made, or when the next one will be.
    when: Instant,
}

impl Door {
    fn new(forward: Forward) -> Self {
        Self { forward, stream: None, when: Instant::now() }
    }

    fn connect_if_due(&mut self, now: Instant) {
        if self.stream.is_none() && self.when <= now {
            self.stream = TcpStream::connect_timeout(&self.forward.address().into(), CONNECT).ok();
            self.when = now;
        }
    }

    /// Whether the guest has answered, by QEMU's table of connections.
    fn look(&mut self, table: &str, now: Instant, patience: Duration) -> bool {
        match state(table, &self.forward) {
            Some(State::Established) => return true,
            Some(State::Waiting) if now < self.when + patience => {}
            Some(State::Waiting) => self.close(now),
            None if self.stream.is_some() => self.close(now + PAUSE),
            None => {}
        }
        false
    }

    fn close(&mut self, next: Instant) {
        self.stream = None;
        self.when = next;
    }
}

/// How far the guest has come with the connections through a forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// It has said nothing yet.
    Waiting,
    /// It has accepted one.
    Established,
}

/// Reads `info usernet`: lines of protocol and state, descriptor, address and port of this machine, address
/// and port of the guest, and what is queued. `0.0.0.0` appears as the address that was connected to.
fn state(table: &str, forward: &Forward) -> Option<State> {
    table.lines().filter_map(|line| connection(line, forward)).max()
}

fn connection(line: &str, forward: &Forward) -> Option<State> {
    let mut words = line.split_whitespace();
    let state = match words.next()? {
        "TCP[ESTABLISHED]" => State::Established,
        "TCP[SYN_SENT]" => State::Waiting,
        _ => return None,
    };
    let _descriptor = words.next()?;
    let host = SocketAddrV4::new(words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let _guest_address = words.next()?;
    let guest: u16 = words.next()?.parse().ok()?;
    (host == forward.address() && guest == forward.guest).then_some(state)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::super::qmp::tests::talk;
    use super::*;

    /// As QEMU 7.2 prints it.
    const TABLE: &str = "\
Hub 0 (hub0): \r
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r
  TCP[SYN_SENT]      13       127.0.0.1  7788       10.0.2.15  8080     0     0\r
  TCP[ESTABLISHED]   20       127.0.0.1  7788       10.0.2.15  8080     0     0\r
  TCP[SYN_SENT]      21       127.0.0.1  7789       10.0.2.15  8081     0     0\r
  TCP[CLOSE_WAIT]    22       127.0.0.1  7790       10.0.2.15  8082     0     0\r
  TCP[ESTABLISHED]   23       10.0.2.15  7791        10.0.2.2  8083     0     0\r
  TCP[HOST_FORWARD]  12       127.0.0.1  7788       10.0.2.15  8080     0     0\r
  UDP[234 sec]       24       10.0.2.15 40000       192.0.2.1    53     0     0\r
  TCP[ESTABLISHED]\r
";

    #[test]
    fn state_of_a_forward_is_that_of_its_connection_that_came_furthest() {
        for (forward, expected) in [
            ("7788:8080", Some(State::Established)),
            ("0.0.0.0:7788:8080", Some(State::Established)),
            ("7788:8081", None),
            ("7789:8081", Some(State::Waiting)),
            ("7790:8082", None),
            ("7791:8083", None),
            ("7792:8080", None),
        ] {
            assert_eq!(state(TABLE, &forward.parse().unwrap()), expected, "{forward}");
        }
    }

    #[test]
    fn door_gives_up_in_time_and_knocks_again_after_a_pause() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut door = Door::new(format!("{port}:80").parse().unwrap());
        let begin = door.when;
        door.connect_if_due(begin);
        assert!(door.stream.is_some());
        let waiting = format!("TCP[SYN_SENT] 1 127.0.0.1 {port} 10.0.2.15 80 0 0");
        assert!(!door.look(&waiting, begin + LOOK, PATIENCE.0));
        assert!(door.stream.is_some());
        assert!(!door.look(&waiting, begin + PATIENCE.0, PATIENCE.0));
        assert!(door.stream.is_none());
        door.connect_if_due(begin + PATIENCE.0);
        assert!(door.stream.is_some());
        // Refused: the connection is gone from the table.
        let refused = begin + PATIENCE.0 + LOOK;
        assert!(!door.look("", refused, PATIENCE.0));
        door.connect_if_due(refused);
        assert!(door.stream.is_none());
        door.connect_if_due(refused + PAUSE);
        assert!(door.stream.is_some());
        assert!(door.look(&waiting.replace("SYN_SENT", "ESTABLISHED"), refused + PAUSE, PATIENCE.0));
    }

    #[test]
    fn knocker_tells_of_the_port_once_and_ends_with_the_run() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (forward, silent): (Forward, Forward) =
            (format!("{port}:80").parse().unwrap(), format!("{port}:81").parse().unwrap());
        let table = format!(r#"{{"return":"TCP[ESTABLISHED] 1 127.0.0.1 {port} 10.0.2.15 80 0 0\r\n"}}"#);
        let script: Vec<String> = [r#"{"QMP":{}}"#.to_owned(), r#"{"return":{}}"#.to_owned(), table].into();
        let qmp = Qmp::greet(talk(script)).unwrap();
        let (events, received) = channel();
        let (_stop, stopped) = channel();
        // The script ends after one table, and with it the knocking.
        knock(vec![Door::new(forward), Door::new(silent)], qmp, &stopped, &events);
        let told: Vec<_> = received.try_iter().collect();
        assert!(matches!(told.as_slice(), [Event::Answers(f)] if *f == forward), "{told:?}");
    }
}
