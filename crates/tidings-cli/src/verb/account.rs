//! `tidings account`: who may sign in.

use clap::ValueEnum as _;

use crate::args::{AccountAction, AccountArgs};
use crate::choose::{self, Purpose};
use crate::failure::Stop;
use crate::session::{Outcome, Session};
use crate::store::{AccountObject, AccountsAsked};
use crate::term::{Style, clean};

pub(super) fn run(args: &AccountArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    // The arguments are not taken without a name where there has to be one.
    let name = args.name.clone().unwrap_or_default();
    let asked = match args.action {
        AccountAction::List => AccountsAsked::List,
        AccountAction::Create => AccountsAsked::Create {
            name,
            role: role_name(args),
            domains: args.domain.clone(),
        },
        AccountAction::Reset => AccountsAsked::Reset { name },
    };
    let mut store = choose::open(&session.globals, session.hooks, Purpose::Read)?;
    let accounts = store.accounts(&asked)?;
    for account in &accounts {
        if args.output.json {
            session.json(account)?;
        } else {
            let line = line(session, account);
            session.line(&line)?;
        }
    }
    if accounts.iter().any(|account| account.password.is_some()) {
        session.hint("the password is shown this once")?;
    }
    Ok(if accounts.is_empty() {
        Outcome::Nothing
    } else {
        Outcome::Done
    })
}

fn role_name(args: &AccountArgs) -> String {
    let value = args.role.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// `alice  viewer  last signed in …`, or with a new password `alice  viewer  password …`.
fn line(session: &Session<'_>, account: &AccountObject) -> String {
    let screen = &session.screen;
    let mut words = vec![
        screen.paint(Style::Bold, &clean(&account.name)),
        clean(&account.role).into_owned(),
    ];
    if !account.domains.is_empty() {
        words.push(clean(&account.domains.join(" ")).into_owned());
    }
    if !account.enable {
        words.push(screen.paint(Style::Red, "disabled"));
    }
    match (&account.password, &account.last_sign_in) {
        (Some(password), _) => words.push(format!("password {}", clean(password))),
        (None, Some(time)) => words.push(format!("last signed in {}", clean(time))),
        (None, None) => words.push("has not signed in".to_owned()),
    }
    words.join("  ")
}
