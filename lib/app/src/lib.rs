//! What an app links to talk to the OS.
