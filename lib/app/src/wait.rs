//! The one place where an app waits.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nacre_wire::app::Event;
use nix::poll::{PollFd, PollFlags};

use crate::system::{AskError, Call, System, after, poll_until};

/// Why [`System::wait`] has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// The time is over.
    Timeout,
    /// Something happened that `events` lists, after [`System::events`].
    Event(Event),
    /// A peer calls: [`System::answer`] is for it, within 5 s.
    Call(Call),
    /// The descriptor at this place has something to read, or its other side is gone.
    Ready(usize),
}

/// The rhythm of heartbeats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beats {
    every: Duration,
    next: Instant,
}

impl System {
    /// Waits until an event or a call comes, or one of `others` has something to read, whichever is first; no longer
    /// than `time`. This is the app's loop: heartbeats are sent from here ([`System::beat_every`]), and the OS is never
    /// kept waiting while the app does.
    ///
    /// ```no_run
    /// use std::net::TcpListener;
    /// use std::os::fd::AsFd;
    /// use std::time::Duration;
    /// use nacre_app::{Event, System, Wake};
    ///
    /// let listener = TcpListener::bind("0.0.0.0:8080")?;
    /// let mut system = System::connect()?;
    /// system.events()?; // nacre.yaml: events: [shutdown]
    /// system.beat_every(Duration::from_secs(10))?; // nacre.yaml: health: { heartbeat: 30s }
    /// loop {
    ///     match system.wait(&[listener.as_fd()], Duration::MAX)? {
    ///         Wake::Ready(_) => drop(listener.accept()?),
    ///         Wake::Call(call) => system.answer(&call, b"hello")?,
    ///         // What must be written is written now: SIGTERM comes within a second.
    ///         Wake::Event(Event::Shutdown) => break,
    ///         Wake::Event(Event::Update) | Wake::Timeout => {}
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(&mut self, others: &[BorrowedFd<'_>], time: Duration) -> Result<Wake, AskError> {
        let until = after(time);
        loop {
            self.beat_if_due()?;
            if let Some(event) = self.events.pop_front() {
                return Ok(Wake::Event(event));
            }
            if let Some(call) = self.calls.pop_front() {
                return Ok(Wake::Call(call));
            }
            let next = self.beats.map_or(until, |beats| until.min(beats.next));
            let mut descriptors = vec![PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            descriptors.extend(others.iter().map(|other| PollFd::new(other.as_fd(), PollFlags::POLLIN)));
            if !poll_until(&mut descriptors, next)? {
                if Instant::now() >= until {
                    return Ok(Wake::Timeout);
                }
                continue;
            }
            let mut ready = descriptors.iter().map(|each| each.any().unwrap_or(true));
            let (system, other) = (ready.next() == Some(true), ready.position(|ready| ready));
            if system {
                let (message, _) = self.receive_now()?;
                self.keep(message);
            } else if let Some(other) = other {
                return Ok(Wake::Ready(other));
            }
        }
    }

    /// Says so often, from within [`System::wait`], that the app is well; the first time at once. A good rhythm is a
    /// third of what the manifest says. An app that is stuck elsewhere is silent, which is what heartbeats are for.
    /// Manifest: `health: { heartbeat: 30s }`.
    pub fn beat_every(&mut self, time: Duration) -> Result<(), AskError> {
        self.heartbeat()?;
        self.beats = Some(Beats { every: time, next: after(time) });
        Ok(())
    }

    /// Whether the app has been told of its end: [`Event::Shutdown`] has come, after [`System::events`]. Waits for
    /// nothing; for an app that looks now and then instead of living in [`System::wait`].
    ///
    /// ```no_run
    /// let mut system = nacre_app::System::connect()?;
    /// system.events()?; // nacre.yaml: events: [shutdown]
    /// while !system.stop_requested()? {
    ///     // … some work that takes less than a second …
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stop_requested(&mut self) -> Result<bool, AskError> {
        while !self.stopping {
            let mut descriptors = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            if !poll_until(&mut descriptors, Instant::now())? {
                break;
            }
            let (message, _) = self.receive_now()?;
            self.keep(message);
        }
        Ok(self.stopping)
    }

    fn beat_if_due(&mut self) -> Result<(), AskError> {
        match self.beats {
            Some(beats) if beats.next <= Instant::now() => self.beat_every(beats.every),
            _ => Ok(()),
        }
    }
}

impl AsFd for System {
    /// To wait for it beside others with something else than [`System::wait`]: readable when something has come, which
    /// [`System::wait`] then gives at once.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Write, pipe};
    use std::os::fd::OwnedFd;
    use std::thread;

    use nacre_sys::fd_passing;
    use nacre_wire::app::{Ask, MAX_PACKET, Message, Outcome, Request};
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    use super::*;

    fn pair() -> (System, OwnedFd) {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::empty()).unwrap();
        (System::over(ours), theirs)
    }

    fn tell(theirs: &OwnedFd, message: &Message) {
        fd_passing::send(theirs, &minicbor::to_vec(message).unwrap(), &[]).unwrap();
    }

    #[test]
    fn wait_gives_what_comes_and_the_os_comes_first() {
        let (mut system, theirs) = pair();
        let (reader, mut writer) = pipe().unwrap();
        let (idle, _kept) = pipe().unwrap();
        let others = [idle.as_fd(), reader.as_fd()];
        assert_eq!(system.wait(&others, Duration::from_millis(5)).unwrap(), Wake::Timeout);
        writer.write_all(b"x").unwrap();
        tell(&theirs, &Message::Event(Event::Update));
        assert_eq!(system.wait(&others, Duration::MAX).unwrap(), Wake::Event(Event::Update));
        assert!(!system.stop_requested().unwrap(), "an update is no end");
        assert_eq!(system.wait(&others, Duration::MAX).unwrap(), Wake::Ready(1));
        drop(theirs);
        assert!(matches!(system.wait(&others, Duration::ZERO), Err(AskError::Connection(_))));
    }

    #[test]
    fn stop_requested_takes_what_has_come_and_keeps_the_rest_for_later() {
        let (mut system, theirs) = pair();
        assert!(!system.stop_requested().unwrap());
        tell(&theirs, &Message::Called { call: 1, from: "org.example.a".into(), payload: vec![] });
        tell(&theirs, &Message::Event(Event::Shutdown));
        assert!(system.stop_requested().unwrap() && system.stop_requested().unwrap());
        assert_eq!(system.wait(&[], Duration::ZERO).unwrap(), Wake::Event(Event::Shutdown));
        assert!(
            matches!(system.wait(&[], Duration::ZERO).unwrap(), Wake::Call(call) if call.from == "org.example.a")
        );
    }

    #[test]
    fn heartbeats_are_sent_from_within_a_long_wait() {
        let (mut system, theirs) = pair();
        let server = thread::spawn(move || {
            let mut beats = 0;
            let mut packet = [0; MAX_PACKET];
            loop {
                let mut descriptors = [PollFd::new(theirs.as_fd(), PollFlags::POLLIN)];
                poll_until(&mut descriptors, after(Duration::MAX)).unwrap();
                let length = fd_passing::receive(&theirs, &mut packet).unwrap().length;
                if length == 0 {
                    return beats;
                }
                let request: Request = minicbor::decode(&packet[..length]).unwrap();
                assert_eq!(request.ask, Ask::Heartbeat);
                beats += 1;
                tell(&theirs, &Message::Reply { id: request.id, outcome: Outcome::Done });
            }
        });
        system.beat_every(Duration::from_millis(20)).unwrap();
        assert_eq!(system.wait(&[], Duration::from_millis(200)).unwrap(), Wake::Timeout);
        drop(system);
        let beats = server.join().unwrap();
        assert!((3..=11).contains(&beats), "{beats}");
    }
}
