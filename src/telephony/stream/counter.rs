//! Follows a counter of the carrier.

#[derive(Debug, Default)]
pub struct Counter {
    last: Option<u64>,
}

/// What is wrong with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slip {
    /// Numbers were skipped.
    Gap,
    /// It came twice or late.
    Disorder,
}

impl Counter {
    pub fn follow(&mut self, number: u64) -> Option<Slip> {
        match self.last {
            Some(last) if number <= last => Some(Slip::Disorder),
            last => {
                self.last = Some(number);
                last.filter(|last| number - last > 1).map(|_| Slip::Gap)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_disorder_are_told_apart() {
        let mut counter = Counter::default();
        for (number, expected) in [
            (5, None),
            (6, None),
            (9, Some(Slip::Gap)),
            (8, Some(Slip::Disorder)),
            (9, Some(Slip::Disorder)),
            (10, None),
        ] {
            assert_eq!(counter.follow(number), expected, "{number}");
        }
        assert_eq!(counter.follow(u64::MAX), Some(Slip::Gap));
    }
}
