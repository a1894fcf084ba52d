//! One run: what is known of it, and what happens in it.

use std::fs::File;
use std::io::PipeReader;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nacre_app_session::StatsReader;
use nacre_app_session::app_socket::{Connections, Listener};
use nacre_appmgr_core::access::Access;
use nacre_appmgr_core::denials::{Denials, Refusal};
use nacre_appmgr_core::{AppIndex, Uptime};
use nacre_manifest::device::Manifest;
use nacre_sys::event_loop::{self, EventLoop, Interest};
use nacre_sys::spawn::Spawned;
use nacre_wire::denial::{Layer, Remedy};
use nacre_wire::host_run::HostRun;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::start::Started;
use crate::words::{Exit, Failure, Words};

/// The one app that there is.
pub(crate) const APP: AppIndex = AppIndex(0);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The process has ended.
    Process,
    /// The launcher's copy says something.
    Report,
    /// A call waits that the filter denied or watches.
    Call,
    /// Standard output or standard error.
    Output(usize),
    /// A signal to this process.
    Signal,
    /// Somebody connects to `/run/nacre`.
    Socket,
    /// Somebody who is connected says something, or reads again.
    Connection(u64),
}

impl event_loop::Source for Source {
    fn pack(self) -> u64 {
        match self {
            Self::Process => 0,
            Self::Report => 1,
            Self::Call => 2,
            Self::Signal => 3,
            Self::Socket => 4,
            Self::Output(number) => 5 + u64::try_from(number & 1).unwrap_or(0),
            Self::Connection(number) => number.saturating_add(16),
        }
    }

    fn unpack(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::Process,
            1 => Self::Report,
            2 => Self::Call,
            3 => Self::Signal,
            4 => Self::Socket,
            5 => Self::Output(0),
            6 => Self::Output(1),
            number => Self::Connection(number.checked_sub(16)?),
        })
    }
}

/// How far the end has come that somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopping {
    /// Nobody did.
    No,
    /// It was told, and has until then before it gets the signal.
    Told(Instant),
    /// It has the signal, and until then before it is killed.
    Signalled(Instant),
    /// It was killed.
    Killed,
}

/// A run.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) manifest: Manifest,
    pub(crate) words: Words,
    pub(crate) events: EventLoop<Source>,
    pub(crate) process: Spawned,
    pub(crate) outputs: [Option<PipeReader>; 2],
    pub(crate) report: Option<OwnedFd>,
    pub(crate) reported: String,
    pub(crate) listener: Option<OwnedFd>,
    pub(crate) signals: SignalFd,
    pub(crate) socket: Option<OwnedFd>,
    pub(crate) listening: Option<Listener>,
    pub(crate) connections: Connections,
    pub(crate) access: Access,
    pub(crate) stats: StatsReader,
    pub(crate) stopping: Stopping,
    /// The number that stands for how it was ended, if it was ended from here.
    pub(crate) ended_as: Option<Signal>,
    pub(crate) silent_at: Option<Instant>,
    denials: Denials,
    record: Option<File>,
    started_at: Instant,
}

impl Session {
    /// Takes a run over that was started.
    pub(crate) fn new(
        run: &HostRun,
        manifest: Manifest,
        started: Started,
        words: &Words,
    ) -> Result<Self, Failure> {
        let failed = |error| Failure::new(Exit::Internal, "wait for the app").because(error);
        let events = EventLoop::new().map_err(failed)?;
        // Whoever waits for this process ends the app through it: nothing is left behind.
        let mut mask = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
            mask.add(signal);
        }
        mask.thread_block().map_err(failed)?;
        let signals =
            SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).map_err(failed)?;
        let Started { process, stdout, stderr, report, socket } = started;
        events.add(&process.pidfd, Source::Process, Interest::Read).map_err(failed)?;
        events.add(&report, Source::Report, Interest::Read).map_err(failed)?;
        events.add(stdout.as_fd(), Source::Output(0), Interest::Read).map_err(failed)?;
        events.add(stderr.as_fd(), Source::Output(1), Interest::Read).map_err(failed)?;
        events.add(&signals, Source::Signal, Interest::Read).map_err(failed)?;
        let record = match &run.denials {
            None => None,
            Some(path) => Some(File::options().append(true).create(true).open(path).map_err(|error| {
                Failure::new(Exit::Internal, format!("record the denials in `{path}`")).because(error)
            })?),
        };
        let now = Instant::now();
        Ok(Self {
            access: Access::of(&manifest),
            silent_at: manifest.health.map(|health| now + Duration::from_millis(health.heartbeat_ms.into())),
            manifest,
            words: *words,
            events,
            process,
            outputs: [Some(stdout), Some(stderr)],
            report: Some(report),
            reported: String::new(),
            listener: None,
            signals,
            socket: Some(socket),
            listening: None,
            connections: Connections::default(),
            stats: StatsReader::default(),
            stopping: Stopping::No,
            ended_as: None,
            denials: Denials::default(),
            record,
            started_at: now,
        })
    }

    /// The time since the run began.
    pub(crate) fn now(&self) -> Uptime {
        Uptime::from_millis(u64::try_from(self.started_at.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Tells of a refusal, in the words of a device.
    pub(crate) fn deny(&mut self, layer: Layer, mut refusal: Refusal) {
        if let Remedy::Manifest { app, .. } = &mut refusal.remedy
            && app.is_empty()
        {
            self.manifest.app.as_str().clone_into(app);
        }
        let now = self.now();
        let Some(denial) = self.denials.note(APP, &self.manifest.app, layer, refusal, now) else { return };
        if let Some(record) = &mut self.record {
            use std::io::Write as _;
            let bytes = nacre_wire::message::encode(denial).unwrap_or_default();
            // What is not recorded is at least told.
            let _ = record.write_all(&bytes);
        }
        self.words.denial(&denial.to_string());
    }
}

#[cfg(test)]
mod tests {
    use nacre_sys::event_loop::Source as _;

    use super::*;

    #[test]
    fn source_packed_is_the_same_unpacked() {
        let single = [Source::Process, Source::Report, Source::Call, Source::Signal, Source::Socket];
        let more = [Source::Output(0), Source::Output(1), Source::Connection(1), Source::Connection(7)];
        for source in single.into_iter().chain(more) {
            assert_eq!(Source::unpack(source.pack()), Some(source));
        }
        assert_eq!(Source::unpack(9), None);
    }
}
