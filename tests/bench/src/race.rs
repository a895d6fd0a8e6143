//! Times several things in one run, in turns, so that a machine that drifts drifts for all of them.

use std::time::{Duration, Instant};

use crate::stats::Distribution;

/// How long one turn should take at the least: far above the clock's own cost.
const TURN: Duration = Duration::from_millis(4);

/// What is timed.
pub struct Entrant<'a> {
    run: Box<dyn FnMut() -> anyhow::Result<()> + 'a>,
    /// Calls in one turn.
    batch: u32,
}

impl<'a> Entrant<'a> {
    /// One that is timed by calling this; making and dropping what it gives is part of the call.
    pub fn of<T, E: Into<anyhow::Error>>(mut run: impl FnMut() -> Result<T, E> + 'a) -> Self {
        Entrant { run: Box::new(move || run().map(drop).map_err(Into::into)), batch: 1 }
    }

    fn turn(&mut self) -> anyhow::Result<Duration> {
        let start = Instant::now();
        for _ in 0..self.batch {
            (self.run)()?;
        }
        Ok(start.elapsed())
    }

    /// Warms up, and finds how many calls make a turn.
    fn prepare(&mut self) -> anyhow::Result<()> {
        while self.turn()? < TURN {
            self.batch *= 2;
        }
        Ok(())
    }
}

/// Lets all of them have so many turns, one after another. Gives microseconds per call, each the mean of one turn, in
/// the order of the entrants.
///
/// # Errors
/// The first one of an entrant's.
pub fn race(mut entrants: Vec<Entrant<'_>>, rounds: usize) -> anyhow::Result<Vec<Distribution>> {
    for entrant in &mut entrants {
        entrant.prepare()?;
    }
    let mut times = vec![Vec::with_capacity(rounds); entrants.len()];
    for _ in 0..rounds {
        for (entrant, times) in entrants.iter_mut().zip(&mut times) {
            times.push(entrant.turn()?.as_secs_f64() * 1e6 / f64::from(entrant.batch));
        }
    }
    let distributions: Option<Vec<_>> = times.into_iter().map(Distribution::of).collect();
    distributions.ok_or_else(|| anyhow::anyhow!("a race needs at least one round"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_as_many_turns_as_there_are_rounds() {
        let pause = |time| {
            Entrant::of(move || {
                std::thread::park_timeout(time);
                anyhow::Ok(())
            })
        };
        let (short, long) = (Duration::from_millis(1), Duration::from_millis(20));
        let times = race(vec![pause(short), pause(long)], 3).unwrap();
        assert_eq!((times[0].count(), times[1].count()), (3, 3));
        assert!(times[0].median() < times[1].median());
        assert!(race(vec![Entrant::of(|| Err::<(), _>(anyhow::anyhow!("no")))], 3).is_err());
        assert!(race(vec![pause(short)], 0).is_err());
    }
}
