//! What a collector's author does with `sandbeat plugin`: makes a project, has it checked, and watches it at work.

mod check;
mod new;
mod watch;
