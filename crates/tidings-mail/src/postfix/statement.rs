//! What a line of Postfix says, typed and borrowed from the line.
//!
//! Field texts are bytes as logged: they may hold anything a remote client sent.

use std::net::IpAddr;

/// The other end of a connection: `name[ip]` or `name[ip]:port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer<'a> {
    /// Host name as resolved, `unknown` when that failed; the path for a local socket.
    pub name: &'a [u8],
    /// Address, unless the peer is a local socket or has none that can be read.
    pub ip: Option<IpAddr>,
    /// Port, where logged.
    pub port: Option<u16>,
}

/// A statement, with the queue id before it where there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line<'a> {
    /// Queue id, short or long; `None` for lines without one and for `NOQUEUE`.
    pub queue_id: Option<&'a [u8]>,
    /// The statement.
    pub says: Says<'a>,
}

/// `warning:`, `error:`, `fatal:`, `panic:` before a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// No such word.
    Info,
    /// `warning:`
    Warning,
    /// `error:`
    Error,
    /// `fatal:`
    Fatal,
    /// `panic:`
    Panic,
}

/// Everything Postfix says. The variants follow the table of `docs/reference/postfix.md`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Says<'a> {
    // smtpd and postscreen: sessions
    /// `connect from x[ip]`
    Connect {
        /// Who connected.
        client: Peer<'a>,
    },
    /// `disconnect from x[ip] ehlo=2 mail=1 commands=9/11`
    Disconnect {
        /// Who left.
        client: Peer<'a>,
        /// The command counters as logged, empty in old versions.
        commands: &'a [u8],
    },
    /// `lost connection after RCPT from x[ip]`, `timeout after …`, `too many errors after …`
    SessionLost {
        /// How it ended.
        how: Lost,
        /// Command after which it ended.
        stage: &'a [u8],
        /// The client.
        client: Peer<'a>,
    },
    /// `improper command pipelining after DATA from x[ip]: data`, `non-SMTP command from …`,
    /// and the like: the client broke the protocol.
    ProtocolViolation {
        /// What it did: `improper command pipelining`, `non-SMTP command`, `PREGREET`, …
        what: &'a [u8],
        /// Command after which it did.
        stage: &'a [u8],
        /// The client.
        client: Peer<'a>,
        /// What it sent.
        data: &'a [u8],
    },
    /// `Anonymous TLS connection established from x[ip]: TLSv1.3 with cipher …`
    TlsEstablished {
        /// Whether the peer is a client of ours (`from`) or a server we talk to (`to`).
        inbound: bool,
        /// `Anonymous`, `Untrusted`, `Trusted`, `Verified`; empty where not logged.
        trust: &'a [u8],
        /// The other end.
        peer: Peer<'a>,
        /// Protocol version: `TLSv1.3`.
        version: &'a [u8],
        /// Cipher name.
        cipher: &'a [u8],
    },
    /// `SSL_accept error from x[ip]: -1`, `SSL_connect error to x[ip]:25: …`
    TlsError {
        /// As in [`TlsEstablished`](Self::TlsEstablished).
        inbound: bool,
        /// The other end, where named.
        peer: Option<Peer<'a>>,
        /// What went wrong.
        reason: &'a [u8],
    },
    /// `setting up TLS connection from x[ip]` and other steps of TLS that decide nothing.
    TlsNote {
        /// As in [`TlsEstablished`](Self::TlsEstablished).
        inbound: bool,
        /// The text as logged.
        text: &'a [u8],
    },
    /// `warning: hostname h does not resolve to address ip`
    HostnameMismatch {
        /// The name the address claims.
        hostname: &'a [u8],
        /// The address.
        ip: Option<IpAddr>,
        /// Resolver's reason, where logged.
        reason: &'a [u8],
    },
    /// `warning: x[ip]: SASL LOGIN authentication failed: reason, sasl_username=u`
    SaslFailed {
        /// The client.
        client: Peer<'a>,
        /// Mechanism.
        method: &'a [u8],
        /// Reason as logged.
        reason: &'a [u8],
        /// User name, empty where not logged or `(unavailable)`.
        user: &'a [u8],
        /// `aborted` rather than `failed`.
        aborted: bool,
    },
    /// `warning: Connection rate limit exceeded: 4 from x[ip] for service smtp`
    LimitExceeded {
        /// What there was too much of: `Connection rate`, `Connection concurrency`, `Recipient
        /// address rate`, `Message delivery request rate`, `New TLS session rate`, `AUTH command
        /// rate`; before 2.3 the whole `Too many connections`, `Too frequent
        /// connections`.
        what: &'a [u8],
        /// How much there was.
        count: u64,
        /// The client.
        client: Peer<'a>,
        /// Listener: `smtp`, `submission`, `192.0.2.25:587`.
        service: &'a [u8],
    },
    /// `QID: client=x[ip], sasl_method=PLAIN, sasl_username=u, orig_queue_id=…`
    Client(ClientOf<'a>),
    /// `NOQUEUE: reject: RCPT from x[ip]: 554 5.7.1 <to>: text; from=<> to=<> proto= helo=<>`,
    /// also `reject_warning`, `milter-reject`, and cleanup's content rejects.
    Reject(Reject<'a>),
    /// `QID: hold: header Subject: … from x[ip]; from=<> to=<> proto= helo=<>: text`: an access
    /// or content rule acted, without refusing.
    Action(Action<'a>),
    // postscreen and dnsblog
    /// `CONNECT from [ip]:port to [ip]:port`
    ScreenConnect {
        /// Who connected.
        client: Peer<'a>,
        /// Our address and port.
        local: Peer<'a>,
    },
    /// `PASS NEW`, `PASS OLD`, `ALLOWLISTED`, `DENYLISTED`, `WHITELISTED`, `BLACKLISTED`, …
    ScreenVerdict {
        /// The word or words.
        verdict: &'a [u8],
        /// The client.
        client: Peer<'a>,
    },
    /// `DNSBL rank 2 for [ip]:port`
    ScreenDnsbl {
        /// Sum of the lists' weights.
        rank: i64,
        /// The client.
        client: Peer<'a>,
    },
    /// `HANGUP after 0.1 from [ip]:port in tests after SMTP handshake`
    ScreenHangup {
        /// Seconds since the start, as logged.
        after: &'a [u8],
        /// The client.
        client: Peer<'a>,
        /// In which tests.
        stage: &'a [u8],
    },
    /// `DISCONNECT [ip]:port`
    ScreenDisconnect {
        /// The client.
        client: Peer<'a>,
    },
    /// dnsblog: `addr ip listed by domain d as 127.0.0.4`
    DnsblListed {
        /// The listed address.
        ip: Option<IpAddr>,
        /// The list.
        list: &'a [u8],
        /// Its answer.
        answer: &'a [u8],
    },
    // a message's life
    /// pickup: `QID: uid=0 from=<a>`; MailScanner: `Requeue: QID.A7B3C to QID`
    Pickup {
        /// Unix user id; empty if not told.
        uid: &'a [u8],
        /// Envelope sender, without angle brackets, if told.
        from: Option<&'a [u8]>,
        /// Queue id before a requeue (`postsuper -r`, MailScanner), usually empty.
        orig_id: &'a [u8],
    },
    /// cleanup: `QID: message-id=<…>`
    MessageId {
        /// With angle brackets if logged so; may be empty.
        id: &'a [u8],
        /// `resent-message-id`
        resent: bool,
    },
    /// qmgr: `QID: from=<a>, size=393, nrcpt=4 (queue active)`
    QueueActive {
        /// Envelope sender, without angle brackets.
        from: &'a [u8],
        /// Bytes.
        size: u64,
        /// Recipients left.
        recipients: u64,
    },
    /// A delivery agent: `QID: to=<r>, orig_to=<o>, relay=…, delay=, delays=, dsn=, status=sent (text)`
    Delivery(Delivery<'a>),
    /// qmgr: `QID: from=<a>, status=expired, returned to sender`
    Expired {
        /// Envelope sender.
        from: &'a [u8],
        /// `status=force-expired`
        forced: bool,
    },
    /// smtp, lmtp: `QID: host h[ip] said: 450 … (in reply to RCPT TO command)`,
    /// `QID: host h[ip] refused to talk to me: 421 …`
    HostSaid {
        /// The server.
        host: Peer<'a>,
        /// It refused at its greeting.
        refused: bool,
        /// Its reply.
        reply: &'a [u8],
        /// Command it replied to, `RCPT TO`; empty where not logged.
        stage: &'a [u8],
    },
    /// smtp, lmtp: `connect to h[ip]:25: Connection timed out`
    ConnectFailed {
        /// The server.
        host: Peer<'a>,
        /// Why.
        reason: &'a [u8],
    },
    /// smtp, lmtp: `QID: lost connection with h[ip] while sending RCPT TO`,
    /// `QID: conversation with h[ip] timed out while …`
    ConversationLost {
        /// The server.
        host: Peer<'a>,
        /// Timed out rather than lost.
        timed_out: bool,
        /// What was being done.
        stage: &'a [u8],
    },
    /// bounce: `QID: sender non-delivery notification: NEWQID`
    Notification {
        /// Which kind.
        kind: Notice,
        /// Queue id of the notification.
        child: &'a [u8],
    },
    /// qmgr and others: `QID: removed`; also `postsuper`'s, which is the operator's doing.
    Removed,
    /// cleanup since 3.10: `QID: removed (canceled)`, `removed (discarded)`: the message was never
    /// queued, so nothing was delivered.
    Dropped {
        /// `canceled`: the client did not finish; `discarded`: a rule or milter dropped it.
        reason: &'a [u8],
    },
    /// postsuper: `QID: placed on hold`, `released from hold`, `requeued`, `removed`, `expired`
    Operator {
        /// Which.
        what: Operator,
    },
    /// A milter's: `warning: milter inet:…: can't read SMFIC_… : Connection timed out`,
    /// `warning: connect to Milter service …`
    MilterTrouble {
        /// The milter's address.
        milter: &'a [u8],
        /// What happened.
        reason: &'a [u8],
    },
    // the server itself
    /// master: `daemon started -- version 3.7.11, configuration /etc/postfix`
    Started {
        /// Version.
        version: &'a [u8],
    },
    /// master: `terminating on signal 15`; `stopping the Postfix mail system`
    Stopped {
        /// The text.
        text: &'a [u8],
    },
    /// master: `reload -- version …`; `refreshing the Postfix mail system`
    Reloaded {
        /// The text.
        text: &'a [u8],
    },
    /// anvil, scache, postscreen's cache, verify's cache: `statistics: …`
    Statistics {
        /// The text after `statistics:`.
        text: &'a [u8],
    },
    /// A known text that decides nothing about any message (`enabling PIX workarounds`,
    /// `table … has changed -- restarting`, `starting the Postfix mail system`).
    Note {
        /// The text.
        text: &'a [u8],
    },
    /// `warning:`, `error:`, `fatal:`, `panic:` with a text that no other variant covers.
    Trouble {
        /// Which word.
        severity: Severity,
        /// The text after the word.
        text: &'a [u8],
    },
    /// None of the above: the line is kept, and counted as unrecognised.
    Unrecognised,
}

/// How a session was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// `lost connection`
    Connection,
    /// `timeout`
    Timeout,
    /// `too many errors`
    TooManyErrors,
}

/// `client=` of smtpd.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClientOf<'a> {
    /// The client.
    pub client: Peer<'a>,
    /// SASL mechanism, empty without sign-in.
    pub sasl_method: &'a [u8],
    /// SASL user, empty without sign-in.
    pub sasl_username: &'a [u8],
    /// SASL sender (`AUTH=` of MAIL FROM), usually empty.
    pub sasl_sender: &'a [u8],
    /// Queue id before the content filter (XFORWARD), usually empty.
    pub orig_queue_id: &'a [u8],
    /// Client before the content filter (XFORWARD), usually empty.
    pub orig_client: &'a [u8],
}

/// Who refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectBy {
    /// smtpd, postscreen or cleanup: `reject:`
    Server,
    /// A rule that would refuse, but only warns: `reject_warning:`
    Warning,
    /// A milter: `milter-reject:`
    Milter,
    /// A proxy filter (`smtpd_proxy_filter`): `proxy-reject:`, without a client in the line
    Proxy,
}

/// A refused command.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reject<'a> {
    /// Who refused.
    pub by: RejectBy,
    /// `CONNECT`, `HELO`, `EHLO`, `MAIL`, `RCPT`, `DATA`, `END-OF-MESSAGE`, `VRFY`, `ETRN`,
    /// `BDAT`; for cleanup `header`, `body`, `mime-header`, …
    pub stage: &'a [u8],
    /// The client; `local` for pickup, empty where none is named.
    pub client: Peer<'a>,
    /// SMTP reply code; 0 where none is logged.
    pub code: u16,
    /// Enhanced status code, empty where none is logged.
    pub dsn: &'a [u8],
    /// What the rule looked at: `<to@x>`, `<helo>`, a header line; may be empty.
    pub subject: &'a [u8],
    /// The reply text.
    pub text: &'a [u8],
    /// Envelope sender without brackets; `None` where none was given yet (`<>` is empty).
    pub from: Option<&'a [u8]>,
    /// Envelope recipient without brackets; `None` where none was given yet.
    pub to: Option<&'a [u8]>,
    /// `SMTP` or `ESMTP`.
    pub proto: &'a [u8],
    /// HELO name without brackets.
    pub helo: &'a [u8],
    /// SASL user, where logged.
    pub sasl_username: &'a [u8],
}

/// What an access or content rule did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Action<'a> {
    /// `hold`, `discard`, `redirect`, `filter`, `warning`, `warn`, `info`, `prepend`, `replace`,
    /// `bcc`, `strip`, `dunno`, `permit`, `proxy-accept`, and with a milter `milter-hold`,
    /// `milter-discard`, `milter-header-replace`, …
    pub action: &'a [u8],
    /// `header`, `body`, `RCPT`, `END-OF-MESSAGE`, … as logged.
    pub stage: &'a [u8],
    /// What the rule looked at.
    pub subject: &'a [u8],
    /// The client; `local` for pickup, empty where none is named.
    pub client: Peer<'a>,
    /// Envelope sender without brackets.
    pub from: Option<&'a [u8]>,
    /// Envelope recipient without brackets.
    pub to: Option<&'a [u8]>,
    /// `SMTP` or `ESMTP`.
    pub proto: &'a [u8],
    /// HELO name without brackets.
    pub helo: &'a [u8],
    /// The rule's text or argument.
    pub text: &'a [u8],
}

/// Status word of a delivery line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// `sent`
    Sent,
    /// `deferred`, `SOFTBOUNCE`
    Deferred,
    /// `bounced`
    Bounced,
    /// `expired` as a delivery status
    Expired,
    /// `deliverable`: an address probe.
    Deliverable,
    /// `undeliverable`, `undeliverable-but-not-cached`: an address probe.
    Undeliverable,
    /// `filtered`, or a word this version does not know: the text is in the event.
    Other,
}

/// A delivery agent's line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delivery<'a> {
    /// Recipient without brackets.
    pub to: &'a [u8],
    /// Recipient before rewriting, without brackets; empty where it is the same.
    pub orig_to: &'a [u8],
    /// The relay as logged: `host[ip]:25`, `none`, `local`, `host[private/dovecot-lmtp]`.
    pub relay: &'a [u8],
    /// Host name of the relay, empty for `none` and the like.
    pub relay_host: &'a [u8],
    /// Address of the relay.
    pub relay_ip: Option<IpAddr>,
    /// Port of the relay.
    pub relay_port: Option<u16>,
    /// `conn_use=`: how often the connection was used; 0 where not logged.
    pub conn_use: u32,
    /// Total delay in seconds, as logged.
    pub delay: &'a [u8],
    /// `a/b/c/d` in seconds as logged; empty in old versions.
    pub delays: &'a [u8],
    /// Enhanced status code; empty in old versions.
    pub dsn: &'a [u8],
    /// Status.
    pub status: Status,
    /// Status word as logged.
    pub status_word: &'a [u8],
    /// Text in the parentheses.
    pub text: &'a [u8],
}

/// Kind of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// `sender non-delivery notification`
    NonDelivery,
    /// `sender delay notification`, `postmaster delay notification`
    Delay,
    /// `sender delivery status notification`
    Success,
    /// `postmaster non-delivery notification`
    Postmaster,
}

/// What an operator did with postsuper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `placed on hold`
    Hold,
    /// `released from hold`
    Release,
    /// `requeued`
    Requeue,
    /// `removed`
    Remove,
    /// `expired`
    Expire,
}
