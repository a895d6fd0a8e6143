//! A collector that does what `[config] behaviour` says, none of it good.

use sandbeat_sdk::prelude::*;

const ABSURD: Gauge = Gauge::new("Absurd Name\u{7}", "1", "A name that no backend takes.");
const GOOD: Gauge = Gauge::new("test.good", "1", "A good point beside the bad ones.");
const BAD: Gauge = Gauge::new("test.bad", "1", "A point with a bad value.");

struct Hostile;

impl Collector for Hostile {
    fn describe() -> Description {
        match config::get("behaviour").as_deref() {
            Some("trap in describe") => std::process::abort(),
            _ => Description::new("6.6.6", "Misbehaves as it is told to.").with(&GOOD).with(&BAD),
        }
    }

    fn collect() -> Result<Contribution, Error> {
        let good = Contribution::new().with(GOOD.value(1));
        match config::get("behaviour").unwrap_or_default().as_str() {
            "panic" => std::process::abort(),
            "loop" => forever(),
            "sleep" => {
                std::thread::sleep(std::time::Duration::from_secs(3600));
                Ok(good)
            }
            "allocate" => hoard(),
            "recurse" => Ok(good.with(BAD.value(nest(std::hint::black_box(1))))),
            "not finite" => Ok(good.with(BAD.value(f64::NAN)).with(BAD.value(f64::INFINITY).attribute("sign", "plus"))),
            "absurd name" => Ok(good.with(ABSURD.value(1))),
            "megabytes" => Ok(good.with(Metadata::new("test.text", "Too long.").value("x".repeat(8 << 20)))),
            "many" => Ok((0..100_000).fold(good, |all, n| all.with(BAD.value(n)))),
            "shadow" => {
                Ok(good.with(Metadata::new("test.shadow", "Secret.").value(files::read_to_string("/etc/shadow")?)))
            }
            "open" => {
                std::fs::read(config::get("path").unwrap_or_default())?;
                Ok(good)
            }
            "flood" => {
                (0..10_000).for_each(|n| log::info!("line {n}"));
                Ok(good)
            }
            other => Err(Error::config("behaviour", format_args!("`{other}` is not known"))),
        }
    }
}

sandbeat_sdk::export!(Hostile);

fn forever() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

fn hoard() -> Result<Contribution, Error> {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(vec![1; 1 << 20]);
        std::hint::black_box(&hoard);
    }
}

#[expect(unconditional_recursion, reason = "that is what is tested")]
fn nest(depth: u64) -> u64 {
    // No array: the guest's own stack in linear memory would run out first, which is another trap.
    nest(depth.wrapping_add(1)).wrapping_mul(31) ^ depth
}
