//! What is wrong with a history, as lines.

use crate::store::ProblemObject;
use crate::term::{Screen, Style, clean, wrap};

/// A problem: the file and what does not fit, then what is lost and what is done about it.
pub(crate) fn problem_lines(screen: &Screen, problem: &ProblemObject) -> Vec<String> {
    let mut lines = vec![format!(
        "{}: {}",
        screen.paint(Style::Red, &clean(&problem.path)),
        clean(&problem.what)
    )];
    let columns = screen.prose_width().saturating_sub(4);
    let lost = match problem.lost.as_str() {
        "" => "nothing".to_owned(),
        lost => clean(lost).into_owned(),
    };
    for text in [format!("lost: {lost}"), clean(&problem.remedy).into_owned()] {
        lines.extend(
            wrap(&text, columns)
                .into_iter()
                .map(|line| format!("    {line}")),
        );
    }
    lines
}
