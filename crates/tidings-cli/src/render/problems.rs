//! What is wrong with a history, as lines.

use crate::store::ProblemObject;
use crate::term::{Screen, Style, clean, wrap};

/// A problem: the file and what does not fit, then what is lost and what is done about it, as far as
/// that is known.
pub(crate) fn problem_lines(screen: &Screen, problem: &ProblemObject) -> Vec<String> {
    let what = clean(&problem.what);
    let mut lines = vec![match problem.path.as_str() {
        "" => screen.paint(Style::Red, &what),
        path => format!("{}: {what}", screen.paint(Style::Red, &clean(path))),
    }];
    let columns = screen.prose_width().saturating_sub(4);
    let lost = match problem.lost.as_str() {
        lost if lost.is_empty() || lost == problem.what => String::new(),
        lost => format!("lost: {}", clean(lost)),
    };
    for text in [lost, clean(&problem.remedy).into_owned()] {
        lines.extend(
            wrap(&text, columns)
                .into_iter()
                .map(|line| format!("    {line}")),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plain_screen;

    /// A check that had found damage said "lost: nothing", and a repair said twice what was lost.
    #[test]
    fn nothing_is_said_that_is_not_known_and_nothing_twice() {
        let lines = |path: &str, what: &str, lost: &str| {
            let problem = ProblemObject {
                path: path.to_owned(),
                what: what.to_owned(),
                lost: lost.to_owned(),
                ..ProblemObject::default()
            };
            problem_lines(&plain_screen(), &problem)
        };
        assert_eq!(lines("a", "is torn", ""), ["a: is torn"]);
        let lost = "rows 0 to 9 of events are lost";
        assert_eq!(lines("", lost, lost), [lost]);
    }
}
