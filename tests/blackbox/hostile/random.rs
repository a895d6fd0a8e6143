//! Components that nobody wrote, dropped into an agent that runs: it goes on, and says of each what it is.
//!
//! What is random comes from fixed seeds, so that a failure comes again and artifacts are found in the cache.

use super::{IsTold, Rejected, Suite, crafted};
use crate::harness::guest;

/// Of each kind.
const FILES: u64 = 8;

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed + 1))
    }

    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most as u64).unwrap()
    }

    fn word(&mut self) -> u32 {
        // Often small, often near what is there, sometimes anything.
        match self.below(4) {
            0 => u32::try_from(self.below(16)).unwrap(),
            1 => u32::try_from(self.below(0x4_0000)).unwrap(),
            2 => u32::try_from(self.below(0x1000)).unwrap() + crafted::ANSWER,
            _ => u32::try_from(self.below(1 << 32)).unwrap(),
        }
    }
}

#[test]
fn an_agent_goes_on_whatever_lies_in_its_directory() {
    let whole = guest("one");
    let mut suite = Suite::new().start();
    for seed in 0..FILES {
        let mut random = Random::new(seed);
        let truncated = &whole[..random.below(whole.len())];
        let words: Vec<u32> = (0..64).map(|_| random.word()).collect();
        suite = suite
            .collector(&format!("truncated-{seed}"), truncated, "", IsTold)
            .collector(&format!("flipped-{seed}"), &flipped(whole, &mut random), "", IsTold)
            .collector(&format!("answers-{seed}"), &crafted::answers(&words), "", IsTold)
            .collector(
                &format!("computes-{seed}"),
                &crafted::collector(&computation(&mut random), &[0; 5], ""),
                "",
                IsTold,
            );
    }
    let said = suite
        .collector("dummy", &crafted::dummy(""), "", Rejected("trap", "describe"))
        .collector(
            "dummy-more",
            &crafted::dummy("more: func(a: list<string>) -> list<u8>;"),
            "",
            Rejected("invalid", "more"),
        )
        .run()
        .end();
    for part in ["panicked", "please report", "failed in the host", "failed inside the host"] {
        assert!(!said.contains(part), "{said}");
    }
}

/// A copy with a few bits turned over.
fn flipped(whole: &[u8], random: &mut Random) -> Vec<u8> {
    let mut copy = whole.to_vec();
    for _ in 0..=random.below(8) {
        let at = random.below(copy.len());
        copy[at] ^= 1 << random.below(8);
    }
    copy
}

/// A body of `collect` that computes something and returns it as the address of its answer.
fn computation(random: &mut Random) -> String {
    let mut body = format!("(i32.const {})", random.word().cast_signed());
    for _ in 0..random.below(32) {
        let word = random.word().cast_signed();
        body = match random.below(7) {
            0 => format!("(i32.add {body} (i32.const {word}))"),
            1 => format!("(i32.div_s {body} (i32.const {word}))"),
            2 => format!("(i32.load (i32.and {body} (i32.const 0x3ffff)))"),
            3 => format!("(i32.load offset=0x3fff0 {body})"),
            4 => format!("(block (i32.store (i32.const {word}) {body})) (i32.const {word})"),
            5 => format!("(memory.grow {body})"),
            _ => format!("(if (result i32) {body} (then (i32.const {word})) (else (unreachable)))"),
        };
    }
    body
}
