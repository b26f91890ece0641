//! Which history a verb asks: a named server, the server on the data directory, or the directory.

use crate::failure::Failure;
use crate::globals::{Globals, SYSTEM_DATA};
use crate::hooks::ServerHooks;
use crate::http::{HttpStore, Server, answers};
use crate::store::Store;

/// What a verb wants with a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To read what is there: a directory that does not exist is a mistake.
    Read,
    /// To add to it: the directory is made where there is none.
    Add,
}

/// The running server that the options name.
///
/// # Errors
/// If there is none, or it must not be asked.
pub(crate) fn server(globals: &Globals) -> Result<Server, Failure> {
    if let Some(url) = &globals.server {
        return Server::at_url(url, globals.token.clone());
    }
    if answered(globals)? {
        return Ok(Server::at_socket(globals.socket()));
    }
    Err(Failure::server(format!(
        "no server runs on the data directory {}, and this can be asked of a running one only: start \
         it with `tidings serve`, name another directory with --data DIR, or another machine with \
         --server URL",
        globals.data.display()
    )))
}

/// Opens the history that the options name.
///
/// # Errors
/// If the server cannot be asked, or the directory does not exist or cannot be opened.
pub(crate) fn open(
    globals: &Globals,
    hooks: &ServerHooks,
    purpose: Purpose,
) -> Result<Box<dyn Store>, Failure> {
    if let Some(url) = &globals.server {
        return Ok(Box::new(HttpStore::at_url(url, globals.token.clone())?));
    }
    if answered(globals)? {
        return Ok(Box::new(HttpStore::at_socket(globals.socket())));
    }
    if purpose == Purpose::Read {
        check_directory(globals)?;
    }
    (hooks.open_local)(globals)
}

/// Whether a server answers at the socket in the data directory.
fn answered(globals: &Globals) -> Result<bool, Failure> {
    let socket = globals.socket();
    answers(&socket).map_err(|error| {
        Failure::server(format!(
            "cannot ask the server at {}, which owns the history; run this as root or as a member \
             of its group",
            socket.display()
        ))
        .because(error)
    })
}

/// Says so where there is no directory to read, and what to do about it.
fn check_directory(globals: &Globals) -> Result<(), Failure> {
    let data = &globals.data;
    match std::fs::metadata(data) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(Failure::data(format!(
            "the data directory {} is not a directory; name one with --data DIR",
            data.display()
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let system = std::path::Path::new(SYSTEM_DATA);
            let elsewhere = if data != system && system.is_dir() {
                format!(" (there is one at {SYSTEM_DATA})")
            } else {
                String::new()
            };
            Err(Failure::data(format!(
                "there is no data directory {}: read logs into it with `tidings import FILES`, or \
                 name another one with --data DIR{elsewhere}",
                data.display()
            )))
        }
        Err(error) => Err(Failure::data(format!(
            "cannot look into the data directory {}",
            data.display()
        ))
        .because(error)),
    }
}
