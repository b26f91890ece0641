use clap::{CommandFactory, Parser};

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

#[test]
fn the_description_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn filters_and_options_may_be_mixed() {
    let cli = parse("tidings messages from:alice --limit 5 to:bob --json").unwrap();
    let Verb::Messages(args) = cli.verb else {
        panic!("{:?}", cli.verb)
    };
    assert_eq!(join_filter(&args.filter), "from:alice to:bob");
    assert_eq!(args.limit.limit, Some(5));
    assert!(args.output.json);
}

#[test]
fn global_options_stand_anywhere() {
    for line in ["tidings --data /d stats", "tidings stats --data /d"] {
        assert_eq!(parse(line).unwrap().globals.data, Some(PathBuf::from("/d")));
    }
}

#[test]
fn wrong_values_are_refused_with_what_is_allowed() {
    for (line, allowed) in [
        ("tidings import --year 26 x", "a year from 1970 to 2261"),
        ("tidings stats --top 0", "a whole number from 1 to 1000"),
        ("tidings messages -n x", "a whole number, such as 50"),
        ("tidings completions csh", "bash"),
        ("tidings import", "<FILES>"),
        ("tidings parse -u -s x", "--summary"),
        ("tidings mesages", "messages"),
        ("tidings account create", "<NAME>"),
        ("tidings account create a --role domain-viewer", "--domain"),
        ("tidings account create a --role emperor", "operator"),
    ] {
        let error = parse(line).unwrap_err().to_string();
        assert!(error.contains(allowed), "{line}: {error}");
    }
}

#[test]
fn times_and_zones_may_begin_with_a_hyphen() {
    parse("tidings messages --since -2h").unwrap();
    parse("tidings import --timezone -05:00 x").unwrap();
}

#[test]
fn every_verb_has_examples() {
    for verb in Cli::command()
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set())
    {
        let examples = verb
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(
            examples.matches("tidings ").count() >= 2,
            "{}",
            verb.get_name()
        );
    }
}

#[test]
fn the_help_lists_every_exit_code() {
    for (code, meaning) in EXIT_CODES {
        assert!(
            examples::TOP.contains(&format!("\n  {code}  {meaning}")),
            "{code}"
        );
    }
}
