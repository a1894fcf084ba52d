//! Numbers that nobody can guess.

/// One of them (`getrandom(2)`).
pub(crate) fn number() -> u32 {
    match getrandom::u32() {
        Ok(number) => number,
        // Whoever can guess ids can answer in a server's place: better no network than that.
        Err(_) => std::process::abort(),
    }
}
