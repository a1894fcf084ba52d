//! The state of the device and its apps as a page, as JSON and as nothing else, over HTTP/1.1.
//!
//! One thread and one `poll(2)` serve everything. What a connection may cost is bounded: 4 KiB of request,
//! 5 s for each step, eight connections. The OS is asked at most once a second, however many look on.
#![forbid(unsafe_code)]

mod chart;
mod connection;
mod inbox;
mod json;
mod page;
mod panel;
mod range;
mod reading;
mod request;
mod response;
mod server;
mod words;

pub use panel::Panel;
pub use reading::{Link, Source};
pub use request::Names;
pub use server::Server;
