//! Which of the results of a query are wanted (RFC 8620, 5.5): by position, or by an anchor.

use crate::arguments::Query;
use crate::error::{MethodError, MethodErrorType};

/// A stretch of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Position of its first result.
    pub start: usize,
    /// How many of them at most.
    pub count: usize,
    /// The limit, where it is less than what was asked for, or cuts results off.
    pub limit: Option<usize>,
}

impl Page {
    /// The stretch of `total` results that is asked for, at most `limit_max` of them.
    /// `anchor` is the position of the anchor, if there is one.
    ///
    /// # Errors
    /// `anchorNotFound`.
    pub fn of(
        query: &Query,
        total: usize,
        anchor: Option<usize>,
        limit_max: usize,
    ) -> Result<Page, MethodError> {
        let start = start(query, total, anchor)?;
        let asked = query
            .limit
            .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let count = asked.unwrap_or(limit_max).min(limit_max);
        let is_cut = total.saturating_sub(start) > count;
        Ok(Page {
            start,
            count,
            limit: (is_cut || asked.is_some_and(|asked| asked > limit_max)).then_some(count),
        })
    }
}

fn start(query: &Query, total: usize, anchor: Option<usize>) -> Result<usize, MethodError> {
    let signed = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let start = match (&query.anchor, anchor) {
        (Some(_), Some(at)) => signed(at).saturating_add(query.anchor_offset.unwrap_or(0)),
        (Some(id), None) => {
            let id: String = id.chars().take(64).collect();
            return Err(MethodError::new(
                MethodErrorType::AnchorNotFound,
                format!("{id:?} is not among the results"),
            ));
        }
        (None, _) => match query.position.unwrap_or(0) {
            back if back < 0 => signed(total).saturating_add(back),
            position => position,
        },
    };
    Ok(usize::try_from(start.max(0)).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(arguments: &serde_json::Value, anchor: Option<usize>) -> Result<Page, MethodErrorType> {
        let query = Query::read(arguments.as_object().unwrap().clone()).unwrap();
        Page::of(&query, 10, anchor, 5).map_err(|error| error.kind)
    }

    #[test]
    fn stretches() {
        let of = |start, count, limit| {
            Ok(Page {
                start,
                count,
                limit,
            })
        };
        for (arguments, anchor, expected) in [
            (json!({}), None, of(0, 5, Some(5))),
            (json!({ "limit": 3 }), None, of(0, 3, Some(3))),
            (
                json!({ "limit": 30, "position": 8 }),
                None,
                of(8, 5, Some(5)),
            ),
            (json!({ "position": 8 }), None, of(8, 5, None)),
            (json!({ "limit": 0 }), None, of(0, 0, Some(0))),
            (json!({ "position": -2 }), None, of(8, 5, None)),
            (json!({ "position": -20 }), None, of(0, 5, Some(5))),
            (json!({ "position": 20 }), None, of(20, 5, None)),
            (
                json!({ "anchor": "b", "anchorOffset": 1 }),
                Some(7),
                of(8, 5, None),
            ),
            (
                json!({ "anchor": "b", "anchorOffset": -9 }),
                Some(7),
                of(0, 5, Some(5)),
            ),
            (
                json!({ "anchor": "b", "position": 3 }),
                Some(7),
                of(7, 5, None),
            ),
            (
                json!({ "anchor": "b" }),
                None,
                Err(MethodErrorType::AnchorNotFound),
            ),
        ] {
            assert_eq!(page(&arguments, anchor), expected, "{arguments}");
        }
    }
}
