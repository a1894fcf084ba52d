//! Policy to plan to prepared to sealed, and the launcher that executes the app.

fn main() {}
