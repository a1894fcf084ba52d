//! PID 1: mounts, hands over to the app manager, reaps, shuts down and reboots.
