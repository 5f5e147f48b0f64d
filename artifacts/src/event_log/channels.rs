//! Channels that tell of the tools, the most important first, and what the absence of a record in them means.

use evidence::Channel;

/// Channels of which more is known than their names.
pub(super) const CHANNELS: &[Channel] = &[
    Channel {
        before_vista: Some("SecEvent"),
        shows_processes: true,
        ..Channel::named(
            "Security",
            "process starts are in it only while the audit of process creation is on, which it is not by default, and \
             their command lines only with a further policy",
        )
    },
    Channel {
        shows_processes: true,
        ..Channel::named(
            "Microsoft-Windows-Sysmon/Operational",
            "Sysmon is an addition to Windows and records what its configuration asks for",
        )
    },
    Channel {
        before_vista: Some("SysEvent"),
        ..Channel::named("System", "it tells when the machine ran and which services were installed")
    },
    Channel {
        before_vista: Some("AppEvent"),
        ..Channel::named("Application", "crashes of the tool and Windows Installer transactions are in it")
    },
    Channel {
        shows_processes: true,
        ..Channel::named(
            "Microsoft-Windows-TaskScheduler/Operational",
            "this channel is off by default on many versions of Windows",
        )
    },
    Channel {
        also: &["Windows PowerShell"],
        ..Channel::named(
            "Microsoft-Windows-PowerShell/Operational",
            "from version 5 on PowerShell logs scripts that look suspicious, and every script only with a policy",
        )
    },
    Channel { is_forwarded: true, ..Channel::named("ForwardedEvents", "") },
];
