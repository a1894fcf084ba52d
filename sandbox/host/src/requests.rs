//! What the app asks over `/run/nacre`, answered as far as this machine can.

use nacre_app_session::app_socket::{Listener, Received, Sent};
use nacre_appmgr_core::denials::Refusal;
use nacre_appmgr_core::grants;
use nacre_appmgr_core::log_line::printable;
use nacre_appmgr_core::peers::ConnectionId;
use nacre_manifest::device::{DeviceKind, SystemGrant};
use nacre_sys::event_loop::Interest;
use nacre_wire::app::{Ask, Event, Message, Outcome, Request};
use nacre_wire::denial::{Layer, Remedy};
use nacre_wire::log::{self, Detail};
use nacre_wire::status::{AppState, AppStatus, Device};
use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::session::{APP, Session, Source};

/// Requests answered of a connection before anything else gets its turn.
const AT_ONCE: usize = 8;

impl Session {
    pub(crate) fn accept(&mut self) {
        // Whoever connects is the app: the socket has a place in its tree alone.
        while let Some(Ok(Some((socket, _)))) = self.listening.as_ref().map(Listener::accept) {
            let Some(id) = self.connections.add(socket, APP) else {
                self.words.notice("it has as many connections to the OS as it may; no more");
                continue;
            };
            let added = self
                .connections
                .get(id)
                .map(|(_, socket)| self.events.add(socket, Source::Connection(id.0), Interest::Read));
            if !matches!(added, Some(Ok(()))) {
                self.connections.close(id);
            }
        }
    }

    pub(crate) fn serve_connection(&mut self, number: u64) {
        let id = ConnectionId(number);
        if self.connections.is_waiting(id) {
            let sent = self.connections.flush(id);
            self.after_sending(id, sent);
        }
        for _ in 0..AT_ONCE {
            // What it has not read yet comes first.
            if self.connections.is_waiting(id) {
                return;
            }
            match self.connections.receive(id) {
                Received::Nothing => return,
                Received::Closed => return self.connections.close(id),
                Received::Bad(what) => {
                    self.words
                        .notice(&format!("it sent the OS what is no request ({what}); connection closed"));
                    return self.connections.close(id);
                }
                Received::Request(Request { id: request, ask }) => {
                    let outcome = self.answer(id, ask);
                    let sent = self.connections.send(id, &Message::Reply { id: request, outcome }, None);
                    self.after_sending(id, sent);
                }
            }
        }
    }

    fn after_sending(&mut self, id: ConnectionId, sent: Sent) {
        let interest = match sent {
            Sent::All => Interest::Read,
            Sent::Waiting => Interest::Write,
            Sent::Broken => return self.connections.close(id),
        };
        if let Some((_, socket)) = self.connections.get(id) {
            let _ = self.events.change(socket, Source::Connection(id.0), interest);
        }
    }

    fn answer(&mut self, connection: ConnectionId, ask: Ask) -> Outcome {
        let app = self.manifest.app.clone();
        let now = self.now();
        let answered = match ask {
            Ask::Stats => grants::check(&app, &self.manifest.system, SystemGrant::Stats)
                .map(|()| Outcome::Stats(self.stats.read(now))),
            Ask::Device => grants::check(&app, &self.manifest.system, SystemGrant::Stats)
                .map(|()| Outcome::Device(this_machine())),
            Ask::AppsStatus => grants::check(&app, &self.manifest.system, SystemGrant::AppsStatus)
                .map(|()| Outcome::Apps(vec![self.status()])),
            Ask::Heartbeat => grants::heartbeat(&app, self.manifest.health).map(|()| {
                let silence =
                    self.manifest.health.map(|health| Duration::from_millis(health.heartbeat_ms.into()));
                self.silent_at = silence.map(|silence| Instant::now() + silence);
                Outcome::Done
            }),
            Ask::Events => grants::events(&app, &self.manifest.events).map(|()| {
                self.connections.set_listening(connection);
                Outcome::Done
            }),
            Ask::Call { to, .. } if self.manifest.peers.iter().any(|peer| peer.as_str() == to) => {
                Ok(Outcome::Unavailable(format!("{to} does not run: no other app runs on this machine")))
            }
            Ask::Call { to, .. } => {
                let shown: String = to.chars().take(64).collect();
                let remedy = Remedy::manifest(app.as_str(), "apps", &shown);
                Err(Refusal { tried: format!("call {shown}"), remedy })
            }
            Ask::Log { text, detail } => Ok(self.log(&text, &detail)),
            Ask::Answer { .. } => Ok(Outcome::Invalid("no such call".to_owned())),
            Ask::Line { name, .. } => self.device(DeviceKind::Gpio, &name),
            Ask::Uart { name, .. } => self.device(DeviceKind::Uart, &name),
        };
        answered.unwrap_or_else(|refusal| {
            let outcome = Outcome::Denied(refusal.to_string());
            self.deny(Layer::AppManager, refusal);
            outcome
        })
    }

    /// A line of its log stands among its output, after what it has written there before.
    fn log(&mut self, text: &str, detail: &Detail) -> Outcome {
        if let Err(error) = log::check(text, detail) {
            return Outcome::Invalid(error.to_string());
        }
        for number in 0..self.outputs.len() {
            if self.pass_output(number).is_err() {
                return Outcome::Unavailable("nobody reads its output".to_owned());
            }
        }
        let line = printable(log::shown(text, Some(detail)).as_bytes());
        match writeln!(std::io::stdout().lock(), "{line}") {
            Ok(()) => Outcome::Done,
            Err(_) => Outcome::Unavailable("nobody reads its output".to_owned()),
        }
    }

    fn device(&self, kind: DeviceKind, name: &str) -> Result<Outcome, Refusal> {
        let shown: String = name.chars().take(64).collect();
        let noun = kind.noun();
        if self.manifest.devices.of(kind).iter().any(|given| given == name) {
            return Ok(Outcome::Unavailable(format!("this machine has no {noun} {shown}")));
        }
        let field = match kind {
            DeviceKind::Gpio => "devices.gpio",
            DeviceKind::Uart => "devices.uart",
        };
        // Whether a board has one of that name is not known here; the build finds out.
        let remedy = Remedy::manifest(self.manifest.app.as_str(), field, &shown);
        Err(Refusal { tried: format!("take the {noun} {shown}"), remedy })
    }

    fn status(&self) -> AppStatus {
        AppStatus {
            app: self.manifest.app.to_string(),
            version: self.manifest.version.clone(),
            state: AppState::Running,
            restarts: 0,
            memory_kib: 0,
            since_ms: self.now().as_millis(),
            last_end: None,
        }
    }

    /// Tells the app that it is about to be stopped; false if it doesn't listen.
    pub(crate) fn announce_stop(&mut self) -> bool {
        let listening = self.connections.listening_of(APP);
        for id in &listening {
            let sent = self.connections.send(*id, &Message::Event(Event::Shutdown), None);
            self.after_sending(*id, sent);
        }
        !listening.is_empty()
    }
}

fn this_machine() -> Device {
    Device {
        image: "none".to_owned(),
        version: "0".to_owned(),
        board: "host".to_owned(),
        development: true,
        address: None,
    }
}
