//! What a request asks for, and the reasons to refuse it.

use std::net::{Ipv4Addr, Ipv6Addr};

use httparse::{EMPTY_HEADER, Error, Request as Parsed, Status as Progress};

use crate::range::Range;

/// Most header lines of a request; browsers send about 15.
const MOST_HEADERS: usize = 32;

/// What can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Document {
    /// The page.
    Page(Range),
    /// The same for programs.
    Json(Range),
    /// The icon of the page.
    Icon,
}

/// Whether the body is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// GET.
    Wanted,
    /// HEAD.
    Omitted,
}

/// What becomes of the connection after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The client may ask again.
    Keep,
    /// It ends.
    Close,
}

/// Why there is nothing but a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not HTTP, or a `Host` too few or too many.
    BadRequest,
    /// No such document.
    NotFound,
    /// Neither GET nor HEAD.
    MethodNotAllowed,
    /// The client took too long.
    Timeout,
    /// Called by a name that is not the device's: see [`Names`].
    Misdirected,
    /// More than the panel reads.
    HeadTooLong,
}

/// A request, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    /// What it asks for, or why it gets none.
    pub(crate) wants: Result<Document, Refusal>,
    /// With or without a body.
    pub(crate) body: Body,
    /// What the client wants of the connection.
    pub(crate) after: After,
}

/// By which names the panel may be called.
///
/// A page of another site can give its own name the address of the device (DNS rebinding), and would then
/// read what the panel answers. Addresses, and names that no stranger can own, are safe; others have to be
/// named at start.
#[derive(Debug, Default)]
pub struct Names(Vec<String>);

/// Endings of names that exist in no public DNS (RFC 6761, 6762, 8375; `.internal` by ICANN; `.lan` by use).
const LOCAL: [&str; 5] = ["localhost", "local", "lan", "internal", "home.arpa"];

impl Names {
    /// One more.
    pub fn add(&mut self, name: &str) {
        self.0.push(name.to_ascii_lowercase());
    }

    /// Whether `Host: host` is one of the device's names.
    fn include(&self, host: &str) -> bool {
        if let Some((address, port)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            return address.parse::<Ipv6Addr>().is_ok()
                && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
        }
        let name = match host.split_once(':') {
            Some((name, port)) if is_port(port) => name,
            Some(_) => return false,
            None => host,
        };
        if name.parse::<Ipv4Addr>().is_ok() {
            return true;
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let local = |ending: &str| name.strip_suffix(ending).is_some_and(|rest| rest.ends_with('.'));
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        self.0.contains(&name)
            || LOCAL.into_iter().any(local)
            || (!name.is_empty()
                && name.chars().all(letters)
                && name.chars().any(|c| c.is_ascii_alphabetic()))
    }
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.parse::<u16>().is_ok()
}

/// Reads one request from the start of `bytes`: the request and its length; `None` while it is not all there.
///
/// # Errors
/// What is wrong with it, when nothing more can be understood on this connection.
pub(crate) fn parse(bytes: &[u8], names: &Names) -> Result<Option<(Request, usize)>, Refusal> {
    let mut headers = [EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = Parsed::new(&mut headers);
    let length = match parsed.parse(bytes) {
        Ok(Progress::Complete(length)) => length,
        Ok(Progress::Partial) => return Ok(None),
        Err(Error::TooManyHeaders) => return Err(Refusal::HeadTooLong),
        Err(_) => return Err(Refusal::BadRequest),
    };
    Ok(Some((understand(&parsed, names)?, length)))
}

fn understand(parsed: &Parsed<'_, '_>, names: &Names) -> Result<Request, Refusal> {
    let values = |name: &'static str| {
        let named = parsed.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value.trim_ascii())
    };
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else { return Err(Refusal::BadRequest) };
    // RFC 9112, 3.2: exactly one Host in HTTP/1.1, and another one is an attack. A target with a host goes
    // before it.
    let mut hosts = values("host");
    let host = match (hosts.next(), hosts.next(), parsed.version) {
        (Some(host), None, _) => Some(str::from_utf8(host).map_err(|_| Refusal::BadRequest)?),
        (None, _, Some(0)) => None,
        _ => return Err(Refusal::BadRequest),
    };
    let (host, target) = match target.strip_prefix("http://") {
        Some(rest) => {
            let (host, _) = rest.split_once('/').unwrap_or((rest, ""));
            let target = rest.get(host.len()..).unwrap_or("");
            (Some(host), if target.is_empty() { "/" } else { target })
        }
        None => (host, target),
    };
    // A body is not read, so what follows it can't be told apart from it.
    let has_body =
        values("transfer-encoding").next().is_some() || values("content-length").any(|length| length != b"0");
    let closes = values("connection")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|word| word.trim_ascii().eq_ignore_ascii_case(b"close"));
    let body = if method == "HEAD" { Body::Omitted } else { Body::Wanted };
    let wants = if host.is_some_and(|host| !names.include(host)) {
        Err(Refusal::Misdirected)
    } else if !matches!(method, "GET" | "HEAD") {
        Err(Refusal::MethodNotAllowed)
    } else {
        document(target).ok_or(Refusal::NotFound)
    };
    let keep = parsed.version == Some(1) && !has_body && !closes;
    Ok(Request { wants, body, after: if keep { After::Keep } else { After::Close } })
}

fn document(target: &str) -> Option<Document> {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let range = match query {
        None | Some("") => Range::Minutes,
        Some(query) => Range::from_key(query.strip_prefix("range=")?)?,
    };
    match path {
        "/" => Some(Document::Page(range)),
        "/state.json" => Some(Document::Json(range)),
        "/icon.svg" => Some(Document::Icon),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names() -> Names {
        let mut names = Names::default();
        names.add("Panel.Example.com");
        names
    }

    fn request(text: &str) -> Result<Request, Refusal> {
        parse(text.as_bytes(), &names()).map(|parsed| parsed.expect("it is all there").0)
    }

    fn get(target: &str) -> Result<Document, Refusal> {
        request(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")).unwrap().wants
    }

    #[test]
    fn document_known_ones_are_found_and_nothing_else() {
        for (target, document) in [
            ("/", Document::Page(Range::Minutes)),
            ("/?", Document::Page(Range::Minutes)),
            ("/?range=24h", Document::Page(Range::Day)),
            ("/state.json", Document::Json(Range::Minutes)),
            ("/state.json?range=1h", Document::Json(Range::Hour)),
            ("/icon.svg", Document::Icon),
            ("http://127.0.0.1:8080/state.json", Document::Json(Range::Minutes)),
            ("http://127.0.0.1", Document::Page(Range::Minutes)),
        ] {
            assert_eq!(get(target), Ok(document), "{target}");
        }
        for target in [
            "//",
            "/index.html",
            "/../etc/passwd",
            "/%2e%2e/",
            "/state.json/",
            "/STATE.JSON",
            "/?range=2h",
            "/?range=1h&range=4m",
            "*",
            "/.",
            "/\u{e9}",
        ] {
            assert_eq!(get(target), Err(Refusal::NotFound), "{target}");
        }
        assert_eq!(get("http://evil.example/"), Err(Refusal::Misdirected));
    }

    #[test]
    fn request_that_is_not_understood_is_refused() {
        for text in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: \u{80}\r\nHost : a\r\n\r\n",
            "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
            "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03",
            "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            assert_eq!(parse(text.as_bytes(), &names()), Err(Refusal::BadRequest), "{text:?}");
        }
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(33));
        assert_eq!(parse(many.as_bytes(), &names()), Err(Refusal::HeadTooLong));
    }

    #[test]
    fn method_other_than_get_and_head_is_not_allowed() {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get"] {
            let text = format!("{method} / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello");
            let request = request(&text).unwrap();
            assert_eq!((request.wants, request.after), (Err(Refusal::MethodNotAllowed), After::Close));
        }
    }

    #[test]
    fn connection_is_kept_only_where_the_next_request_is_certain() {
        for (text, after) in [
            ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", After::Keep),
            ("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", After::Keep),
            ("GET / HTTP/1.0\r\n\r\n", After::Close),
            ("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: x, CLOSE\r\n\r\n", After::Close),
            ("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n", After::Close),
            ("GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", After::Close),
        ] {
            assert_eq!(request(text).unwrap().after, after, "{text:?}");
        }
    }

    #[test]
    fn host_of_strangers_is_refused() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "10.0.2.15",
            "[::1]",
            "[fe80::1]:8080",
            "localhost:80",
            "LocalHost",
            "nacre",
            "nacre-7.local",
            "nacre.home.arpa.",
            "panel.example.COM:443",
            "nacre:",
        ] {
            assert!(names().include(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "evil.example:80",
            "evillocal.example",
            "1.2.3",
            "[::1",
            "[::1]x",
            "[evil]",
            "a:b:c",
            "localhost:99999",
            "panel.example.com.evil.example",
            "2130706433",
        ] {
            assert!(!names().include(host), "{host}");
        }
    }

    proptest! {
        #[test]
        fn parse_any_bytes_never_panics_and_stays_in_them(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
            if let Ok(Some((_, length))) = parse(&bytes, &names()) {
                prop_assert!(length <= bytes.len());
            }
        }

        #[test]
        fn parse_almost_requests_never_panics(
            method in "[A-Z]{0,6}", target in "(/|http://)?[ -~]{0,40}", version in "HTTP/1\\.[0-9]",
            headers in prop::collection::vec(("(Host|Connection|Content-Length|[a-z]{1,5})", "[ -~]{0,30}"), 0..40),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut text = format!("{method} {target} {version}\r\n");
            for (name, value) in headers {
                text += &format!("{name}: {value}\r\n");
            }
            text += "\r\n";
            let whole = parse(text.as_bytes(), &names());
            // Part of a request is never another request.
            let part = parse(&text.as_bytes()[..cut.index(text.len())], &names());
            prop_assert!(part == Ok(None) || part == whole || part.is_err());
        }
    }
}
