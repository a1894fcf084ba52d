//! What a person asks through the device channel.

use std::io;

use nacre_appmgr_core::fleet::{Wish, WishError};
use nacre_wire::channel::{Answer, Command, Info, Request, VERSION};
use nix::sys::signal::Signal;

use crate::clock;
use crate::daemon::Daemon;
use crate::device_channel::Content;
use crate::image;

/// Requests served before the apps get their turn.
const AT_ONCE: usize = 16;

impl Daemon {
    /// Serves the requests that are there.
    pub(crate) fn serve_channel(&mut self) {
        for _ in 0..AT_ONCE {
            let Some(request) = self.channel.as_mut().and_then(|channel| channel.next_request()) else {
                return;
            };
            self.command(request);
        }
    }

    fn command(&mut self, request: Request) {
        let Request { version, session, id, command } = request;
        if version != VERSION {
            return self.answer(session, id, Answer::WrongVersion(VERSION));
        }
        match command {
            Command::Info => {
                let info = self.info();
                self.answer(session, id, Answer::Info(info));
            }
            Command::Apps => {
                let statuses = self.statuses(clock::now());
                self.answer_list(session, id, statuses, Answer::App);
            }
            Command::Logs { after, follow, app } => {
                self.stream(session, id, Content::Lines, after, follow, app.as_deref());
            }
            Command::Events { after, follow, app } => {
                self.stream(session, id, Content::Events, after, follow, app.as_deref());
            }
            Command::Start(app) => self.wish(session, id, &app, Wish::Start),
            Command::Stop(app) => self.wish(session, id, &app, Wish::Stop),
            Command::Restart(app) => self.wish(session, id, &app, Wish::Restart),
            Command::Kill(app) if self.image.info.development => self.wish(session, id, &app, Wish::Kill),
            Command::Kill(_) => {
                let reason = "only a development image kills apps by hand; `stop` and `restart` work";
                self.answer(session, id, Answer::Refused(reason.into()));
            }
            Command::Reboot => self.end(session, id, "reboot", Signal::SIGTERM),
            Command::PowerOff => self.end(session, id, "power-off", Signal::SIGUSR1),
            Command::Cancel(other) => {
                if let Some(channel) = &mut self.channel {
                    channel.cancel(session, other);
                }
                self.answer(session, id, Answer::Done);
            }
            Command::Packages => self.answer_list(session, id, self.listed(), Answer::Package),
            Command::Install { manifest_bytes, image_bytes } => {
                let answer = self.begin_install(session, (manifest_bytes, image_bytes));
                self.answer(session, id, answer);
            }
            Command::Piece { offset, bytes } => {
                let answer = self.take_piece(session, offset, &bytes);
                self.answer(session, id, answer);
            }
            Command::Commit => {
                let answer = self.commit_install(session, id);
                answer.into_iter().for_each(|answer| self.answer(session, id, answer));
            }
            Command::Remove { app, data } => {
                let answer = self.begin_remove(session, id, &app, data);
                answer.into_iter().for_each(|answer| self.answer(session, id, answer));
            }
            Command::Present(signed) => {
                let answer = self.present(&signed);
                self.answer(session, id, answer);
            }
            Command::Close => {
                if let Some(channel) = &mut self.channel {
                    channel.close(session);
                }
                self.forget_session(|of| of == session);
            }
            Command::Alone => {
                if let Some(channel) = &mut self.channel {
                    channel.leave_alone(session);
                }
                self.forget_session(|of| of != session);
                self.answer(session, id, Answer::Done);
            }
        }
    }

    pub(crate) fn answer(&mut self, session: u32, id: u32, answer: Answer) {
        if let Some(channel) = &mut self.channel {
            channel.answer(session, id, false, answer);
        }
    }

    fn info(&mut self) -> Info {
        let now = clock::now();
        let mut said = Vec::new();
        let mut known = |what: &str, error: io::Error| said.push(format!("{what}: {error}"));
        let device = self.identity.id().map_err(|error| known("make the device's key", error)).ok();
        let nonce = self.identity.nonce().map_err(|error| known("make a nonce", error)).ok();
        said.iter().for_each(|text| self.log.own(text));
        let image = &self.image;
        Info {
            image: image.info.image.clone(),
            version: image.info.version.clone(),
            board: image.info.board.clone(),
            kernel: image::kernel_release(),
            slot: image::slot(),
            development: image.info.development,
            development_keys: image.info.development_keys,
            stats: self.stats.read(now),
            device: device.map(|id| id.0),
            nonce: nonce.map(|nonce| nonce.0),
            capability: self.identity.lasting(now),
        }
    }

    fn answer_list<T>(&mut self, session: u32, id: u32, list: Vec<T>, answer: fn(T) -> Answer) {
        let Some(channel) = &mut self.channel else { return };
        let mut left = list.len();
        if left == 0 {
            channel.answer(session, id, false, Answer::Done);
        }
        for one in list {
            left -= 1;
            channel.answer(session, id, left > 0, answer(one));
        }
    }

    fn stream(
        &mut self,
        session: u32,
        id: u32,
        content: Content,
        after: u64,
        follow: bool,
        app: Option<&str>,
    ) {
        let source = match app {
            None => None,
            // Not an app, and yet a source of lines.
            Some(name @ ("appmgr" | "netd")) => Some(name.to_owned()),
            Some(name) => match self.fleet.find(name) {
                Ok(index) => self.fleet.get(index).map(|(id, _)| id.to_string()),
                Err(error) => return self.answer(session, id, refusal(error)),
            },
        };
        let newest = match content {
            Content::Lines => self.log.ring().last_number(),
            Content::Events => self.denials.last_number(),
        };
        let until = (!follow).then_some(newest);
        let Some(channel) = &mut self.channel else { return };
        if !channel.stream((session, id), content, after, until, source) {
            channel.answer(
                session,
                id,
                false,
                Answer::Refused("too many requests for log and events are open".into()),
            );
        }
    }

    fn wish(&mut self, session: u32, id: u32, app: &str, wish: Wish) {
        let answer = match self.fleet.wish(app, wish, clock::now()) {
            Ok(orders) => {
                let what = match wish {
                    Wish::Start => "start",
                    Wish::Stop => "stop",
                    Wish::Restart => "restart",
                    Wish::Kill => "kill",
                };
                self.log.own(&format!("{what} {app}: asked through the device channel"));
                self.perform(orders);
                Answer::Done
            }
            Err(error) => refusal(error),
        };
        self.answer(session, id, answer);
    }

    fn end(&mut self, session: u32, id: u32, what: &str, signal: Signal) {
        self.log.own(&format!("{what}: asked through the device channel"));
        self.answer(session, id, Answer::Done);
        if let Some(channel) = &mut self.channel {
            channel.flush();
        }
        self.ask_init(signal);
    }
}

/// What is answered to a wish that is not taken.
pub(crate) fn refusal(error: WishError) -> Answer {
    match error {
        WishError::NotFound(text) => Answer::NotFound(text),
        WishError::Refused(text) => Answer::Refused(text),
    }
}
