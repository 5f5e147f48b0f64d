use super::*;
use crate::formats::hive::writer::{KeySpec, hive, utf16};
use evidence::{Input, Problem, When};

fn parse_hive(root: &KeySpec) -> (Vec<Record>, Vec<Problem>) {
    let bytes = hive(root, 0);
    let mut records = Vec::new();
    // The file's name says nothing; the kind of hive is told by its content.
    let problems = ARTIFACT.parse_alone(&Input::new("x", &bytes), &mut |record| records.push(record));
    (records, problems)
}

/// `name=value` of every field, in order.
fn fields(record: &Record) -> String {
    serde_json::to_string(&record.fields).unwrap()
}

fn of_type<'a>(records: &'a [Record], of: &'static RecordType) -> Vec<&'a Record> {
    records.iter().filter(|record| record.of == of).collect()
}

fn words(numbers: [u16; 8]) -> Vec<u8> {
    numbers.into_iter().flat_map(u16::to_le_bytes).collect()
}

fn system(current: u32) -> KeySpec {
    let control = |name: &str| {
        KeySpec::new(name)
            .at(r"Control\ComputerName", KeySpec::new("ComputerName").written(5).text("ComputerName", name))
            .at(r"Services\Tcpip", KeySpec::new("Parameters").text("Hostname", "host").text("NV Domain", "example.org"))
            .at(r"Services\Tcpip\Parameters\Interfaces", {
                KeySpec::new("{1}")
                    .value("IPAddress", 7, &utf16("192.0.2.7\u{0}192.0.2.8\u{0}"))
                    .text("DhcpIPAddress", "0.0.0.0")
            })
            .at(r"Services\Tcpip\Parameters\Interfaces", KeySpec::new("{2}").text("DhcpIPAddress", "198.51.100.9"))
            .at(r"Services\LanmanServer", {
                let share = "CSCFlags=0\0MaxUses=4294967295\0Path=D:\\Shared Tools\0Permissions=0\0Type=0\0";
                KeySpec::new("Shares")
                    .value("Tools", 7, &utf16(share))
                    .value("Printer", 7, &utf16("Path=HP Printer,LocalsplOnly\0ShareName=Printer\0Type=1\0"))
                    .value("Odd", 3, &[1, 2, 3])
            })
            .at(r"Control\Session Manager", KeySpec::new("Environment").text("PROCESSOR_ARCHITECTURE", "AMD64"))
            .at(
                "Control",
                KeySpec::new("TimeZoneInformation")
                    .text("TimeZoneKeyName", "Eastern Standard Time")
                    .dword("Bias", 300)
                    .dword("StandardBias", 0)
                    .dword("DaylightBias", (-60i32).cast_unsigned())
                    .dword("ActiveTimeBias", 240)
                    .value("StandardStart", 3, &words([0, 11, 1, 2, 0, 0, 0, 0]))
                    .value("DaylightStart", 3, &words([0, 3, 2, 2, 0, 0, 0, 0]))
                    .dword("DynamicDaylightTimeDisabled", 0),
            )
            .at(r"Control\Session Manager\Memory Management", {
                KeySpec::new("PrefetchParameters").dword("EnablePrefetcher", 3)
            })
            .at("Control", {
                KeySpec::new("Windows").value("ShutdownTime", 3, &129_779_783_208_392_499u64.to_le_bytes())
            })
    };
    let mut gpt = b"DMIO:ID:".to_vec();
    gpt.extend(0x0102_0304u32.to_le_bytes());
    gpt.extend([6, 5, 8, 7, 9, 10, 11, 12, 13, 14, 15, 16]);
    KeySpec::new("ROOT")
        .key(KeySpec::new("Select").dword("Current", current).dword("Default", 1))
        .key(control("ControlSet001"))
        .key(control("ControlSet002"))
        .key(
            KeySpec::new("MountedDevices")
                .value(r"\DosDevices\C:", 3, &[0x3E, 0xA0, 0xBE, 0x5C, 0, 0, 0x10, 0, 0, 0, 0, 0])
                .value(r"\DosDevices\E:", 3, &gpt)
                .value(r"\DosDevices\F:", 3, &utf16("_??_USBSTOR#Disk")),
        )
}

#[test]
fn the_current_control_set_counts() {
    let (records, problems) = parse_hive(&system(2));
    assert_eq!(problems, []);
    let [system] = of_type(&records, &SYSTEM)[..] else { panic!() };
    assert_eq!(
        fields(system),
        r#"{"ComputerName":"ControlSet002","Hostname":"host","Domain":"example.org","ControlSet":"ControlSet002"}"#
    );
    let [zone] = of_type(&records, &TIME_ZONE)[..] else { panic!() };
    assert_eq!(
        fields(zone),
        concat!(
            r#"{"Name":"Eastern Standard Time","Bias":300,"StandardBias":0,"DaylightBias":-60,"ActiveTimeBias":240,"#,
            r#""StandardDate":[0,11,1,2,0,0,0,0],"DaylightDate":[0,3,2,2,0,0,0,0],"DynamicDaylightTimeDisabled":false}"#
        )
    );
    let shares: Vec<_> = of_type(&records, &SHARE).into_iter().map(fields).collect();
    assert_eq!(shares, [r#"{"Name":"Tools","Path":"D:\\Shared Tools"}"#]);
    let addresses: Vec<_> = of_type(&records, &ADDRESS).into_iter().map(fields).collect();
    assert_eq!(
        addresses,
        [
            r#"{"Interface":"{1}","Address":"192.0.2.7"}"#,
            r#"{"Interface":"{1}","Address":"192.0.2.8"}"#,
            r#"{"Interface":"{2}","Address":"198.51.100.9"}"#,
        ]
    );
    let volumes: Vec<_> = of_type(&records, &VOLUME).into_iter().map(fields).collect();
    assert_eq!(
        volumes,
        [
            r#"{"Name":"\\DosDevices\\C:","DiskSignature":"5CBEA03E","Offset":1048576}"#,
            r#"{"Name":"\\DosDevices\\E:","PartitionGuid":"{01020304-0506-0708-090A-0B0C0D0E0F10}"}"#,
            r#"{"Name":"\\DosDevices\\F:","Device":"_??_USBSTOR#Disk"}"#,
        ]
    );
    let settings: Vec<_> = of_type(&records, &SETTING).into_iter().map(fields).collect();
    assert_eq!(
        settings,
        [
            r#"{"Name":"EnablePrefetcher","Value":3}"#,
            r#"{"Name":"PROCESSOR_ARCHITECTURE","Value":"AMD64"}"#,
            r#"{"Name":"ShutdownTime","Value":"2012-04-04T01:58:40.8392499Z"}"#
        ]
    );
}

#[test]
fn a_control_set_that_is_not_there_is_a_problem() {
    let (records, problems) = parse_hive(&system(7));
    assert!(problems.iter().any(|problem| problem.what.contains("control set")), "{problems:?}");
    assert_eq!(of_type(&records, &VOLUME).len(), 3, "the rest is read");
    assert!(of_type(&records, &SYSTEM).is_empty());
}

#[test]
fn version_users_zones_and_policies() {
    let tzi = |standard: [u16; 8], daylight: [u16; 8]| {
        let biases = [300i32, 0, -60].into_iter().flat_map(i32::to_le_bytes);
        biases.chain(words(standard)).chain(words(daylight)).collect::<Vec<u8>>()
    };
    let zone = KeySpec::new("Eastern Standard Time")
        .value("TZI", 3, &tzi([0, 11, 0, 1, 2, 0, 0, 0], [0, 3, 0, 2, 2, 0, 0, 0]))
        .key(
            KeySpec::new("Dynamic DST")
                .dword("FirstEntry", 2006)
                .dword("LastEntry", 2007)
                .value("2007", 3, &tzi([0, 11, 0, 1, 2, 0, 0, 0], [0, 3, 0, 2, 2, 0, 0, 0]))
                .value("2006", 3, &tzi([0, 10, 0, 5, 2, 0, 0, 0], [0, 4, 0, 1, 2, 0, 0, 0])),
        )
        .key(KeySpec::new("too short").value("TZI", 3, &[1, 2, 3]));
    let version = KeySpec::new("CurrentVersion")
        .text("ProductName", "Windows 10 Pro")
        .text("CurrentBuild", "17763")
        .text("CurrentBuildNumber", "17763")
        .dword("UBR", 615)
        .text("ReleaseId", "1809")
        .dword("InstallDate", 1_553_034_780)
        .value("InstallTime", 11, &131_975_083_807_670_000u64.to_le_bytes())
        .at("Time Zones", zone)
        .at("ProfileList", KeySpec::new("S-1-5-21-1-2-3-1000").text("ProfileImagePath", r"C:\Users\IEUser"))
        .at("ProfileList", KeySpec::new("S-1-5-21-1-2-3-1001.bak").text("ProfileImagePath", r"C:\Users\TEMP"))
        .at("ProfileList", KeySpec::new("not a SID"));
    let root = KeySpec::new("ROOT")
        .at(r"Microsoft\Windows NT", version)
        .at(r"Microsoft\Windows\CurrentVersion\Policies\System", {
            KeySpec::new("Audit").dword("ProcessCreationIncludeCmdLine_Enabled", 1)
        })
        .at("Microsoft", KeySpec::new("Cryptography").text("MachineGuid", "61841625-24c4-495b-9080-eccd903b9e6f"));
    let (records, problems) = parse_hive(&root);
    assert_eq!(problems, []);
    let [os] = of_type(&records, &OS)[..] else { panic!() };
    assert_eq!(
        fields(os),
        concat!(
            r#"{"ProductName":"Windows 10 Pro","Build":"17763","Ubr":615,"DisplayVersion":"1809","#,
            r#""InstallDate":"2019-03-19T22:33:00.7670000Z"}"#
        )
    );
    assert!(matches!(os.moments[0].when, When::At(at) if at.raw == 131_975_083_807_670_000));
    let users: Vec<_> = of_type(&records, &USER).into_iter().map(|user| (fields(user), user.user.clone())).collect();
    assert_eq!(
        users,
        [("1000", "IEUser"), ("1001", "TEMP")].map(|(rid, name)| {
            let sid = format!("S-1-5-21-1-2-3-{rid}");
            (format!(r#"{{"Sid":"{sid}","ProfilePath":"C:\\Users\\{name}"}}"#), Some(sid))
        })
    );
    let [rules] = of_type(&records, &TIME_ZONE_RULES)[..] else { panic!() };
    let years: Vec<_> = rules
        .fields
        .get("Rules")
        .unwrap()
        .items()
        .iter()
        .map(|rule| rule.get("Year").and_then(Value::as_number))
        .collect();
    assert_eq!(years, [None, Some(2006), Some(2007)]);
    assert!(
        fields(rules).contains(
            r#""Year":2006,"Bias":300,"StandardBias":0,"DaylightBias":-60,"StandardDate":[0,10,0,5,2,0,0,0]"#
        )
    );
    let settings: Vec<_> = of_type(&records, &SETTING).into_iter().map(fields).collect();
    assert_eq!(
        settings,
        [
            r#"{"Name":"ProcessCreationIncludeCmdLine_Enabled","Value":1}"#,
            r#"{"Name":"MachineGuid","Value":"61841625-24c4-495b-9080-eccd903b9e6f"}"#
        ]
    );
}

#[test]
fn install_date_in_seconds_where_there_is_nothing_better() {
    let version = KeySpec::new("CurrentVersion").dword("InstallDate", 1_289_406_535);
    let (records, _) = parse_hive(&KeySpec::new("ROOT").at(r"Microsoft\Windows NT", version));
    assert_eq!(fields(&records[0]), r#"{"InstallDate":"2010-11-10T16:28:55.0000000Z"}"#);
}

#[test]
fn local_accounts() {
    let mut v = vec![0; 40];
    v.extend([1, 4, 0, 0, 0, 0, 0, 5]);
    [21u32, 1, 2, 3].iter().for_each(|sub| v.extend(sub.to_le_bytes()));
    let account = |v: &[u8]| {
        KeySpec::new("Account")
            .value("V", 3, v)
            .at(r"Users\Names", KeySpec::new("Administrator").written(9).value("", 500, &[]))
            .at(r"Users\Names", KeySpec::new("Preston").value("", 1000, &[]))
    };
    let (records, problems) = parse_hive(&KeySpec::new("ROOT").at(r"SAM\Domains", account(&v)));
    assert_eq!(problems, []);
    let shown: Vec<_> = records.iter().map(fields).collect();
    assert_eq!(
        shown,
        [
            r#"{"MachineSid":"S-1-5-21-1-2-3"}"#,
            r#"{"Sid":"S-1-5-21-1-2-3-500","Rid":500,"Name":"Administrator"}"#,
            r#"{"Sid":"S-1-5-21-1-2-3-1000","Rid":1000,"Name":"Preston"}"#,
        ]
    );
    let (records, problems) = parse_hive(&KeySpec::new("ROOT").at(r"SAM\Domains", account(&[0; 10])));
    assert!(problems.iter().any(|problem| problem.what.contains("machine SID")));
    assert_eq!(fields(&records[1]), r#"{"Rid":1000,"Name":"Preston"}"#);
}

#[test]
fn other_hives_give_nothing() {
    for root in [KeySpec::new("ROOT"), KeySpec::new("ROOT").at("Software", KeySpec::new("Microsoft"))] {
        assert_eq!(parse_hive(&root), (Vec::new(), Vec::new()));
    }
}

#[test]
fn what_is_left_of_a_damaged_system_hive_is_read() {
    let set = || {
        let name = KeySpec::new("ComputerName").text("ComputerName", "WS-1");
        KeySpec::new("ROOT").at(r"ControlSet001\Control\ComputerName", name)
    };
    let (records, problems) = parse_hive(&set().key(KeySpec::new("Select").dword("Current", 1)));
    assert_eq!(of_type(&records, &SYSTEM)[0].fields.text("ComputerName"), Some("WS-1"));
    assert_eq!(problems, []);
    let (records, problems) = parse_hive(&set());
    assert!(records.is_empty());
    assert_eq!(problems[0].what, "the current control set cannot be read");
}
