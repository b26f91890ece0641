//! What a line of Dovecot says, typed and borrowed from the line.
//!
//! Field texts are bytes as logged: user names, mailboxes, message ids and subjects hold whatever a
//! remote client sent.

use std::net::IpAddr;

/// A statement, with who said it and about whom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line<'a> {
    /// Service as logged: `imap-login`, `imap`, `lmtp`, `auth`, `master`; empty where the line
    /// names none (Dovecot 1.x's master process).
    pub service: &'a [u8],
    /// User in the line's prefix: the mailbox owner; in 2.4's `auth(…)` who signs in.
    pub user: &'a [u8],
    /// Process id in the prefix.
    pub pid: Option<u32>,
    /// Session id in the prefix, whole. An LMTP session's further recipients end in `:R2`, as in
    /// the reply that the sending server logs (`250 2.0.0 <bob> GHx3…:R2 Saved`).
    pub session: &'a [u8],
    /// Remote address in the prefix (2.4's `auth(user,ip,…)`, or a `mail_log_prefix` with `%r`).
    pub rip: Option<IpAddr>,
    /// Level word; `Info` where there is none. 1.x wrote none to syslog: there `Error` is told by
    /// the text.
    pub level: Level,
    /// The statement.
    pub says: Says<'a>,
}

impl<'a> Line<'a> {
    /// The session without the number of the recipient in it: `GHx3…` of `GHx3…:R2`.
    pub fn base_session(&self) -> &'a [u8] {
        self.split_session().0
    }

    /// The number of the recipient within its LMTP session: 2 of `GHx3…:R2`, 1 where none is
    /// named.
    pub fn recipient(&self) -> u32 {
        self.split_session().1.unwrap_or(1)
    }

    fn split_session(&self) -> (&'a [u8], Option<u32>) {
        match self.service {
            b"lmtp" | b"lda" | b"deliver" | b"dovecot-lda" => split_session(self.session),
            _ => (self.session, None),
        }
    }
}

/// Takes the recipient's number off a session id: `:R2`, `:2` before 2.3. What else stands there is
/// the number of the message within its connection (`:T2`), and part of the id.
fn split_session(session: &[u8]) -> (&[u8], Option<u32>) {
    let Some(colon) = memchr::memrchr(b':', session) else {
        return (session, None);
    };
    let suffix = &session[colon + 1..];
    let digits = suffix.strip_prefix(b"R").unwrap_or(suffix);
    let number = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok());
    match number {
        Some(number) => (&session[..colon], Some(number)),
        None => (session, None),
    }
}

/// Level word of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `Debug:`
    Debug,
    /// `Info:`, or none.
    Info,
    /// `Warning:`
    Warning,
    /// `Error:`
    Error,
    /// `Fatal:`
    Fatal,
    /// `Panic:`
    Panic,
}

/// Everything Dovecot says. The variants follow the table of `docs/reference/dovecot.md`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Says<'a> {
    // before sign-in
    /// `Login: user=<a>, method=PLAIN, rip=, lip=, mpid=752, TLS, session=<…>`; `Logged in:` in 2.4
    Login(Who<'a>),
    /// A connection to a login process ended without a sign-in: `Disconnected: …`,
    /// `Aborted login …`, `Login aborted: …`, `Maximum number of connections …`
    LoginEnd(LoginEnd<'a>),
    /// A sign-in attempt was refused by the login process, the connection goes on:
    /// `Login failed: Plaintext authentication disabled: user=<a>, …`
    LoginRefused {
        /// Why: `Plaintext authentication disabled`.
        reason: &'a [u8],
        /// Why, as a kind.
        cause: LoginCause,
        /// Of whom.
        who: Who<'a>,
    },
    /// A login process hands the session to another server:
    /// `proxy(a,10.0.0.1:143): Started proxying to <10.0.0.1>: user=<a>, …`
    Proxy(Proxy<'a>),
    // authentication
    /// A password database's answer: `passwd-file(a,192.0.2.1,<…>): unknown user`
    Auth(Auth<'a>),
    // after sign-in
    /// A session ended: `Disconnected: Logged out in=57 out=807 …`, `Connection closed …`
    SessionEnd(SessionEnd<'a>),
    /// The mail_log plugin: `save: box=INBOX, uid=1, msgid=<…>, size=751, from=, subject=`
    Mail(MailEvent<'a>),
    /// `Mailbox created: Work`, `Mailbox renamed: Work -> Work2`, `Mailbox deleted: Work`
    Mailbox {
        /// What happened to it.
        action: MailboxAction,
        /// Its name.
        mailbox: &'a [u8],
        /// Its new name, where renamed.
        renamed_to: &'a [u8],
    },
    // delivery
    /// lmtp: `Connect from 192.0.2.1`, `Connect from local`
    LmtpConnect {
        /// Who, as logged.
        peer: &'a [u8],
        /// Its address.
        ip: Option<IpAddr>,
    },
    /// lmtp: `Disconnect from local: Logged out (state=READY)`
    LmtpDisconnect {
        /// Who, as logged.
        peer: &'a [u8],
        /// Its address.
        ip: Option<IpAddr>,
        /// Why: `Logged out`, `Connection closed`, `Successful quit`.
        reason: &'a [u8],
        /// Where in the dialogue: `READY`, `in DATA`; empty where not logged.
        state: &'a [u8],
    },
    /// lmtp and lda: `msgid=<…>: saved mail to INBOX`
    Saved {
        /// What was delivered.
        message: Message<'a>,
        /// Where to.
        mailbox: &'a [u8],
    },
    /// lmtp and lda: `msgid=<…>: save failed to INBOX: Quota exceeded (mailbox for user is full)`
    SaveFailed {
        /// What was to be delivered.
        message: Message<'a>,
        /// Where to; empty where not logged.
        mailbox: &'a [u8],
        /// Why not.
        reason: &'a [u8],
        /// The mailbox, or its user, is over quota.
        over_quota: bool,
    },
    /// lda: `msgid=<…>: sending a rejection to <a>: Quota exceeded`, `rejected: …`
    DeliveryRejected {
        /// What was refused.
        message: Message<'a>,
        /// Who is told; empty where nobody is.
        to: &'a [u8],
        /// Why.
        reason: &'a [u8],
    },
    /// lmtp as a proxy: `Sent message to <a> at 10.0.0.1:24: 250 2.0.0 … (1/1 at 23 ms)`
    LmtpProxied {
        /// Whether the other server took it.
        sent: bool,
        /// Recipient.
        to: &'a [u8],
        /// The other server, `host:port`.
        host: &'a [u8],
        /// Its reply, or what went wrong.
        reply: &'a [u8],
    },
    /// A Sieve action: `sieve: msgid=<…>: fileinto action: stored mail into mailbox 'Junk'`
    Sieve(Sieve<'a>),
    /// submission: `Successfully relayed message: from=<>, size=9, id=…, nrcpt=1, reply=…`
    Relayed(Relayed<'a>),
    /// `Indexed 5 messages in INBOX (UIDs 1..5)`
    Indexed {
        /// Mailbox.
        mailbox: &'a [u8],
        /// Messages.
        messages: u64,
    },
    /// A quota plugin's word: `Quota warning: bytes=80% …`
    Quota {
        /// The text.
        text: &'a [u8],
    },
    // the server itself
    /// master: `Dovecot v2.3.19.1 (9b53102964) starting up for imap, pop3, lmtp`
    Started {
        /// Version without the `v`; empty where not logged.
        version: &'a [u8],
        /// Protocols as listed; empty where not logged.
        protocols: &'a [u8],
    },
    /// master: `Killed with signal 15 (by pid=1 uid=0 code=kill)`, `Shutting down`. Its helpers say
    /// the same, which is a [`Note`](Self::Note).
    Stopped {
        /// Signal, where one was the reason.
        signal: Option<u32>,
        /// The text.
        text: &'a [u8],
    },
    /// master: `SIGHUP received - reloading configuration`
    Reloaded {
        /// The text.
        text: &'a [u8],
    },
    /// A service is at its limit: `service(imap-login): process_limit (100) reached, client
    /// connections are being dropped`
    Limit {
        /// Which service.
        service: &'a [u8],
        /// Which limit: `process_limit`, `client_limit`.
        limit: &'a [u8],
        /// Its value; 0 where not logged.
        value: u64,
    },
    /// A child process failed: `service(lmtp): child 9 killed with signal 11 (core dumped)`
    ChildFailed {
        /// Which service.
        service: &'a [u8],
        /// Its process id.
        pid: Option<u32>,
        /// How: `killed with signal 11 (core dumped)`, `returned error 89 (Fatal failure)`.
        reason: &'a [u8],
    },
    /// A known text that decides nothing.
    Note {
        /// The text.
        text: &'a [u8],
    },
    /// A `Debug:` line.
    Debug {
        /// The text after the level word.
        text: &'a [u8],
    },
    /// `Warning:`, `Error:`, `Fatal:`, `Panic:` with a text that no other variant covers.
    Trouble {
        /// The text after the level word.
        text: &'a [u8],
    },
    /// None of the above: the line is kept, and counted as unrecognised.
    Unrecognised,
}

/// The elements of a login process's line: `user=<a>, method=PLAIN, rip=, lip=, TLS, session=<…>`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Who<'a> {
    /// User, empty where none was given.
    pub user: &'a [u8],
    /// SASL mechanism, empty where none was used.
    pub method: &'a [u8],
    /// Remote address: of the client, as a trusted proxy told it.
    pub rip: Option<IpAddr>,
    /// Local address.
    pub lip: Option<IpAddr>,
    /// Remote port.
    pub rport: Option<u16>,
    /// Local port.
    pub lport: Option<u16>,
    /// Remote address of the connection itself, where a proxy stands between.
    pub real_rip: Option<IpAddr>,
    /// Process id of the session that follows.
    pub mpid: Option<u32>,
    /// Encryption.
    pub tls: Tls,
    /// What is said of the encryption: `TLSv1.3 with cipher …`.
    pub tls_text: &'a [u8],
    /// Why the encryption failed or ended: `SSL_read() failed: …`, `Connection closed`.
    pub tls_end: &'a [u8],
    /// Session id.
    pub session: &'a [u8],
}

/// Encryption of a login connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// None.
    #[default]
    None,
    /// `secured`: local, or a trusted network, or behind a TLS proxy.
    Secured,
    /// `TLS`
    Tls,
    /// `TLS handshaking`: the connection ended before the handshake did.
    Handshaking,
}

/// How a login connection ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoginEnd<'a> {
    /// What ended it: `Connection closed`, `Inactivity`, `Aborted login by logging out`.
    pub reason: &'a [u8],
    /// What was going on, without parentheses: `auth failed, 1 attempts in 1 secs`.
    pub detail: &'a [u8],
    /// Why, as a kind.
    pub cause: LoginCause,
    /// Failed sign-in attempts.
    pub attempts: u32,
    /// Seconds as logged: since the connection began, or waited.
    pub seconds: Option<u64>,
    /// Of whom.
    pub who: Who<'a>,
}

/// Why a login connection ended, or an attempt was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoginCause {
    /// `auth failed`, `authorization failed`: wrong name or password.
    AuthFailed,
    /// `no auth attempts`
    NoAttempts,
    /// `disconnected while authenticating`, `client didn't finish SASL auth`, `aborted
    /// authentication`: the client left in the middle.
    Unfinished,
    /// The TLS handshake failed.
    TlsFailed,
    /// `tried to use disallowed plaintext auth`, `Plaintext authentication disabled`
    PlaintextDisallowed,
    /// `tried to use unsupported auth mechanism`
    UnsupportedMechanism,
    /// `cert required, client didn't start TLS`, `client sent an invalid cert`, …
    Certificate,
    /// `user disabled`, `password expired`, `login disabled`
    Disabled,
    /// `Maximum number of connections from user+IP exceeded`
    TooManyConnections,
    /// `Too many invalid commands`
    TooManyCommands,
    /// `internal failure`, `auth process communication failure`, `auth service reported temporary
    /// failure`, `disconnected before auth was ready`: ours, not the client's.
    Internal,
    /// `proxy dest auth failed` and other failures of the server behind.
    Proxy,
    /// `Inactivity`
    Inactivity,
    /// `Shutting down`, `Kicked by admin`, `Connection queue full`: the server closed it.
    Server,
    /// The client logged out, or left, and nothing more is said.
    Left,
    /// Another reason.
    Other,
}

/// A login process's connection to the server that holds the mail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proxy<'a> {
    /// What happened.
    pub what: ProxyStep,
    /// User.
    pub user: &'a [u8],
    /// The other server as logged, with its port where known.
    pub to: &'a [u8],
    /// The text.
    pub text: &'a [u8],
    /// Of whom; empty where the line has no such elements.
    pub who: Who<'a>,
}

/// A step of a proxied session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyStep {
    /// `Started proxying`
    Started,
    /// `Disconnected by client`, `Disconnected by server`, `disconnecting`
    Ended,
    /// Anything that failed.
    Failed,
    /// Anything else.
    Note,
}

/// What a password database, or a mechanism, said of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Auth<'a> {
    /// `passwd-file`, `sql`, `pam`, `ldap`, `cache`, or a mechanism: `plain`, `cram-md5`; empty
    /// where not logged.
    pub driver: &'a [u8],
    /// User, empty where not known yet.
    pub user: &'a [u8],
    /// Remote address.
    pub rip: Option<IpAddr>,
    /// Session id.
    pub session: &'a [u8],
    /// Mechanism where the prefix names it (2.4: `sasl:plain`).
    pub method: &'a [u8],
    /// What came of it.
    pub outcome: AuthOutcome,
    /// The text, without the password that `auth_verbose_passwords` adds.
    pub reason: &'a [u8],
}

/// What came of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthOutcome {
    /// No such user.
    UnknownUser,
    /// Wrong password, or the database will not say more.
    WrongPassword,
    /// The account or its password is disabled or expired, or may not be used from there.
    Denied,
    /// The policy server refused.
    PolicyRefused,
    /// The client sent something that is no sign-in, or a user name that is not allowed.
    Malformed,
    /// The client did not finish in time.
    TimedOut,
    /// We could not tell: the database failed.
    Error,
    /// A remark that decides nothing.
    Note,
}

impl AuthOutcome {
    /// The client's sign-in was refused for what it sent.
    pub fn is_refusal(self) -> bool {
        !matches!(self, Self::Error | Self::Note)
    }
}

/// The end of an imap, pop3, managesieve or submission session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SessionEnd<'a> {
    /// Why, without the counters: `Disconnected: Logged out`, `Connection closed (IDLE running …)`.
    pub reason: &'a [u8],
    /// The user said good-bye.
    pub logged_out: bool,
    /// Bytes from the client.
    pub bytes_in: Option<u64>,
    /// Bytes to the client.
    pub bytes_out: Option<u64>,
    /// Messages deleted: `deleted=`, or the first number of pop3's `del=1/24`.
    pub deleted: Option<u64>,
    /// Messages expunged.
    pub expunged: Option<u64>,
    /// Messages moved to a trash mailbox.
    pub trashed: Option<u64>,
    /// Messages fetched: imap's `body_count=`, or the first number of pop3's `retr=3/2476`.
    pub fetched: Option<u64>,
    /// Bytes fetched: imap's `body_bytes=`, or the second number of pop3's `retr=3/2476`.
    pub fetched_bytes: Option<u64>,
    /// All counters as logged.
    pub counters: &'a [u8],
}

/// An event of the mail_log plugin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MailEvent<'a> {
    /// What was done.
    pub action: MailAction,
    /// Mailbox it was copied from.
    pub copied_from: &'a [u8],
    /// Mailbox.
    pub mailbox: &'a [u8],
    /// Unique id within the mailbox.
    pub uid: Option<u64>,
    /// Message-ID with its angle brackets; may be empty.
    pub message_id: &'a [u8],
    /// Size in bytes: `size=`, else `vsize=`.
    pub size: Option<u64>,
    /// Flags as logged, without parentheses.
    pub flags: &'a [u8],
    /// `From:` header, cut and sanitised by Dovecot.
    pub from: &'a [u8],
    /// `Subject:` header, cut and sanitised by Dovecot.
    pub subject: &'a [u8],
}

/// What was done with a message in a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailAction {
    /// `save`: appended, or delivered.
    Save,
    /// `copy from X`
    Copy,
    /// `delete`, `deleted`: marked so.
    Delete,
    /// `undelete`, `undeleted`
    Undelete,
    /// `expunge`, `expunged`: gone.
    Expunge,
    /// `autoexpunge`: gone by age.
    AutoExpunge,
    /// `flag_change`
    FlagChange,
    /// `append`
    Append,
    /// `read` and other events of plugins.
    Other,
}

/// What was done with a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailboxAction {
    /// `created`
    Created,
    /// `deleted`
    Deleted,
    /// `renamed`
    Renamed,
    /// `subscribed`
    Subscribed,
    /// `unsubscribed`
    Unsubscribed,
}

/// What a delivery line tells of its message (`deliver_log_format`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Message<'a> {
    /// Message-ID with its angle brackets; empty where `unspecified` or not logged.
    pub id: &'a [u8],
    /// Sender, where logged.
    pub from: &'a [u8],
    /// Size in bytes, where logged.
    pub size: Option<u64>,
}

/// What a Sieve script did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sieve<'a> {
    /// What.
    pub action: SieveAction,
    /// The message; empty where the line names none.
    pub message: Message<'a>,
    /// Mailbox stored to, address sent to, or program run; empty where there is none.
    pub target: &'a [u8],
    /// The text.
    pub text: &'a [u8],
}

/// A Sieve action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SieveAction {
    /// `stored mail into mailbox 'Junk'`, `left message in mailbox 'INBOX'`
    Stored,
    /// `forwarded to <a>`
    Forwarded,
    /// `discarded duplicate forward to <a>`
    ForwardDuplicate,
    /// `Marked message to be discarded if not explicitly delivered`
    Discarded,
    /// `rejected message from <a> (reject)`
    Rejected,
    /// `sent vacation response to <a>`
    VacationSent,
    /// `discarded duplicate vacation response to <a>` and other reasons not to answer.
    VacationNotSent,
    /// `sent notification to <a>`
    Notified,
    /// `piped message to program 'p'`, `executed program`, `filter`
    Program,
    /// Something failed: storing, forwarding, compiling or running the script.
    Failed,
    /// A remark that decides nothing.
    Note,
}

/// A message that the submission service handed on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Relayed<'a> {
    /// Whether the relay took it.
    pub accepted: bool,
    /// Envelope sender.
    pub from: &'a [u8],
    /// Envelope recipient, where one is named.
    pub to: &'a [u8],
    /// Size in bytes.
    pub size: Option<u64>,
    /// Our id of the transaction.
    pub id: &'a [u8],
    /// Number of recipients.
    pub recipients: Option<u64>,
    /// The relay's reply.
    pub reply: &'a [u8],
}
