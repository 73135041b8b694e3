//! Patterns for names of statics.
//!
//! Invariant: matching takes time proportional to the product of both lengths at most, whatever the pattern.

/// A pattern in which `*` stands for any characters and `?` for one; all others stand for themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<char>);

impl From<&str> for Glob {
    fn from(pattern: &str) -> Self {
        Glob(pattern.chars().collect())
    }
}

impl Glob {
    /// Whether the whole of `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        let pattern = &self.0;
        // Most names differ before the first wildcard.
        let literal = pattern.iter().take_while(|c| !matches!(c, '*' | '?'));
        if !name.chars().zip(literal).all(|(a, b)| a == *b) {
            return false;
        }
        let name: Vec<char> = name.chars().collect();
        let (mut p, mut n) = (0, 0);
        // The last star, and how much of the name it has taken.
        let mut star: Option<(usize, usize)> = None;
        while n < name.len() {
            match pattern.get(p) {
                Some('*') => {
                    star = Some((p, n));
                    p += 1;
                }
                Some(c) if *c == '?' || *c == name[n] => {
                    p += 1;
                    n += 1;
                }
                _ => match &mut star {
                    Some((at, taken)) => {
                        *taken += 1;
                        p = *at + 1;
                        n = *taken;
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|c| *c == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_take_as_much_as_needed() {
        let matches = |pattern: &str, name| Glob::from(pattern).matches(name);
        assert!(matches("app::*", "app::STATS"));
        assert!(matches("*::STATS", "app::inner::STATS"));
        assert!(matches("a*b*c", "aXbYbZc"));
        assert!(matches("ST?TS*", "STATS"));
        assert!(!matches("app::*", "other::STATS"));
        assert!(!matches("STATS", "STATS2"));
    }
}
