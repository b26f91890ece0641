//! Statements as text, for the golden files.

use std::fmt::Write as _;

use tidings_mail::postfix::{Action, ClientOf, Delivery, Line, Peer, Reject, Says};

/// Writes a statement as one line of text, and shows every slice of it to `see`.
pub(crate) struct Render<F> {
    text: String,
    see: F,
}

impl<'a, F: FnMut(&'a [u8])> Render<F> {
    /// The text of a statement; `see` gets every slice that the statement borrows.
    pub(crate) fn of(line: &Line<'a>, see: F) -> String {
        let mut render = Self {
            text: String::new(),
            see,
        };
        match line.queue_id {
            Some(id) => {
                (render.see)(id);
                render.text.push_str(&shown(id));
            }
            None => render.text.push('-'),
        }
        render.says(&line.says);
        render.text
    }

    fn says(&mut self, says: &Says<'a>) {
        match says {
            Says::Connect { client } => self.is("Connect").peer("client", client),
            Says::Disconnect { client, commands } => self
                .is("Disconnect")
                .peer("client", client)
                .field("commands", commands),
            Says::SessionLost { how, stage, client } => self
                .is("SessionLost")
                .plain("how", how)
                .field("stage", stage)
                .peer("client", client),
            Says::ProtocolViolation {
                what,
                stage,
                client,
                data,
            } => self
                .is("ProtocolViolation")
                .field("what", what)
                .field("stage", stage)
                .peer("client", client)
                .field("data", data),
            Says::TlsEstablished {
                inbound,
                trust,
                peer,
                version,
                cipher,
            } => self
                .is("TlsEstablished")
                .plain("inbound", inbound)
                .field("trust", trust)
                .peer("peer", peer)
                .field("version", version)
                .field("cipher", cipher),
            Says::TlsError {
                inbound,
                peer,
                reason,
            } => {
                self.is("TlsError").plain("inbound", inbound);
                if let Some(peer) = peer {
                    self.peer("peer", peer);
                }
                self.field("reason", reason)
            }
            Says::TlsNote { inbound, text } => self
                .is("TlsNote")
                .plain("inbound", inbound)
                .field("text", text),
            Says::HostnameMismatch {
                hostname,
                ip,
                reason,
            } => self
                .is("HostnameMismatch")
                .field("hostname", hostname)
                .option("ip", ip)
                .field("reason", reason),
            Says::SaslFailed {
                client,
                method,
                reason,
                user,
                aborted,
            } => self
                .is("SaslFailed")
                .peer("client", client)
                .field("method", method)
                .field("reason", reason)
                .field("user", user)
                .plain("aborted", aborted),
            Says::LimitExceeded {
                what,
                count,
                client,
                service,
            } => self
                .is("LimitExceeded")
                .field("what", what)
                .plain("count", count)
                .peer("client", client)
                .field("service", service),
            Says::Client(client) => self.client(client),
            Says::Reject(reject) => self.reject(reject),
            Says::Action(action) => self.action(action),
            Says::Delivery(delivery) => self.delivery(delivery),
            other => self.queue_or_screen(other),
        };
    }

    fn queue_or_screen(&mut self, says: &Says<'a>) -> &mut Self {
        match says {
            Says::ScreenConnect { client, local } => self
                .is("ScreenConnect")
                .peer("client", client)
                .peer("local", local),
            Says::ScreenVerdict { verdict, client } => self
                .is("ScreenVerdict")
                .field("verdict", verdict)
                .peer("client", client),
            Says::ScreenDnsbl { rank, client } => self
                .is("ScreenDnsbl")
                .plain("rank", rank)
                .peer("client", client),
            Says::ScreenHangup {
                after,
                client,
                stage,
            } => self
                .is("ScreenHangup")
                .field("after", after)
                .peer("client", client)
                .field("stage", stage),
            Says::ScreenDisconnect { client } => self.is("ScreenDisconnect").peer("client", client),
            Says::DnsblListed { ip, list, answer } => self
                .is("DnsblListed")
                .option("ip", ip)
                .field("list", list)
                .field("answer", answer),
            Says::Pickup { uid, from, orig_id } => self
                .is("Pickup")
                .field("uid", uid)
                .always("from", from.unwrap_or(b"none"))
                .field("orig_id", orig_id),
            Says::MessageId { id, resent } => self
                .is("MessageId")
                .always("id", id)
                .plain("resent", resent),
            Says::QueueActive {
                from,
                size,
                recipients,
            } => self
                .is("QueueActive")
                .always("from", from)
                .plain("size", size)
                .plain("recipients", recipients),
            Says::Expired { from, forced } => self
                .is("Expired")
                .always("from", from)
                .plain("forced", forced),
            Says::HostSaid {
                host,
                refused,
                reply,
                stage,
            } => self
                .is("HostSaid")
                .peer("host", host)
                .plain("refused", refused)
                .field("reply", reply)
                .field("stage", stage),
            Says::ConnectFailed { host, reason } => self
                .is("ConnectFailed")
                .peer("host", host)
                .field("reason", reason),
            Says::ConversationLost {
                host,
                timed_out,
                stage,
            } => self
                .is("ConversationLost")
                .peer("host", host)
                .plain("timed_out", timed_out)
                .field("stage", stage),
            Says::Notification { kind, child } => self
                .is("Notification")
                .plain("kind", kind)
                .field("child", child),
            Says::Dropped { reason } => self.is("Dropped").field("reason", reason),
            Says::Operator { what } => self.is("Operator").plain("what", what),
            Says::MilterTrouble { milter, reason } => self
                .is("MilterTrouble")
                .field("milter", milter)
                .field("reason", reason),
            other => self.server(other),
        }
    }

    fn server(&mut self, says: &Says<'a>) -> &mut Self {
        match says {
            Says::Removed => self.is("Removed"),
            Says::Started { version } => self.is("Started").field("version", version),
            Says::Stopped { text } => self.is("Stopped").field("text", text),
            Says::Reloaded { text } => self.is("Reloaded").field("text", text),
            Says::Statistics { text } => self.is("Statistics").field("text", text),
            Says::Note { text } => self.is("Note").field("text", text),
            Says::Trouble { severity, text } => self
                .is("Trouble")
                .plain("severity", severity)
                .field("text", text),
            Says::Unrecognised => self.is("Unrecognised"),
            other => panic!("{other:?} is not rendered"),
        }
    }

    fn client(&mut self, of: &ClientOf<'a>) -> &mut Self {
        self.is("Client")
            .peer("client", &of.client)
            .field("sasl_method", of.sasl_method)
            .field("sasl_username", of.sasl_username)
            .field("sasl_sender", of.sasl_sender)
            .field("orig_queue_id", of.orig_queue_id)
            .field("orig_client", of.orig_client)
    }

    fn reject(&mut self, reject: &Reject<'a>) -> &mut Self {
        self.is("Reject")
            .plain("by", &reject.by)
            .field("stage", reject.stage)
            .peer("client", &reject.client);
        if reject.code != 0 {
            self.plain("code", &reject.code);
        }
        self.field("dsn", reject.dsn)
            .field("subject", reject.subject)
            .field("text", reject.text);
        self.envelope(reject.from, reject.to, reject.proto, reject.helo)
            .field("sasl_username", reject.sasl_username)
    }

    fn action(&mut self, action: &Action<'a>) -> &mut Self {
        self.is("Action")
            .field("action", action.action)
            .field("stage", action.stage)
            .peer("client", &action.client)
            .field("subject", action.subject)
            .field("text", action.text)
            .envelope(action.from, action.to, action.proto, action.helo)
    }

    fn envelope(
        &mut self,
        from: Option<&'a [u8]>,
        to: Option<&'a [u8]>,
        proto: &'a [u8],
        helo: &'a [u8],
    ) -> &mut Self {
        for (name, address) in [("from", from), ("to", to)] {
            if let Some(address) = address {
                self.always(name, address);
            }
        }
        self.field("proto", proto).field("helo", helo)
    }

    fn delivery(&mut self, d: &Delivery<'a>) -> &mut Self {
        self.is("Delivery")
            .always("to", d.to)
            .field("orig_to", d.orig_to)
            .field("relay", d.relay);
        self.field("host", d.relay_host)
            .option("ip", &d.relay_ip)
            .option("port", &d.relay_port);
        if d.conn_use != 0 {
            self.plain("conn_use", &d.conn_use);
        }
        self.field("delay", d.delay)
            .field("delays", d.delays)
            .field("dsn", d.dsn);
        self.plain("status", &d.status)
            .field("word", d.status_word)
            .field("text", d.text)
    }

    fn is(&mut self, variant: &str) -> &mut Self {
        self.text.push(' ');
        self.text.push_str(variant);
        self
    }

    /// A field that is left out when empty.
    fn field(&mut self, name: &str, value: &'a [u8]) -> &mut Self {
        if value.is_empty() {
            self
        } else {
            self.always(name, value)
        }
    }

    fn always(&mut self, name: &str, value: &'a [u8]) -> &mut Self {
        (self.see)(value);
        write!(self.text, " {name}={}", shown(value)).unwrap();
        self
    }

    fn plain(&mut self, name: &str, value: &impl std::fmt::Debug) -> &mut Self {
        write!(self.text, " {name}={value:?}").unwrap();
        self
    }

    fn option(&mut self, name: &str, value: &Option<impl std::fmt::Debug>) -> &mut Self {
        match value {
            Some(value) => self.plain(name, value),
            None => self,
        }
    }

    /// `name[ip]:port`, with `-` for an address that there is none of.
    fn peer(&mut self, name: &str, peer: &Peer<'a>) -> &mut Self {
        (self.see)(peer.name);
        write!(
            self.text,
            " {name}={}",
            if peer.name.is_empty() {
                String::new()
            } else {
                shown(peer.name)
            }
        )
        .unwrap();
        match peer.ip {
            Some(ip) => write!(self.text, "[{ip}]").unwrap(),
            None => self.text.push_str("[-]"),
        }
        if let Some(port) = peer.port {
            write!(self.text, ":{port}").unwrap();
        }
        self
    }
}

/// Bytes as text: bare if they are one plain word, else quoted and escaped.
fn shown(bytes: &[u8]) -> String {
    let plain = !bytes.is_empty()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(byte));
    let text = bytes.escape_ascii().to_string().replace("\\'", "'");
    if plain { text } else { format!("\"{text}\"") }
}
