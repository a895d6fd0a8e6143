//! The bundled collectors on the live machine: what each contributes is held against what another program or file
//! says, and where a grant is missing it fails by that name.

mod agent_usage;
mod cgroup;
mod disk;
mod http_probe;
mod pages;
mod ports;
mod ran;
mod settings;
mod textfile;
mod top;
mod written;
