//! Sessions of postscreen, and what its lists say.

use tidings_event::{EventType, Key};

use super::{Step, ip_if, millis, peer};
use crate::correlate::emit::Emit;
use crate::correlate::sessions::new_session;
use crate::postfix::Says;

impl Step<'_, '_> {
    pub(super) fn screen(&mut self, emit: &mut Emit<'_, '_>, says: &Says<'_>) {
        let time_ns = emit.at().time_ns;
        match says {
            Says::ScreenConnect { client, local } => {
                let span = self.state.spans.fresh(emit.at());
                if let Some(key) = self.endpoint_key(client) {
                    self.state
                        .sessions
                        .open(key, new_session(span, time_ns, client.ip, false));
                }
                let mut event = emit.event(EventType::SMTP_CONNECTION_START, Some(span));
                event.str(Key::LISTENER_ID, "postscreen");
                peer(&mut event, client);
                if let Some(ip) = local.ip {
                    event.ip(Key::LOCAL_IP, ip);
                }
                if let Some(port) = local.port {
                    event.uint(Key::LOCAL_PORT, u64::from(port));
                }
                event.finish();
            }
            Says::ScreenVerdict { verdict, client } => {
                let span = self.session_of(client);
                let kind = match *verdict {
                    b"BLACKLISTED" | b"DENYLISTED" => EventType::SECURITY_IP_BLOCKED,
                    _ => EventType::SMTP_CLIENT_SCREENED,
                };
                let mut event = emit.event(kind, span);
                peer(&mut event, client);
                event.text(Key::RESULT, verdict).finish();
            }
            Says::ScreenDnsbl { rank, client } => {
                let span = self.session_of(client);
                let mut event = emit.event(EventType::SPAM_DNSBL, span);
                peer(&mut event, client);
                event
                    .value(Key::RANK, &tidings_event::Value::Int(*rank))
                    .finish();
            }
            Says::ScreenHangup {
                after,
                client,
                stage,
            } => {
                let span = self.session_of(client);
                let mut event = emit.event(EventType::NETWORK_CLOSED, span);
                peer(&mut event, client);
                if let Some(millis) = millis(after) {
                    event.duration_ms(Key::ELAPSED, millis);
                }
                event.text_if(Key::STAGE, stage).finish();
            }
            Says::ScreenDisconnect { client } => {
                let span = self.session_of(client);
                let mut event = emit.event(EventType::SMTP_CONNECTION_END, span);
                event.str(Key::LISTENER_ID, "postscreen");
                peer(&mut event, client);
                event.finish();
            }
            Says::DnsblListed { ip, list, answer } => {
                let mut event = emit.event(EventType::SPAM_DNSBL, None);
                ip_if(&mut event, *ip)
                    .text(Key::DOMAIN, list)
                    .text_if(Key::RESULT, answer)
                    .finish();
            }
            _ => {}
        }
    }
}
