//! Alerts and how they reach people, against a real database, a real SMTP server and a real HTTP server.

mod decided;
mod hooked;
mod mailed;
mod many;
mod world;
