//! Uses more than it may: time, memory, stack, log lines, handles, state.

use std::hint::{black_box, spin_loop};
use std::time::Duration;

use sandbeat_sdk::prelude::*;
use wasip2::clocks::monotonic_clock;

/// `None`: not a behaviour of this kind.
pub(crate) fn misbehave(behaviour: &str, good: &Contribution) -> Option<Result<Contribution, Error>> {
    let good = good.clone();
    Some(match behaviour {
        "panic" => std::process::abort(),
        "exit" => std::process::exit(0),
        "loop" => forever(),
        "loop around a host call" => loop {
            black_box(state::get("nothing"));
        },
        "loop around naps" => loop {
            std::thread::sleep(Duration::from_millis(1));
        },
        "loop around standard error" => loop {
            eprintln!("{}", "x".repeat(1024));
        },
        "sleep" => {
            std::thread::sleep(Duration::from_secs(3600));
            Ok(good)
        }
        "allocate" => hoard(),
        "a gigabyte" => {
            black_box(vec![1_u8; 1 << 30]);
            Ok(good)
        }
        "recurse" => {
            black_box(nest(black_box(1)));
            Ok(good)
        }
        "flood the log" => {
            (0..10_000).for_each(|n| log::info!("line {n}"));
            Ok(good)
        }
        "long log line" => {
            log::info!("line {}", "\u{7}".repeat(64 << 10));
            Ok(good)
        }
        "log megabytes" => {
            log::info!("line {}", "\u{7}".repeat(4 << 20));
            Ok(good)
        }
        "hoard handles" => loop {
            std::mem::forget(monotonic_clock::subscribe_duration(0));
        },
        "random megabytes" => {
            black_box(wasip2::random::random::get_random_bytes(1 << 40));
            Ok(good)
        }
        "fill the state" => fill_state(),
        _ => return None,
    })
}

pub(crate) fn forever() -> ! {
    loop {
        spin_loop();
    }
}

fn hoard() -> Result<Contribution, Error> {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(vec![1; 1 << 20]);
        black_box(&hoard);
    }
}

#[expect(unconditional_recursion, reason = "that is what is tested")]
fn nest(depth: u64) -> u64 {
    // No array: the guest's own stack in linear memory would run out first, which is another trap.
    nest(depth.wrapping_add(1)).wrapping_mul(31) ^ depth
}

fn fill_state() -> Result<Contribution, Error> {
    for n in 0_u64.. {
        state::set(&n.to_string(), &[0; 1024])?;
    }
    Ok(Contribution::new())
}
