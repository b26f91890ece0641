//! Which metrics of the catalogue are exported. What is measured never depends on it.

use std::error::Error;
use std::fmt;

use tidings_event::{MetricInfo, name_fits};

/// What a list of metrics means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The listed ones only.
    Include,
    /// All but the listed ones.
    Exclude,
}

/// The metrics of the catalogue that one exporter shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// One per metric, by id.
    shown: Box<[bool]>,
}

impl Default for Selection {
    /// All of them.
    fn default() -> Selection {
        Selection::all()
    }
}

impl Selection {
    /// All metrics.
    pub fn all() -> Selection {
        Selection {
            shown: vec![true; MetricInfo::all().len()].into(),
        }
    }

    /// Includes or excludes the listed metrics. An entry is a dotted name, or a pattern in which `*`
    /// stands for any text: `delivery.*`, `*.request-time`.
    ///
    /// # Errors
    /// The first entry that fits no metric of the catalogue.
    pub fn new<'n>(
        policy: Policy,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<Selection, UnknownMetric> {
        let mut listed = vec![false; MetricInfo::all().len()];
        for name in names {
            let mut is_known = false;
            for (metric, place) in MetricInfo::all().iter().zip(&mut listed) {
                if name_fits(name, metric.name) {
                    *place = true;
                    is_known = true;
                }
            }
            if !is_known {
                return Err(UnknownMetric { name: name.into() });
            }
        }
        let shown = listed
            .into_iter()
            .map(|listed| listed == (policy == Policy::Include));
        Ok(Selection {
            shown: shown.collect(),
        })
    }

    /// Whether the metric is shown.
    pub fn includes(&self, metric: &MetricInfo) -> bool {
        self.shown.get(usize::from(metric.id)).copied() == Some(true)
    }
}

/// A name or pattern that fits no metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMetric {
    name: String,
}

impl fmt::Display for UnknownMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no metric: a name such as `queue.count` is wanted, or a pattern such as `delivery.*`",
            self.name.escape_debug()
        )
    }
}

impl Error for UnknownMetric {}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(selection: &Selection) -> Vec<&'static str> {
        let shown = MetricInfo::all()
            .iter()
            .filter(|metric| selection.includes(metric));
        shown.map(|metric| metric.name).collect()
    }

    #[test]
    fn lists_include_or_exclude() {
        let all = MetricInfo::all().len();
        assert_eq!(names(&Selection::all()).len(), all);
        let one = Selection::new(Policy::Include, ["queue.count"]).unwrap();
        assert_eq!(names(&one), ["queue.count"]);
        let others = Selection::new(Policy::Exclude, ["queue.count"]).unwrap();
        assert_eq!(names(&others).len(), all - 1);
        assert_eq!(
            names(&Selection::new(Policy::Include, []).unwrap()),
            [""; 0]
        );
        assert_eq!(Selection::new(Policy::Exclude, []), Ok(Selection::all()));
    }

    #[test]
    fn an_unknown_name_is_told() {
        let error = Selection::new(Policy::Include, ["queue.count", "queue.*.x"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`queue.*.x` is no metric: a name such as `queue.count` is wanted, or a pattern such as `delivery.*`"
        );
    }
}
