//! What the app manager does next: (state, event, now) to (state, actions); no I/O, no clock.
