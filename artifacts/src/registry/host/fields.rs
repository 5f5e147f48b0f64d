//! The fields of the host's records.

use evidence::{Field, Role};

pub(super) const COMPUTER_NAME: Field =
    Field::text("ComputerName", "name of the computer, from SYSTEM").role(Role::Computer);
pub(super) const HOSTNAME: Field = Field::text("Hostname", "its host name in the network settings");
pub(super) const DOMAIN: Field = Field::text("Domain", "domain in the network settings").role(Role::Domain);
pub(super) const CONTROL_SET: Field =
    Field::text("ControlSet", "name of the control set that is in use").role(Role::ControlSet);
pub(super) const MACHINE_SID: Field = Field::text("MachineSid", "SID of the machine, from SAM or SECURITY");
pub(super) const SYSTEM_FIELDS: &[Field] = &[COMPUTER_NAME, HOSTNAME, DOMAIN, CONTROL_SET, MACHINE_SID];

pub(super) const PRODUCT_NAME: Field =
    Field::text("ProductName", "product name of Windows; Windows 11 calls itself Windows 10 here").role(Role::Product);
pub(super) const BUILD: Field = Field::text("Build", "build number").role(Role::Build);
pub(super) const UBR: Field = Field::number("Ubr", "update build revision");
pub(super) const DISPLAY_VERSION: Field =
    Field::text("DisplayVersion", "version as shown, `22H2`; before that ReleaseId");
pub(super) const CURRENT_VERSION: Field = Field::text("CurrentVersion", "version of the system, `6.3`");
pub(super) const BUILD_LAB: Field =
    Field::text("BuildLab", "build with its branch and architecture").role(Role::BuildLab);
pub(super) const INSTALLATION_TYPE: Field = Field::text("InstallationType", "client or server");
pub(super) const REGISTERED_OWNER: Field = Field::text("RegisteredOwner", "owner that was given at setup");
pub(super) const INSTALL_DATE: Field = Field::time("InstallDate", "when this version was installed");
pub(super) const OS_FIELDS: &[Field] = &[
    PRODUCT_NAME,
    BUILD,
    UBR,
    DISPLAY_VERSION,
    CURRENT_VERSION,
    BUILD_LAB,
    INSTALLATION_TYPE,
    REGISTERED_OWNER,
    INSTALL_DATE,
];

pub(super) const ZONE_NAME: Field = Field::text("Name", "key name of the zone").role(Role::Name);
pub(super) const BIAS: Field = Field::number("Bias", "minutes that local time is behind UTC, signed").role(Role::Bias);
pub(super) const STANDARD_BIAS: Field =
    Field::number("StandardBias", "further minutes in standard time, signed").role(Role::StandardBias);
pub(super) const DAYLIGHT_BIAS: Field =
    Field::number("DaylightBias", "further minutes in daylight saving time, signed").role(Role::DaylightBias);
pub(super) const ACTIVE_TIME_BIAS: Field =
    Field::number("ActiveTimeBias", "minutes that local time was behind UTC when the hive was written, signed")
        .role(Role::ActiveBias);
pub(super) const STANDARD_DATE: Field = Field::list("StandardDate", "when standard time begins, the 8 numbers as stored: the key TimeZoneInformation keeps TIME_FIELDS, year, month, day, hour, minute, second, milliseconds, weekday").role(Role::StandardDate);
pub(super) const DAYLIGHT_DATE: Field =
    Field::list("DaylightDate", "when daylight saving time begins, likewise").role(Role::DaylightDate);
pub(super) const DYNAMIC_DAYLIGHT_TIME_DISABLED: Field =
    Field::flag("DynamicDaylightTimeDisabled", "whether the clock does not follow daylight saving time")
        .role(Role::DaylightOff);
pub(super) const TIME_ZONE_FIELDS: &[Field] = &[
    ZONE_NAME,
    BIAS,
    STANDARD_BIAS,
    DAYLIGHT_BIAS,
    ACTIVE_TIME_BIAS,
    STANDARD_DATE,
    DAYLIGHT_DATE,
    DYNAMIC_DAYLIGHT_TIME_DISABLED,
];

pub(super) const YEAR: Field = Field::number("Year", "year in which the rule holds; absent: default").role(Role::Year);
pub(super) const RULE_STANDARD_DATE: Field = Field::list(
    "StandardDate",
    "when standard time begins, the 8 numbers of a SYSTEMTIME, year, month, weekday, day, hour, minute, second, milliseconds: another order than that of TimeZoneInformation",
)
.role(Role::StandardDate);
pub(super) const RULE_DAYLIGHT_DATE: Field =
    Field::list("DaylightDate", "when daylight saving time begins, likewise").role(Role::DaylightDate);
pub(super) const RULES: Field = Field::maps(
    "Rules",
    &[YEAR, BIAS, STANDARD_BIAS, DAYLIGHT_BIAS, RULE_STANDARD_DATE, RULE_DAYLIGHT_DATE],
    "the rules",
)
.role(Role::Rules);
pub(super) const TIME_ZONE_RULES_FIELDS: &[Field] = &[ZONE_NAME, RULES];

pub(super) const SID: Field = Field::text("Sid", "SID of the account, from ProfileList or SAM").role(Role::UserSid);
pub(super) const PROFILE_PATH: Field =
    Field::text("ProfilePath", "folder of the profile, from ProfileList").role(Role::Profile);
pub(super) const RID: Field = Field::number("Rid", "relative id of a local account, from SAM");
pub(super) const USER_NAME: Field = Field::text("Name", "name of a local account, from SAM").role(Role::UserName);
pub(super) const USER_FIELDS: &[Field] = &[SID, PROFILE_PATH, RID, USER_NAME];

pub(super) const VOLUME_NAME: Field =
    Field::text("Name", "name under which it is mounted, `\\DosDevices\\C:`, `\\??\\Volume{…}`").role(Role::Name);
pub(super) const DISK_SIGNATURE: Field =
    Field::text("DiskSignature", "signature of its MBR disk, 8 hexadecimal digits; with `Offset`")
        .role(Role::DiskSignature);
pub(super) const OFFSET: Field =
    Field::number("Offset", "where the partition begins on that disk, bytes").role(Role::Offset);
pub(super) const PARTITION_GUID: Field =
    Field::text("PartitionGuid", "GUID of its GPT partition, instead").role(Role::PartitionGuid);
pub(super) const DEVICE: Field = Field::text("Device", "path of its device, instead").role(Role::Device);
pub(super) const VOLUME_FIELDS: &[Field] = &[VOLUME_NAME, DISK_SIGNATURE, OFFSET, PARTITION_GUID, DEVICE];

pub(super) const SHARE_NAME: Field = Field::text("Name", "name of the share").role(Role::Name);
pub(super) const SHARE_PATH: Field = Field::text("Path", "folder that is shared").role(Role::Path);
pub(super) const SHARE_FIELDS: &[Field] = &[SHARE_NAME, SHARE_PATH];

pub(super) const INTERFACE: Field = Field::text("Interface", "GUID of the interface");
pub(super) const ADDRESS: Field =
    Field::text("Address", "IPv4 address that is set, or that it last got over DHCP").role(Role::Address);
pub(super) const ADDRESS_FIELDS: &[Field] = &[INTERFACE, ADDRESS];

pub(super) const SETTING_NAME: Field = Field::text("Name", "`ProcessCreationIncludeCmdLine_Enabled`, `EnablePrefetcher`, `EnableLUA`, `FilterAdministratorToken`, `LocalAccountTokenFilterPolicy`, `MachineGuid`, `PROCESSOR_ARCHITECTURE`, `SafeProcessSearchMode`, `ShutdownTime`, `AuditProcessCreation` or `AuditProcessTermination`").role(Role::Name);
pub(super) const VALUE: Field = Field::text(
    "Value",
    "its value, text, a number or a time (`ShutdownTime`); of the audit settings 0 no, 1 success, 2 failure, 3 both",
)
.role(Role::Value);
pub(super) const SETTING_FIELDS: &[Field] = &[SETTING_NAME, VALUE];
