//! The reference page and the man page, made from the description of the command line.

mod man;
mod markdown;
#[cfg(test)]
mod objects;
mod page;

pub(crate) use man::man_page;
pub(crate) use markdown::reference_page;

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;
    use crate::testing::golden;

    #[test]
    fn the_reference_page_is_up_to_date() {
        golden(
            "../../docs/reference/cli.md",
            &reference_page(&Cli::command()),
        );
    }

    #[test]
    fn the_man_page_is_up_to_date() {
        golden("../../docs/man/tidings.1", &man_page(&Cli::command()));
    }
}
