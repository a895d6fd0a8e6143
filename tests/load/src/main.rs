//! `sandbeat-load`: plays a fleet of agents against a hub, prints each second what comes of it, and ends by itself.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};
use sandbeat_load_generator::{Fault, Faults, Figures, Fleet, Load};
use serde::Serialize;

/// How long all registrations together may take.
const REGISTRATION: Duration = Duration::from_secs(600);

#[derive(Debug, Parser)]
#[command(about = "Plays a fleet of agents against a hub", max_term_width = 100)]
struct Args {
    /// Where the hub listens
    #[arg(default_value = "127.0.0.1:8080", value_name = "HOST:PORT")]
    hub: String,
    /// How many agents there are
    #[arg(short = 'n', long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    agents: u32,
    /// Seconds between an agent's reports
    #[arg(short, long, default_value_t = 30.0)]
    interval: f64,
    /// How many seconds the load lasts
    #[arg(short, long, default_value_t = 30.0)]
    seconds: f64,
    /// The most connections at once
    #[arg(short, long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// `open`: the hub takes agents that were not registered; `closed`: they are registered first
    #[arg(long, default_value = "closed")]
    enroll: Enroll,
    /// The hub's admin key, for registering
    #[arg(long, env = "SANDBEAT_ADMIN_KEY", hide_env_values = true)]
    key: Option<String>,
    /// What registrations name as image, which some servers demand
    #[arg(long)]
    image: Option<String>,
    /// What ids begin with
    #[arg(long, default_value = "load")]
    prefix: String,
    /// As fast as the hub answers, without a schedule
    #[arg(long)]
    closed: bool,
    /// How many collectors each agent has, with ten metrics each
    #[arg(long, default_value_t = 0)]
    plugins: usize,
    /// How many processes each agent supervises
    #[arg(long, default_value_t = 1)]
    processes: usize,
    /// How far a report may be from its place, as a part of the interval
    #[arg(long, default_value_t = 0.1)]
    jitter: f64,
    /// Large reports are not compressed
    #[arg(long)]
    uncompressed: bool,
    /// The address that agents connect from
    #[arg(long)]
    from: Option<IpAddr>,
    /// So many percent of the agents fall silent, after half of the time
    #[arg(long, default_value_t = 0.0, value_name = "PERCENT")]
    silent: f64,
    /// So many further connections send half a head and stay
    #[arg(long, default_value_t = 0, value_name = "N")]
    half_open: usize,
    /// So many further connections send ten bytes a second
    #[arg(long, default_value_t = 0, value_name = "N")]
    slow: usize,
    /// So many further connections send reports that are refused, as fast as they can
    #[arg(long, default_value_t = 0, value_name = "N")]
    flood: usize,
    /// The address that those further connections come from
    #[arg(long)]
    faults_from: Option<IpAddr>,
    /// Each second and the end as a line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Enroll {
    Open,
    Closed,
}

/// What a line of figures is about.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Of {
    Registration,
    Second,
    Total,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let address = address(&args.hub)?;
    let load = load(&args, address)?;
    let fleet = Arc::new(match args.enroll {
        Enroll::Open => Fleet::open(&args.prefix, args.agents),
        Enroll::Closed => {
            let (fleet, figures) = load.register(&args.prefix, args.agents, REGISTRATION)?;
            print(args.json, Of::Registration, &figures);
            if fleet.known() < args.agents {
                bail!("{} of {} agents have a token; ids may be taken: see --prefix", fleet.known(), args.agents);
            }
            fleet
        }
    });
    let kinds = [(Fault::HalfOpen, args.half_open), (Fault::Slow, args.slow), (Fault::Flood, args.flood)];
    let faults = kinds
        .into_iter()
        .filter(|(_, clients)| *clients > 0)
        .map(|(fault, clients)| Ok((fault, Faults::start(fault, address, args.faults_from, clients)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let json = args.json;
    let running = load.start_with(&fleet, Some(Box::new(move |second| print(json, Of::Second, second))))?;
    if args.silent > 0.0 {
        let half = Instant::now() + Duration::from_secs_f64(args.seconds / 2.0);
        while let Some(left) = half.checked_duration_since(Instant::now()).filter(|_| running.is_running()) {
            std::thread::park_timeout(left);
        }
        running.silence(args.silent / 100.0);
    }
    let total = running.wait()?;
    print(args.json, Of::Total, &total);
    for (fault, clients) in faults {
        let (open, closed, answered) = (clients.open(), clients.closed(), clients.answered());
        if args.json {
            println!(
                "{}",
                serde_json::json!({"fault": format!("{fault:?}"), "open": open, "closed": closed, "answered": answered})
            );
        } else {
            println!("{fault:?}: {open} open, {closed} closed by the hub, {answered} answered");
        }
    }
    Ok(())
}

fn load(args: &Args, address: SocketAddr) -> anyhow::Result<Load> {
    let duration = |what, seconds: f64| {
        Duration::try_from_secs_f64(seconds)
            .ok()
            .filter(|it| !it.is_zero())
            .with_context(|| format!("{what}: {seconds}"))
    };
    let mut load = Load::to(address)
        .connections(args.connections.into())
        .interval(duration("--interval", args.interval)?)
        .length(duration("--seconds", args.seconds)?)
        .jitter(args.jitter.clamp(0.0, 0.5))
        .plugins(args.plugins)
        .processes(args.processes);
    if let Some(key) = &args.key {
        load = load.key(key);
    }
    if let Some(image) = &args.image {
        load = load.image(image);
    }
    if let Some(from) = args.from {
        load = load.from(from);
    }
    if args.closed {
        load = load.closed();
    }
    if args.uncompressed {
        load = load.uncompressed();
    }
    Ok(load)
}

fn address(hub: &str) -> anyhow::Result<SocketAddr> {
    let hub = hub.trim_start_matches("http://").trim_end_matches('/');
    let mut found = hub.to_socket_addrs().with_context(|| format!("{hub} is not HOST:PORT"))?;
    found.next().with_context(|| format!("{hub} has no address"))
}

fn print(json: bool, of: Of, figures: &Figures) {
    #[derive(Serialize)]
    struct Line<'a> {
        of: Of,
        #[serde(flatten)]
        figures: &'a Figures,
    }
    if json {
        // Of these types nothing fails to be written.
        println!("{}", serde_json::to_string(&Line { of, figures }).unwrap_or_default());
    } else {
        let of = match of {
            Of::Registration => "registered: ",
            Of::Second => "",
            Of::Total => "in all: ",
        };
        println!("{of}{figures}");
    }
}
