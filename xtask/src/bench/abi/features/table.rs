//! The page of what tools notice: a table of kinds, and one of all cases.

use std::collections::BTreeMap;
use std::fmt;

use super::Row;
use super::ask::{Answer, Asked};

/// What is written.
pub struct Page<'p> {
    /// The cases.
    pub rows: &'p [Row],
    /// The tools, in the order of the answers.
    pub asked: &'p [Asked],
}

const HEAD: &str = "\
# What tools notice

Written by `cargo xtask bench abi`; changes by hand are lost. Each case of `testsuite/cases` is compiled for its targets, and
each tool is asked whether the objects differ. Tools that compare two files are asked about the first side and each other one.
That a tool notices *something* counts, whether it names what differs or something that follows from it.

";

const BETWEEN: &str = "
## By kind

`3 of 5`: there are five cases with such a finding, and the tool notices that something differs in three. What it refuses (an exit
status that means an error), or what ends it by a signal, is told apart. In equal twins and equal cases there is nothing to
notice: each notice is a false alarm.

";

const CASES: &str = "
## By case

`–` is no notice. Where a tool says something of the equal twin too, that stands behind `twin`: its notice of the case then says little.

";

impl Page<'_> {
    fn head(&self, f: &mut fmt::Formatter<'_>, first: &str) -> fmt::Result {
        let names: Vec<_> = self.asked.iter().map(Asked::name).collect();
        let columns = first.split('|').count() + names.len();
        writeln!(f, "| {first} | {} |", names.join(" | "))?;
        writeln!(f, "|{}", " --- |".repeat(columns))
    }

    /// What each kind of finding is: a line of `abi-check explain` is its id, its severity and its title.
    fn titles(&self) -> BTreeMap<String, String> {
        let text = self.asked.first().map(|own| own.says(&["explain"]));
        let text = text.unwrap_or_default();
        let titles = text.lines().filter_map(|line| {
            let (id, rest) = line.split_once(' ')?;
            let (_, title) = rest.trim().split_once(' ')?;
            Some((id.to_owned(), title.trim().to_owned()))
        });
        titles.collect()
    }

    fn line(&self, f: &mut fmt::Formatter<'_>, first: &str, answers: &[&[Answer]]) -> fmt::Result {
        let of_tool = |tool: usize| {
            let answers = answers.iter().filter_map(|row| row.get(tool));
            tally(&answers.copied().collect::<Vec<_>>())
        };
        let cells: Vec<_> = (0..self.asked.len()).map(of_tool).collect();
        writeln!(f, "| {first} | {} |", cells.join(" | "))
    }
}

/// How many were noticed, and what else there was.
fn tally(answers: &[Answer]) -> String {
    let count = |answer| answers.iter().filter(|other| **other == answer).count();
    let mut text = format!("{} of {}", count(Answer::Noticed), answers.len());
    for (answer, word) in [
        (Answer::Warned, "warned of"),
        (Answer::Unproved, "unproved"),
        (Answer::Refused, "refused"),
        (Answer::Crashed, "crashed"),
        (Answer::Hung, "hung"),
    ] {
        if count(answer) > 0 {
            text.push_str(&format!(", {} {word}", count(answer)));
        }
    }
    text
}

fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Noticed => "yes",
        Answer::Warned => "warning",
        Answer::Unproved => "unproved",
        Answer::Silent => "–",
        Answer::Refused => "refused",
        Answer::Crashed => "crashed",
        Answer::Hung => "hung",
    }
}

impl Page<'_> {
    fn kinds(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f, "kind")?;
        let mut kinds: BTreeMap<&str, Vec<&[Answer]>> = BTreeMap::new();
        for row in self.rows {
            for kind in &row.kinds {
                kinds.entry(kind).or_default().push(&row.answers);
            }
        }
        let titles = self.titles();
        for (kind, answers) in &kinds {
            let title = titles.get(*kind);
            let title = title.map_or(String::new(), |title| format!(": {title}"));
            self.line(f, &format!("{kind}{title}"), answers)?;
        }
        let of = |is_equal: bool| {
            let rows = self
                .rows
                .iter()
                .filter(|row| row.kinds.is_empty() == is_equal);
            rows.map(|row| &*row.answers).collect::<Vec<&[Answer]>>()
        };
        self.line(f, "all of these cases", &of(false))?;
        let twins = self.rows.iter().filter_map(|row| row.twin.as_deref());
        self.line(f, "equal twins (false alarms)", &twins.collect::<Vec<_>>())?;
        self.line(f, "equal cases (false alarms)", &of(true))
    }

    fn cases(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f, "case | kinds")?;
        for row in self.rows {
            let kinds = match row.kinds.is_empty() {
                true => "equal".to_owned(),
                false => row.kinds.join(", "),
            };
            let cell = |(tool, answer): (usize, &Answer)| {
                let of_twin = row.twin.as_ref().and_then(|twin| twin.get(tool));
                match of_twin {
                    Some(twin) if *twin != Answer::Silent => {
                        format!("{}, twin {}", word(*answer), word(*twin))
                    }
                    _ => word(*answer).to_owned(),
                }
            };
            let cells: Vec<_> = row.answers.iter().enumerate().map(cell).collect();
            writeln!(f, "| {} | {kinds} | {} |", row.name, cells.join(" | "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{HEAD}| tool | version | it notices if |\n| --- | --- | --- |\n"
        )?;
        for asked in self.asked {
            let version = asked.version();
            writeln!(f, "| {} | {version} | {} |", asked.name(), asked.rule())?;
        }
        f.write_str(BETWEEN)?;
        self.kinds(f)?;
        f.write_str(CASES)?;
        self.cases(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_tells_what_was_noticed_from_what_went_wrong() {
        use Answer::{Crashed, Noticed, Refused, Silent};
        assert_eq!(tally(&[Noticed, Silent, Noticed]), "2 of 3");
        assert_eq!(
            tally(&[Refused, Crashed, Crashed]),
            "0 of 3, 1 refused, 2 crashed"
        );
    }
}
