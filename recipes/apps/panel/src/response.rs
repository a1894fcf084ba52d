//! Answers as they go out.

use std::rc::Rc;

use crate::page;
use crate::request::{After, Body, Document, Refusal};

/// An answer: its head, and a body that may be shared with other answers.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Rc<[u8]>,
    pub(crate) after: After,
}

/// For every answer. The page holds its own style and script, each known by its hash, and talks to nobody
/// else; nothing of it may be embedded elsewhere or kept.
const SECURITY: &str = "Cache-Control: no-store\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Referrer-Policy: no-referrer\r\n\
    Cross-Origin-Resource-Policy: same-origin\r\n\
    Cross-Origin-Opener-Policy: same-origin\r\n";

impl Response {
    /// 200 with a document.
    pub(crate) fn document(document: Document, content: Rc<[u8]>, body: Body, after: After) -> Self {
        let kind = match document {
            Document::Page(_) => "text/html; charset=utf-8",
            Document::Json(_) => "application/json",
            Document::Icon => "image/svg+xml",
        };
        Self::new("200 OK", kind, "", content, body, after)
    }

    /// A status and a line that says why.
    pub(crate) fn refusal(refusal: Refusal, body: Body, after: After) -> Self {
        let (status, more, text) = match refusal {
            Refusal::BadRequest => ("400 Bad Request", "", "This is not an HTTP/1.1 request.\n"),
            Refusal::NotFound => ("404 Not Found", "", "There are / and /state.json here, and no more.\n"),
            Refusal::MethodNotAllowed => (
                "405 Method Not Allowed",
                "Allow: GET, HEAD\r\n",
                "The panel is for looking, not for changing.\n",
            ),
            Refusal::Timeout => ("408 Request Timeout", "", "The request did not come in 5 seconds.\n"),
            Refusal::Misdirected => (
                "421 Misdirected Request",
                "",
                "The panel answers to addresses and local names; `--host NAME` adds another.\n",
            ),
            Refusal::HeadTooLong => (
                "431 Request Header Fields Too Large",
                "",
                "A request has 4,096 bytes and 32 header lines at most.\n",
            ),
        };
        Self::new(status, "text/plain; charset=utf-8", more, Rc::from(text.as_bytes()), body, after)
    }

    fn new(status: &str, kind: &str, more: &str, content: Rc<[u8]>, body: Body, after: After) -> Self {
        let connection = match after {
            After::Keep => "keep-alive",
            After::Close => "close",
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: {connection}\r\n\
             {more}{SECURITY}Content-Security-Policy: default-src 'none'; style-src '{}'; script-src '{}'; \
             connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\
             \r\n\r\n",
            content.len(),
            page::STYLE_HASH,
            page::SCRIPT_HASH,
        );
        let body = match body {
            Body::Wanted => content,
            Body::Omitted => Rc::from([]),
        };
        Self { head: head.into_bytes(), body, after }
    }
}
