//! The worked examples beneath the help of each verb.

pub(super) const TOP: &str = "\
Examples:
  tidings import /var/log/mail.log*        read the logs you have
  tidings messages to:bob@example.org      what was sent to bob, and what became of it
  tidings story 4bXkWq1RZbz2JJ             the whole story of one message

Where the history is:
  With --server, the server there is asked. Else, where a server runs on the data directory, it is
  asked through its socket. Else the data directory itself is opened.

Exit codes:
  0  done; a search found something
  1  a search found nothing
  2  wrong usage: an unknown option, a filter that cannot be read, a wrong configuration
  3  the data directory is missing, in use by another process, or damaged
  4  a file was refused or could not be read to its end, or the output not written
  5  the server could not be reached, refused, or broke off; or it cannot listen";

pub(super) const IMPORT: &str = "\
Examples:
  Everything that is there, rotated and compressed files too, in any order:
    tidings import /var/log/mail.log*
  Old logs whose lines have no year, from a server in another time zone:
    tidings import --year 2024 --timezone America/New_York /backup/maillog-2024*.xz
  For a script:
    tidings import --json /var/log/mail.log.1 | jq .lines";

pub(super) const MESSAGES: &str = "\
Examples:
  Did bob get the mail from alice?
    tidings messages from:alice@example.org to:bob@example.com
  What is stuck since yesterday, and why?
    tidings messages status:deferred --since 1d
  All bounces of November for a script (quote what the shell would read itself):
    tidings messages 'status:bounced to:*@gmail.com' --since 2026-11-01 --until 2026-11-30 --json";

pub(super) const STORY: &str = "\
Examples:
  By queue id, with the log lines beneath each step:
    tidings story 4bXkWq1RZbz2JJ --raw
  By the Message-ID from the headers that a customer sent:
    tidings story '<20261122120000.GA1234@mail.example.org>'
  The latest messages from or to an address, five of them in full:
    tidings story bob@example.com -n 5";

pub(super) const EVENTS: &str = "\
Examples:
  Who fails to sign in?
    tidings events type:auth.failed --since 1h
  All that a client did, oldest first, with the log lines:
    tidings events remoteIp:203.0.113.9 --reverse --raw
  Everything but connections, for a script:
    tidings events -type:'smtp.connection-*' --since 10m --json";

pub(super) const LIVE: &str = "\
Examples:
  All that happens:
    tidings live
  Deliveries that fail, beginning with the last quarter of an hour:
    tidings live 'type:(delivery.failed, queue.rescheduled)' --since 15m
  Addresses that fail to sign in, for a script:
    tidings live type:auth.failed --json | jq -r .data.remoteIp
  Another machine:
    TIDINGS_TOKEN=… tidings live --server https://mx1.example.org:8686";

pub(super) const TOP_VERB: &str = "\
Examples:
  The whole screen, until q:
    tidings top
  What is behind, for a monitoring script:
    tidings top --json | jq '.readers[] | select(.lagEvents > 10000)'";

pub(super) const STATS: &str = "\
Examples:
  The whole history:
    tidings stats
  Yesterday and today, with long lists:
    tidings stats --since 1d --top 25
  The reasons of bounces in November, for a script:
    tidings stats --since 2026-11-01 --until 2026-11-30 --json | jq .bounceReasons";

pub(super) const PARSE: &str = "\
Examples:
  Is my log understood?
    tidings parse --summary /var/log/mail.log
  Which lines are not?
    tidings parse --unrecognised /var/log/mail.log
  What does this line mean?
    echo 'Nov 22 13:00:05 mx1 postfix/qmgr[123]: 4bXkWq: removed' | tidings parse -";

pub(super) const VERIFY: &str = "\
Examples:
  Check the history:
    tidings verify
  From a nightly job, quiet unless something is wrong:
    tidings verify --json > verify.json || mail -s 'tidings verify' root < verify.json";

pub(super) const REPAIR: &str = "\
Examples:
  See what is wrong first:
    tidings verify
  Then mend it:
    tidings repair
  Another directory:
    tidings repair --data /srv/tidings";

pub(super) const ACCOUNT: &str = "\
Examples:
  Who may sign in?
    tidings account list
  Somebody who may look, and a customer who sees the mail of one domain:
    tidings account create alice
    tidings account create customer --role domain-viewer --domain example.org
  The password is lost:
    tidings account reset admin";

pub(super) const DEMO: &str = "\
Examples:
  Try it:
    tidings demo
  Keep the sample elsewhere, then ask it:
    tidings demo ~/sample && tidings messages --data ~/sample";

pub(super) const SERVE: &str = "\
Examples:
  As a service, with its own configuration:
    tidings serve --config /etc/tidings/tidings.toml
  By hand, with a directory of its own:
    tidings serve --data ~/tidings";

pub(super) const COMPLETIONS: &str = "\
Examples:
  tidings completions bash > /etc/bash_completion.d/tidings
  tidings completions zsh > ~/.zfunc/_tidings
  tidings completions fish > ~/.config/fish/completions/tidings.fish";

pub(super) const DESCRIBE: &str = "\
Examples:
  What is there to manage?
    tidings describe
  What does an output take?
    tidings describe Tracer";

pub(super) const GET: &str = "\
Examples:
  What is exported as metrics?
    tidings get Metrics
  One output, for a script:
    tidings get Tracer bq7dyi4aaaab --json";

pub(super) const QUERY: &str = "\
Examples:
  The outputs, and how far they are:
    tidings query Tracer
    tidings query Reader
  Sessions from an address since yesterday:
    tidings query Trace --where remoteIp=203.0.113.9 --where 'timestamp>=2026-11-22T00:00:00Z'
  Every message that bounced, for a script:
    tidings query Message --where q=status:bounced --fields id,from,to --json";

pub(super) const CREATE: &str = "\
Examples:
  A log file of failed sign-ins, for fail2ban:
    tidings create Tracer/Log --field name=auth --field path=/var/log/tidings \\
      --field events=auth.failed --field eventsPolicy=include
  Follow one more log:
    tidings create Source --field paths=/srv/mail/mail.log
  Read the settings file again:
    tidings create Action/ReloadSettings";

pub(super) const UPDATE: &str = "\
Examples:
  Keep traces for half a year:
    tidings update DataRetention --field holdTracesFor=180d
  Another header for a collector:
    tidings update Tracer bq7dyi4aaaab --field httpHeaders/X-Tenant=mail";

pub(super) const DELETE: &str = "\
Examples:
  Two outputs:
    tidings delete Tracer --ids bq7dyi4aaaab,bq7dyi4aaaac
  All silences:
    tidings query Silence --fields id --json | jq -r .id | xargs tidings delete Silence --ids";

pub(super) const APPLY: &str = "\
Examples:
  What would it change?
    tidings apply --file plan.ndjson --dry-run
  A plan with one output, and no other:
    {\"@type\":\"reconcile\",\"object\":\"Tracer\",\"value\":{\"main\":
      {\"@type\":\"Log\",\"name\":\"main\",\"path\":\"/var/log/tidings\"}}}
    (in one line)
  From one server to another:
    tidings snapshot Tracer Metrics | tidings apply --server https://mx2.example.org --file -";

pub(super) const SNAPSHOT: &str = "\
Examples:
  The settings of outputs and metrics, to keep:
    tidings snapshot Tracer EventTracingLevel Metrics DataRetention > plan.ndjson
  The outputs of another server too:
    tidings snapshot Tracer --server https://mx2.example.org | tidings apply --file -";
