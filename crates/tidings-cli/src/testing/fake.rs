//! A history that holds the objects of `golden/*.ndjson`, and hooks that lend it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;
use tidings_engine::contract::{
    ImportObject, MessageObject, ParsedLineObject, RefusedObject, StatsObject, StoryObject,
};

use crate::failure::Failure;
use crate::globals::Globals;
use crate::hooks::{ParseOptions, ServerHooks};
use crate::store::{
    AccountObject, AccountsAsked, EventsQuery, ImportOptions, ImportProgress, MessagesQuery,
    ProblemObject, RepairObject, StatsQuery, Store, StoryOptions, VerifyObject,
};

/// A history. A filter matches all messages whose JSON contains it; `wrong` and
/// `marked` are wrong filters, and
/// `broken` one at which the history turns out to be damaged after two results.
struct FakeStore {
    /// Holds nothing.
    is_empty: bool,
}

fn objects<T: DeserializeOwned>(text: &str) -> Vec<T> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn serve<T: DeserializeOwned>(
    is_empty: bool,
    text: &str,
    filter: &str,
    limit: Option<u64>,
    each: &mut dyn FnMut(T) -> bool,
) -> Result<(), Failure> {
    if filter == "wrong" {
        return Err(Failure::usage(
            "there is no field `form` (column 1); did you mean `from`?",
        ));
    }
    if filter == "marked" {
        return Err(Failure::usage("unknown field `frm`\n  frm:\u{1b}x\n  ^^^"));
    }
    let lines = text
        .lines()
        .filter(|line| filter == "broken" || line.contains(filter));
    let limit = usize::try_from(limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    for (at, line) in lines.filter(|_| !is_empty).take(limit).enumerate() {
        if filter == "broken" && at == 2 {
            return Err(Failure::data(
                "parts/messages-7.parquet is damaged: page 3 has checksum 1",
            ));
        }
        if !each(serde_json::from_str(line).unwrap()) {
            break;
        }
    }
    Ok(())
}

impl Store for FakeStore {
    fn messages(
        &mut self,
        query: &MessagesQuery,
        each: &mut dyn FnMut(MessageObject) -> bool,
    ) -> Result<(), Failure> {
        let text = include_str!("../../golden/messages.ndjson");
        serve(self.is_empty, text, &query.filter, query.limit, each)
    }

    fn events(
        &mut self,
        query: &EventsQuery,
        each: &mut dyn FnMut(Value) -> bool,
    ) -> Result<(), Failure> {
        let text = include_str!("../../golden/events.ndjson");
        serve(
            self.is_empty,
            text,
            &query.filter,
            query.limit,
            &mut |mut event: Value| {
                if !query.raw {
                    event.as_object_mut().unwrap().remove("raw");
                }
                each(event)
            },
        )
    }

    fn stories(
        &mut self,
        key: &str,
        options: &StoryOptions,
        each: &mut dyn FnMut(StoryObject) -> bool,
    ) -> Result<(), Failure> {
        let text = include_str!("../../golden/stories.ndjson");
        serve(
            self.is_empty,
            text,
            key,
            options.limit,
            &mut |mut story: StoryObject| {
                if !options.raw {
                    story.timeline.iter_mut().for_each(|step| step.raw = None);
                }
                each(story)
            },
        )
    }

    fn stats(&mut self, _query: &StatsQuery) -> Result<StatsObject, Failure> {
        if self.is_empty {
            return Ok(StatsObject::default());
        }
        Ok(serde_json::from_str(include_str!("../../golden/stats.json")).unwrap())
    }

    fn import(
        &mut self,
        files: &[PathBuf],
        _options: &ImportOptions,
        progress: &mut dyn FnMut(&ImportProgress),
    ) -> Result<ImportObject, Failure> {
        assert!(files.iter().all(|file| file.is_absolute()));
        for lines in [1_000, 2_000] {
            progress(&ImportProgress {
                file: "/var/log/mail.\u{1b}log".to_owned(),
                bytes_total: 200_000,
                bytes_done: lines * 100,
                lines,
                recognised: lines - 10,
            });
        }
        let has = |name: &str| files.iter().any(|file| file.ends_with(name));
        if has("mail.log.refused") {
            return Err(Failure::usage("mail.log.refused: is not wanted"));
        }
        let other = |name: &str, why: &str, force| RefusedObject {
            file: name.to_owned(),
            why: why.to_owned(),
            force,
        };
        if has("mail.log.others") {
            return Ok(ImportObject {
                refused: vec![
                    other("a", "a: is no \u{1b}log", true),
                    other("b", "cannot open b: no such file or directory", false),
                ],
                files: u64::from(has("mail.log")),
                ..ImportObject::default()
            });
        }
        Ok(ImportObject {
            files: files.len() as u64,
            files_known: 0,
            files_damaged: u64::from(has("mail.log.damaged")),
            refused: Vec::new(),
            lines: 2_000,
            recognised: 1_980,
            events: 4_500,
            messages: 300,
            open: 7,
            bytes: 200_000,
            elapsed_ms: 40,
            first_time: Some("2026-11-01T00:00:00Z".to_owned()),
            last_time: Some("2026-11-22T11:59:59Z".to_owned()),
            warnings: vec!["mail.log ends in the middle of a line".to_owned()],
        })
    }

    fn accounts(&mut self, asked: &AccountsAsked) -> Result<Vec<AccountObject>, Failure> {
        let account = |name: &str, role: &str| AccountObject {
            id: "b".to_owned(),
            name: name.to_owned(),
            role: role.to_owned(),
            enable: true,
            ..AccountObject::default()
        };
        Ok(match asked {
            AccountsAsked::List if self.is_empty => Vec::new(),
            AccountsAsked::List => vec![
                AccountObject {
                    last_sign_in: Some("2026-11-22T12:00:00Z".to_owned()),
                    ..account("admin", "admin")
                },
                AccountObject {
                    enable: false,
                    domains: vec!["example.org".to_owned(), "example.com".to_owned()],
                    ..account("customer", "domain-viewer")
                },
            ],
            AccountsAsked::Create { name, role, .. } => vec![AccountObject {
                password: Some("abcdef-ghijkm-npqrst-uvwxyz".to_owned()),
                ..account(name, role)
            }],
            AccountsAsked::Reset { name } => {
                return Err(Failure::usage(format!("there is no account {name}")));
            }
        })
    }

    fn verify(&mut self) -> Result<VerifyObject, Failure> {
        let problems = if self.is_empty {
            Vec::new()
        } else {
            problems()
        };
        Ok(VerifyObject {
            files: 12,
            bytes: 345_678,
            rows: 4_500,
            spool_events: 2_000,
            elapsed_ms: 77,
            problems,
        })
    }

    fn repair(&mut self) -> Result<RepairObject, Failure> {
        Ok(RepairObject {
            repaired: problems(),
            remaining: Vec::new(),
            lost_events: 4_096,
            elapsed_ms: 99,
        })
    }
}

fn problems() -> Vec<ProblemObject> {
    vec![ProblemObject {
        path: "history/events-7.parquet".to_owned(),
        what: "page 3 has checksum 0x1234, not 0x5678".to_owned(),
        remedy: "the other pages are written to a new part, this one is set aside".to_owned(),
        lost: "4,096 events of 2026-11-21".to_owned(),
    }]
}

fn open_local(globals: &Globals) -> Result<Box<dyn Store>, Failure> {
    if globals.data.ends_with("locked") {
        return Err(Failure::data(format!(
            "{} is in use by process 4711",
            globals.data.display()
        )));
    }
    let is_empty = globals.data.ends_with("empty");
    Ok(Box::new(FakeStore { is_empty }))
}

fn open_demo(_directory: &Path) -> Result<Box<dyn Store>, Failure> {
    Ok(Box::new(FakeStore { is_empty: false }))
}

fn parse(
    options: &ParseOptions,
    each: &mut dyn FnMut(ParsedLineObject) -> bool,
) -> Result<(), Failure> {
    for file in options.files.iter().filter(|file| *file != Path::new("-")) {
        assert!(fs::metadata(file).is_ok());
    }
    let lines: Vec<ParsedLineObject> = objects(include_str!("../../golden/parsed.ndjson"));
    for line in lines {
        if !each(line) {
            break;
        }
    }
    Ok(())
}

/// Hooks whose history is made of the golden objects. A data directory of the name `empty` holds
/// nothing, one of the name `locked` is in use.
pub(crate) fn hooks() -> ServerHooks {
    ServerHooks {
        open_local,
        serve: |_| {
            Err(Failure::usage(
                "tidings.toml: there is no setting `lisen` (line 3)",
            ))
        },
        parse,
        open_demo,
    }
}
