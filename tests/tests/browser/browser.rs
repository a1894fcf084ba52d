//! A headless browser, driven over its DevTools protocol: one JSON message after the other, each ended by a
//! zero byte, on two pipes.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nacre_tests::nacre::root;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long the browser may take for anything. The machine is shared and noisy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names it may have.
const PROGRAMS: [&str; 3] = ["chromium-headless-shell", "chromium", "google-chrome"];

/// It shows nothing but our own page, so it needs no sandbox, which root can't have anyway; and it talks to
/// nobody but this machine.
const OPTIONS: [&str; 12] = [
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--force-color-profile=srgb",
];

/// A browser with one tab; ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Browser {
    child: Child,
    orders: ChildStdin,
    messages: Receiver<Value>,
    next: u64,
    session: Option<String>,
    /// Events not looked at yet.
    events: VecDeque<Value>,
    _profile: TempDir,
}

/// What a person looks with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    pub(crate) name: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) dark: bool,
}

impl Browser {
    /// Starts one with an empty profile.
    pub(crate) fn start(screen: Screen) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = PROGRAMS
            .into_iter()
            .find(|name| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
            .expect("a browser; `cargo xtask test` installs chromium-headless-shell");
        let profile = tempfile::tempdir().expect("a temporary folder");
        // It wants its orders on descriptor 3 and answers on 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null", "sh", program])
            .args(OPTIONS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        let orders = child.stdin.take().expect("stdin is a pipe");
        let answers = child.stdout.take().expect("stdout is a pipe");
        let (sender, messages) = channel();
        thread::spawn(move || {
            for message in BufReader::new(answers).split(0).map_while(Result::ok) {
                let _ = sender.send(serde_json::from_slice(&message).expect("the browser speaks JSON"));
            }
        });
        let mut browser = Self {
            child,
            orders,
            messages,
            next: 1,
            session: None,
            events: VecDeque::new(),
            _profile: profile,
        };
        browser.open_tab(screen);
        browser
    }

    fn open_tab(&mut self, screen: Screen) {
        let target = self.ask("Target.createTarget", json!({ "url": "about:blank" }));
        let session =
            self.ask("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        self.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.ask(&format!("{domain}.enable"), json!({}));
        }
        let mobile = screen.width < 600;
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            json!({
                "width": screen.width,
                "height": screen.height,
                "deviceScaleFactor": if mobile { 2 } else { 1 },
                "mobile": mobile,
            }),
        );
        let scheme = if screen.dark { "dark" } else { "light" };
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.ask("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
    }

    /// Runs no scripts any more, except ours.
    pub(crate) fn disable_scripts(&mut self) {
        self.ask("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    }

    /// Opens a page and waits until all of it is there.
    pub(crate) fn open(&mut self, address: &str) {
        let navigated = self.ask("Page.navigate", json!({ "url": address }));
        assert!(navigated["errorText"].is_null(), "{address}: {navigated}");
        self.wait_for_event("Page.loadEventFired");
    }

    /// What an expression is, in the page.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let answer = self.ask(
            "Runtime.evaluate",
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true }),
        );
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true in the page.
    pub(crate) fn wait_until(&mut self, expression: &str) {
        let until = Instant::now() + PATIENCE;
        while self.evaluate(expression) != Value::Bool(true) {
            assert!(Instant::now() < until, "never true: {expression}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits for an event, and returns what it says. Others stay for [`Browser::events`].
    pub(crate) fn wait_for_event(&mut self, name: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.events.iter().position(|event| event["method"] == name) {
                return self.events.remove(at).expect("it is there")["params"].clone();
            }
            let message = self.receive(until);
            self.events.push_back(message);
        }
    }

    /// All that happened so far and was not waited for.
    pub(crate) fn events(&mut self) -> Vec<Value> {
        self.events.extend(self.messages.try_iter());
        self.events.drain(..).collect()
    }

    /// Puts the whole page into a picture for people to look at: `target/browser/NAME.png`.
    pub(crate) fn picture(&mut self, name: &str) {
        let picture =
            self.ask("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true }));
        let folder = root().join("target/browser");
        fs::create_dir_all(&folder).expect("target is writable");
        let bytes = base64(picture["data"].as_str().expect("a picture"));
        write(&folder.join(format!("{name}.png")), &bytes);
    }

    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        let id = self.next;
        self.next += 1;
        let mut order = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            order["sessionId"] = json!(session);
        }
        let mut bytes = order.to_string().into_bytes();
        bytes.push(0);
        self.orders.write_all(&bytes).expect("the browser listens");
        let until = Instant::now() + PATIENCE;
        loop {
            let message = self.receive(until);
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push_back(message);
        }
    }

    fn receive(&self, until: Instant) -> Value {
        let wait = until.saturating_duration_since(Instant::now());
        self.messages.recv_timeout(wait).expect("the browser says something in time")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The order to close ends its helpers as well; a kill would leave them.
        let _ = self.orders.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("target is writable");
}

/// RFC 4648, as the browser packs pictures.
fn base64(text: &str) -> Vec<u8> {
    let digit = |letter: u8| match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u8> = text.bytes().filter_map(digit).collect();
    let bytes = digits.chunks(4).flat_map(|chunk| {
        let word =
            chunk.iter().chain([&0; 4]).take(4).fold(0_u32, |word, digit| word << 6 | u32::from(*digit));
        let [_, bytes @ ..] = word.to_be_bytes();
        bytes.into_iter().take(chunk.len() - 1)
    });
    bytes.collect()
}
