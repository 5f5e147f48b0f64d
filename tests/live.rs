//! The Windows program on a live host, under Wine: the fixture host's volume is what `\\.\C:` gives.
//!
//! Needs `COMTRAIL_WINDOWS_EXE`, the program built for x86_64-pc-windows-gnu; a Wine prefix that `WINEPREFIX` names,
//! which is copied and never changed; MinGW for the stand-in, openssl and osslsigncode to sign it. Without the variable
//! the tests are ignored, unless `COMTRAIL_WINDOWS_REQUIRED` demands them.

use super::program::{comtrail, fixture_host, text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

struct Host {
    folder: tempfile::TempDir,
    program: PathBuf,
    wine: PathBuf,
}

impl Host {
    /// A prefix of its own, whose raw `C:` is the volume of the fixture host and whose `E:` is an empty folder.
    fn new() -> Host {
        let program = std::env::var_os("COMTRAIL_WINDOWS_EXE").expect("COMTRAIL_WINDOWS_EXE names the program").into();
        let wine = ["/usr/lib/wine/wine64", "/usr/bin/wine64", "/usr/bin/wine"].map(PathBuf::from);
        let wine = wine.into_iter().find(|path| path.exists()).expect("Wine");
        let folder = tempfile::tempdir().unwrap();
        let prefix = std::env::var_os("WINEPREFIX").expect("WINEPREFIX names a prepared Wine prefix");
        let copied = Command::new("cp").arg("-a").arg(&prefix).arg(folder.path().join("prefix")).status().unwrap();
        assert!(copied.success());
        let host = Host { folder, program, wine };
        volume_of(ewf::EwfReader::open(fixture_host()).unwrap(), &host.path("volume.raw"));
        std::fs::create_dir(host.path("stick")).unwrap();
        for (name, target) in [("c::", "volume.raw"), ("e:", "stick")] {
            std::os::unix::fs::symlink(host.path(target), host.path("prefix/dosdevices").join(name)).unwrap();
        }
        host
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn wine(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.wine);
        command
            .arg(program)
            .args(arguments)
            .env("WINEPREFIX", self.path("prefix"))
            .env("WINEDEBUG", "-all")
            .env("WINEDLLOVERRIDES", "mscoree,mshtml=")
            .env_remove("DISPLAY")
            .current_dir(self.folder.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.wine(text(&self.program), arguments).output().unwrap()
    }

    /// Collects an archive that takes long, and tells the program this console event when it reads a long file; what the
    /// program says, its exit status, and what `bag-info.txt` says.
    fn told(&self, event: u32) -> (String, Option<i32>, String) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/build/ctrl.c");
        let built = Command::new("x86_64-w64-mingw32-gcc-posix")
            .args(["-Os", "-s", "-o", text(&self.path("ctrl.exe")), text(&source)])
            .status()
            .unwrap();
        assert!(built.success());
        let stick = self.path("stick");
        if !stick.join("triage.zip").exists() {
            super::way_out::archive(&stick, 1 << 30);
        }
        let command =
            format!(r"Z:{} collect E:\triage.zip -o E:\{event}.zip --quiet", text(&self.program).replace('/', "\\"));
        let mut child = self
            .wine("ctrl.exe", &[&event.to_string(), &command])
            .stdin(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        super::way_out::is_reading(&stick.join(format!("{event}.zip.partial")), &mut child);
        child.stdin.take().unwrap().write_all(b"x").unwrap();
        let output = child.wait_with_output().unwrap();
        let bundle = stick.join(format!("{event}.zip"));
        super::way_out::verifies(&bundle);
        let info = super::way_out::member(&bundle, "bag-info.txt");
        (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code(), info)
    }

    /// Puts the stand-in where Windows keeps RegAsm.exe.
    fn build_stand_in(&self) {
        let framework = self.path("prefix/drive_c/windows/Microsoft.NET/Framework64/v4.0.30319");
        std::fs::create_dir_all(&framework).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/build/standin.c");
        let built = Command::new("x86_64-w64-mingw32-gcc-posix")
            .args(["-Os", "-s", "-o", text(&framework.join("RegAsm.exe")), text(&source), "-lws2_32"])
            .status()
            .unwrap();
        assert!(built.success());
    }

    /// Signs the stand-in with a certificate that nobody knows.
    fn sign_stand_in(&self) {
        let run = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).current_dir(self.folder.path()).output().unwrap();
            assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        };
        let program = "prefix/drive_c/windows/Microsoft.NET/Framework64/v4.0.30319/RegAsm.exe";
        let subject = "/CN=Nobody in Particular";
        let key = ["-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "certificate.pem"];
        run("openssl", &[&["req", "-x509", "-subj", subject], &key[..]].concat());
        run(
            "osslsigncode",
            &["sign", "-certs", "certificate.pem", "-key", "key.pem", "-in", program, "-out", "signed"],
        );
        std::fs::rename(self.path("signed"), self.path(program)).unwrap();
    }

    /// `comtrail run live` onto the stick; the report, and the objects of the bundle with their hashes.
    fn collect(&self, case: &str, more: &[&str]) -> (Value, BTreeMap<String, Value>) {
        let destination = format!(r"E:\{case}");
        let mut arguments = vec!["run", "live", "-o", &destination, "--quiet"];
        arguments.extend(more);
        let output = self.run(&arguments);
        let status = output.status.code();
        assert!(matches!(status, Some(0 | 2)), "exit {status:?}: {}", String::from_utf8_lossy(&output.stderr));
        opened(&self.path("stick").join(case.replace('\\', "/")))
    }
}

impl Host {
    /// Ends Wine's server, which writes the registry out.
    fn stop(&self) {
        let server = self.wine.with_file_name("wineserver64");
        let server = if server.exists() { server } else { self.wine.with_file_name("wineserver") };
        let _ = Command::new(server).arg("-k").env("WINEPREFIX", self.path("prefix")).status();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Copies the one NTFS volume of a GPT disk, at 1 MiB.
fn volume_of(mut disk: impl Read + Seek, to: &Path) {
    let mut head = [0; 8];
    // The first entry of the partition table says where it ends.
    disk.seek(SeekFrom::Start(2 * 512 + 40)).unwrap();
    disk.read_exact(&mut head).unwrap();
    let (from, end) = (1 << 20, (u64::from_le_bytes(head) + 1) * 512);
    disk.seek(SeekFrom::Start(from)).unwrap();
    let mut volume = std::fs::File::create(to).unwrap();
    volume.set_len(end - from).unwrap();
    // Most of the disk is zeros, which take no room where nobody writes them.
    let mut block = vec![0; 1 << 16];
    for position in (from..end).step_by(block.len()) {
        let wanted = block.len().min((end - position) as usize);
        disk.read_exact(&mut block[..wanted]).unwrap();
        if block[..wanted].iter().any(|byte| *byte != 0) {
            volume.seek(SeekFrom::Start(position - from)).unwrap();
            volume.write_all(&block[..wanted]).unwrap();
        }
    }
    let mut boot = [0; 7];
    std::fs::File::open(to).unwrap().read_exact(&mut boot).unwrap();
    assert_eq!(&boot[3..], b"NTFS");
}

/// The report of a case, and each object of its bundle by original path.
fn opened(case: &Path) -> (Value, BTreeMap<String, Value>) {
    crate::citations::check(case, &crate::citations::bundles_in(case));
    let report = serde_json::from_slice(&std::fs::read(case.join("report.json")).unwrap()).unwrap();
    let bundle = std::fs::read_dir(case)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "zip"))
        .unwrap();
    assert_eq!(comtrail(&["verify", text(&bundle)]).status.code(), Some(0));
    let mut archive = zip::ZipArchive::new(std::fs::File::open(bundle).unwrap()).unwrap();
    let index = (0..archive.len())
        .find(|index| archive.by_index(*index).unwrap().name().unwrap().ends_with("metadata/objects.jsonl"))
        .unwrap();
    let lines = std::io::read_to_string(archive.by_index(index).unwrap()).unwrap();
    let objects = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    (report, objects.map(|object| (object["original_path"].as_str().unwrap().to_owned(), object)).collect())
}

fn is_live(path: &str) -> bool {
    path.starts_with("{live}")
}

/// Every file below a folder with its length and time of change, and every line of the registry's text form. Wine itself
/// writes the registry anew at each end, with times that say when.
fn listing(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let facts = path.symlink_metadata().unwrap();
        if facts.is_dir() {
            listing(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "reg") {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            let mut key = String::new();
            for line in text.lines().filter(|line| !line.starts_with(['#', ';'])) {
                if line.starts_with('[') {
                    line.rsplit_once(']').map_or(line, |(key, _)| key).clone_into(&mut key);
                }
                let (name, value) = match line.starts_with('[') {
                    true => ("", ""),
                    false => line.split_once('=').unwrap_or((line, "")),
                };
                found.insert(format!("{} {key} {name}", path.display()), value.to_owned());
            }
        } else {
            found.insert(path.display().to_string(), format!("{} {:?}", facts.len(), facts.modified().unwrap()));
        }
    }
}

/// Names that are there once only, or with another value.
fn changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> BTreeSet<String> {
    before.keys().chain(after.keys()).filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

#[test]
#[cfg_attr(not(windows_program), ignore = "needs COMTRAIL_WINDOWS_EXE and Wine")]
fn a_live_host_gives_what_its_image_gives_and_is_left_as_it_was() {
    let host = Host::new();
    // Wine itself sets up its prefix at its first start.
    let stopped = || {
        host.stop();
        let mut found = BTreeMap::new();
        listing(&host.path("prefix"), &mut found);
        found
    };
    let start = || assert!(host.run(&["--version"]).status.success());
    start();
    let earlier = stopped();
    // What Wine changes at every start, whatever is started, is not ours.
    start();
    let before = stopped();
    let of_wine = changed(&earlier, &before);
    let (live, objects) = host.collect("case", &[]);
    assert!(before.len() > 1000 && of_wine.len() < 10, "{} {of_wine:?}", before.len());
    let changed: Vec<String> = changed(&before, &stopped()).difference(&of_wine).cloned().collect();
    assert!(changed.is_empty(), "files or registry keys of the host changed: {changed:#?}");
    let footprint: Value =
        serde_json::from_slice(&std::fs::read(host.path("stick/case/footprint.json")).unwrap()).unwrap();
    // Wine does not count what a process writes.
    assert!(
        footprint["volume_bytes_read"].as_u64().unwrap() > 0 && footprint["destination_bytes"].as_u64().unwrap() > 0
    );
    assert!(!footprint["expected_traces"].as_array().unwrap().is_empty());

    let folder = tempfile::tempdir().unwrap();
    let output = comtrail(&["run", text(&fixture_host()), "-o", text(&folder.path().join("case")), "--quiet"]);
    assert!(matches!(output.status.code(), Some(0 | 2)));
    let (image, expected) = opened(&folder.path().join("case"));
    let hashes = |objects: &BTreeMap<String, Value>| {
        let files = objects.iter().filter(|(path, _)| !is_live(path));
        files.map(|(path, one)| (path.clone(), one["sha256"].clone(), one["method"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(hashes(&objects), hashes(&expected));
    assert_eq!(live["executions"].as_array().unwrap().len(), 5);
    let said = |report: &Value| {
        let runs = report["executions"].as_array().unwrap().iter();
        runs.map(|run| (run["pid"].clone(), run["method"]["runs"].clone(), run["assembly"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(said(&live), said(&image));
    assert_eq!(live["registrations"], image["registrations"]);
    assert_eq!(live["attempts"], image["attempts"], "the collection is no part of the story");
    for name in ["clock", "processes", "connections", "dns-cache", "sessions", "services", "tasks", "images"] {
        let object = &objects[&format!(r"{{live}}\{name}.jsonl")];
        assert_eq!(object["method"], "system_call");
    }
}

#[test]
#[cfg_attr(not(windows_program), ignore = "needs COMTRAIL_WINDOWS_EXE and Wine")]
fn a_tool_that_runs_is_a_live_execution_with_parent_account_and_connection() {
    let host = Host::new();
    host.build_stand_in();
    host.sign_stand_in();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let command =
        r"C:\windows\Microsoft.NET\Framework64\v4.0.30319\RegAsm.exe /U C:\Users\jdoe\AppData\Local\Temp\Ledger.dll";
    let mut child: Child = host.wine("cmd", &["/c", command]).env("STANDIN_PORT", port.to_string()).spawn().unwrap();
    let (mut connection, _) = listener.accept().unwrap();
    connection.read_exact(&mut [0]).unwrap();
    let (report, objects) = host.collect("case", &[]);
    connection.write_all(&[1]).unwrap();
    child.wait().unwrap();

    let runs = report["executions"].as_array().unwrap();
    let is_live = |run: &&Value| run["sources"].as_array().unwrap().iter().any(|one| one["artifact"] == "volatile");
    let [run] = runs.iter().filter(is_live).collect::<Vec<_>>()[..] else { panic!("{runs:#?}") };
    assert_eq!(run["command_line"], command);
    assert_eq!((&run["tool"], &run["mode"]), (&"regasm".into(), &"unregister".into()));
    assert_eq!(run["parent"]["image"], r"C:\windows\system32\cmd.exe");
    assert!(run["user"]["sid"].as_str().unwrap().starts_with("S-1-5-21-"), "{}", run["user"]);
    assert!(run["warnings"].as_array().is_none_or(Vec::is_empty), "{}", run["warnings"]);
    // The file that it names is the one on the disk, collected raw.
    let assembly = &objects[r"C:\Users\jdoe\AppData\Local\Temp\Ledger.dll"];
    assert_eq!(run["assembly"]["sha256"], assembly["sha256"]);
    assert_eq!(assembly["method"], "raw_ntfs");
    let around = run["related"].to_string();
    assert!(around.contains(&format!("127.0.0.1:{port}")), "{around}");
    // Who is said to have signed it, and that what was signed is this file.
    let timeline = std::fs::read_to_string(host.path("stick/case/timeline.jsonl")).unwrap();
    let rows = timeline.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut images = rows.filter(|row| row["data_type"] == "windows:live:image");
    let image = images.find(|row| row["Path"].as_str().is_some_and(|path| path.ends_with("RegAsm.exe"))).unwrap();
    let said = ["Signature", "Issuer", "Signer"].map(|name| image[name].as_str().unwrap().to_owned());
    assert_eq!(said, ["signed digest is the file's", "CN=Nobody in Particular", "CN=Nobody in Particular"]);
    let file = std::fs::read(host.path("prefix/drive_c/windows/Microsoft.NET/Framework64/v4.0.30319/RegAsm.exe"));
    assert_eq!(image["Sha256"], sha256(&file.unwrap()));
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
#[cfg_attr(not(windows_program), ignore = "needs COMTRAIL_WINDOWS_EXE and Wine")]
fn scheduled_tasks_are_listed_and_what_they_name_is_collected() {
    let host = Host::new();
    let cache = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache";
    let add = |key: &str, more: &[&str]| {
        let key = format!(r"{cache}\{key}");
        let mut arguments = vec!["add", &key, "/f", "/reg:64"];
        arguments.extend(more);
        assert!(host.wine("reg", &arguments).output().unwrap().status.success(), "{arguments:?}");
    };
    let sized = |text: &str| {
        let units: String = text.encode_utf16().map(|unit| format!("{:02x}{:02x}", unit & 0xFF, unit >> 8)).collect();
        let length = u16::try_from(text.len() * 2).unwrap().swap_bytes();
        format!("{length:04x}0000{units}")
    };
    let command = r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\regsvcs.exe";
    // Nothing else on the host names it.
    let assembly = r"C:\Windows\Temp\sparse.bin";
    let start = |arguments: &str| ["6666", &sized(""), &sized(command), &sized(arguments), &sized(""), "0000"].concat();
    // What is no file on a disk must not be opened: a pipe would wait, a device would give the whole disk.
    let hostile = [
        r"\\.\pipe\comtrail-test",
        r"\\.\C:",
        r"\\?\GLOBALROOT\Device\Harddisk0\Partition0",
        r"\\127.0.0.1\C$\evil.dll",
        r"C:\Windows\Temp\CON",
        r"C:\Windows\..\..\..\evil.dll",
        r"C:\Windows\Temp\a?b|c<>.dll",
    ];
    let parts = hostile.map(start);
    let actions = ["0300", &sized("Author"), &start(assembly), &parts.concat()].concat();
    let dynamic = "03000000e9792df1311cd801b44a8b8d3e1cd80100000000020007800000000000000000";
    add(r"Tree\Vendor\Update", &["/v", "Id", "/d", "{5D3A6A0F-0000-4000-8000-000000000001}"]);
    let known = r"Tasks\{5D3A6A0F-0000-4000-8000-000000000001}";
    add(known, &["/v", "Path", "/d", r"\Vendor\Update"]);
    add(known, &["/v", "Actions", "/t", "REG_BINARY", "/d", &actions]);
    add(known, &["/v", "DynamicInfo", "/t", "REG_BINARY", "/d", dynamic]);
    add(r"Tasks\{5D3A6A0F-0000-4000-8000-000000000002}", &["/v", "Path", "/d", r"\Hidden"]);

    let (_, objects) = host.collect("case", &[]);
    assert!(!objects.keys().any(|path| path.contains("pipe") || path.contains("evil") || path.contains("Harddisk0")));
    assert!(objects.contains_key(assembly), "{:?}", objects.keys());
    let timeline = std::fs::read_to_string(host.path("stick/case/timeline.jsonl")).unwrap();
    let rows: Vec<Value> = timeline.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let tasks: Vec<&Value> = rows.iter().filter(|row| row["data_type"] == "windows:live:task").collect();
    let words = format!(r"Scheduled task \Vendor\Update: CommandLine {command} {assembly}, CommandLine");
    let run = tasks.iter().find(|row| row["timestamp_desc"] == "Last Time Executed").expect("a last run");
    let said = run["message"].as_str().unwrap();
    assert!(said.starts_with(&words) && said.ends_with(", last result 2147942402"), "{said}");
    assert_eq!(run["SecurityDescriptor"].as_str(), Some("false"));
    assert_eq!(run["datetime"].as_str(), Some("2022-02-07T16:19:59.569579+00:00"));
    assert!(tasks.iter().any(|row| row["TaskName"] == r"\Hidden" && row["InTree"] == "false"), "{tasks:?}");
    let clock = rows.iter().find(|row| row["data_type"] == "windows:live:clock").expect("the clock");
    let [shown, booted] = ["SystemTime", "Booted"].map(|name| clock[name].as_str().unwrap());
    assert!(booted < shown && shown.starts_with(&clock["datetime"].as_str().unwrap()[..16]), "{clock}");
    let service = rows.iter().find(|row| row["data_type"] == "windows:live:service").expect("a service");
    assert!(service["ServiceCommandLine"].as_str().unwrap().to_lowercase().contains(".exe"), "{service}");
}

/// A library that leaves a mark when it is loaded, and a program that loads it as programs do.
const PLANTED: &str = r#"
#include <windows.h>
BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, void *reserved) {
  if (reason == DLL_PROCESS_ATTACH) CloseHandle(CreateFileA("E:\\planted", GENERIC_WRITE, 0, 0, CREATE_ALWAYS, 0, 0));
  return TRUE;
}
"#;
const LOADS_IT: &str = r#"
#include <windows.h>
int main(void) { LoadLibraryA("wevtapi.dll"); return 0; }
"#;

#[test]
#[cfg_attr(not(windows_program), ignore = "needs COMTRAIL_WINDOWS_EXE and Wine")]
fn libraries_planted_beside_the_program_are_not_loaded() {
    let host = Host::new();
    let build = |source: &str, name: &str, more: &[&str]| {
        std::fs::write(host.path("source.c"), source).unwrap();
        let mut command = Command::new("x86_64-w64-mingw32-gcc-posix");
        command.arg("-s").args(more).arg("-o").arg(host.path("stick").join(name)).arg(host.path("source.c"));
        assert!(command.status().unwrap().success());
    };
    build(PLANTED, "planted.dll", &["-shared"]);
    for name in
        ["wevtapi", "dnsapi", "iphlpapi", "secur32", "vssapi", "ole32", "wintrust", "crypt32", "version", "profapi"]
    {
        std::fs::copy(host.path("stick/planted.dll"), host.path("stick").join(format!("{name}.dll"))).unwrap();
    }
    std::fs::copy(&host.program, host.path("stick/comtrail.exe")).unwrap();
    let mark = host.path("stick/planted");
    // Wine takes its own library before one beside the program, unless it is told to do as Windows does.
    let overrides = "mscoree,mshtml=;wevtapi,dnsapi,iphlpapi,secur32,vssapi,wintrust,crypt32,version,profapi=n,b";
    build(LOADS_IT, "loads.exe", &[]);
    let run = |program: &str, arguments: &[&str]| {
        host.wine(program, arguments).env("WINEDLLOVERRIDES", overrides).output().unwrap().status.code()
    };
    run(r"E:\loads.exe", &[]);
    assert!(mark.exists(), "the library would leave its mark");
    std::fs::remove_file(&mark).unwrap();
    let status = run(r"E:\comtrail.exe", &["run", "live", "-o", r"E:\case", "--quiet", "--make-shadow-copy"]);
    assert!(matches!(status, Some(0 | 2)), "{status:?}");
    assert!(!mark.exists());
}

#[test]
#[cfg_attr(not(windows_program), ignore = "needs COMTRAIL_WINDOWS_EXE and Wine")]
fn a_destination_may_be_longer_than_old_paths_and_in_any_script() {
    let host = Host::new();
    let long = "ordner-".to_owned() + &"x".repeat(90);
    let (report, objects) = host.collect(&[r"fälle 案件", &long, &long, &long].join(r"\"), &[]);
    assert_eq!(report["executions"].as_array().unwrap().len(), 5);
    assert!(objects.len() > 20);
}

/// The largest amount of memory that a process had at once, in KiB, by the count of the system that Wine runs on.
fn peak_of(mut child: Child) -> (u64, Option<i32>) {
    let mut peak = 0;
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let high =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak = high.map_or(peak, |high: u64| high.max(peak));
        if let Some(status) = child.try_wait().unwrap() {
            return (peak, status.code());
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// On the composite host, whose logs and $MFT are larger than the ceiling, where there is one.
#[test]
#[cfg_attr(not(windows_program), ignore = "needs COMTRAIL_WINDOWS_EXE and Wine")]
fn the_memory_ceiling_holds_on_a_live_host() {
    let host = Host::new();
    let large = std::env::var_os("COMTRAIL_COMPOSITE").map(PathBuf::from);
    if let Some(image) = &large {
        volume_of(std::fs::File::open(image).unwrap(), &host.path("volume.raw"));
    }
    let start = |arguments: &[&str]| {
        peak_of(host.wine(text(&host.program), arguments).stdout(std::process::Stdio::null()).spawn().unwrap())
    };
    start(&["--version"]);
    let (of_wine, _) = start(&["--version"]);
    let (peak, code) = start(&["run", "live", "-o", r"E:\case", "--quiet", "--memory", "128M", "--full-timeline"]);
    assert!(matches!(code, Some(0 | 2)), "{code:?}");
    let report = opened(&host.path("stick/case")).0;
    assert_eq!(report["executions"].as_array().unwrap().len(), if large.is_some() { 2 } else { 5 });
    println!("peak {peak} KiB, of which Wine {of_wine}");
    assert!(of_wine > 0 && peak - of_wine <= 128 << 10, "{peak} KiB, of which Wine {of_wine}");
}

#[test]
#[cfg_attr(not(windows_program), ignore = "needs COMTRAIL_WINDOWS_EXE and Wine")]
fn limits_of_a_live_collection_hold() {
    let host = Host::new();
    let started = std::time::Instant::now();
    host.collect("free", &[]);
    let free = started.elapsed();
    let started = std::time::Instant::now();
    let (report, _) = host.collect("slow", &["--io", "4M"]);
    let slow = started.elapsed();
    assert_eq!(report["executions"].as_array().unwrap().len(), 5);
    let footprint: Value =
        serde_json::from_slice(&std::fs::read(host.path("stick/slow/footprint.json")).unwrap()).unwrap();
    let least = footprint["volume_bytes_read"].as_u64().unwrap() as f64 / f64::from(4 << 20);
    assert!(slow.as_secs_f64() >= least && slow > free, "{slow:?} where {least} seconds are the least");
    // A hundredth of the processors, for work that takes a tenth of a second and more of one.
    let started = std::time::Instant::now();
    host.collect("idle", &["--cpu", "1"]);
    assert!(started.elapsed() > free + std::time::Duration::from_secs(2), "{:?}, {free:?}", started.elapsed());
    let output = host.run(&["run", "live", "-o", r"E:\short", "--quiet", "--io", "64K", "--time", "2s"]);
    let said = String::from_utf8_lossy(&output.stderr);
    let report = std::fs::read_to_string(host.path("stick/short/report.json"));
    match output.status.code() {
        Some(2) => assert!(report.unwrap().contains("interrupted")),
        // Nothing was taken in that time, so there is nothing to report on.
        Some(1) => assert!(said.contains("could be collected: the time") && report.is_err(), "{said}"),
        other => panic!("{other:?}: {said}"),
    }
}

#[test]
#[cfg_attr(not(windows_program), ignore = "needs COMTRAIL_WINDOWS_EXE and Wine")]
fn a_destination_on_the_host_and_a_taken_name_are_refused() {
    let host = Host::new();
    let output = host.run(&["run", "live", "-o", r"C:\case", "--quiet"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("evidence"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!host.path("prefix/drive_c/case").exists());
}

#[test]
#[cfg_attr(not(windows_program), ignore = "needs COMTRAIL_WINDOWS_EXE and Wine")]
fn a_file_that_nobody_else_may_open_is_collected_raw() {
    let host = Host::new();
    host.build_stand_in();
    // One volume through both doors: its files as Y:, its sectors as \\.\Y:.
    let (image, mount) = (host.path("y.raw"), host.path("y"));
    std::fs::copy(host.path("volume.raw"), &image).unwrap();
    std::fs::create_dir(&mount).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).status().unwrap();
        assert!(status.success(), "{program} {arguments:?}");
    };
    run("ntfs-3g", &[text(&image), text(&mount)]);
    let locked = std::fs::read(mount.join("Users/jdoe/AppData/Local/Temp/Ledger.dll")).unwrap();
    std::fs::write(mount.join("locked.dll"), &locked).unwrap();
    run("sync", &[]);
    for (name, target) in [("y:", &mount), ("y::", &image)] {
        std::os::unix::fs::symlink(target, host.path("prefix/dosdevices").join(name)).unwrap();
    }
    let through_the_api = || host.run(&["inspect", r"Y:\locked.dll"]).status.code();
    assert_eq!(through_the_api(), Some(0));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut child = host
        .wine(r"C:\windows\Microsoft.NET\Framework64\v4.0.30319\RegAsm.exe", &["/U", r"Y:\locked.dll"])
        .env("STANDIN_PORT", port)
        .env("STANDIN_LOCK", r"Y:\locked.dll")
        .spawn()
        .unwrap();
    let (mut connection, _) = listener.accept().unwrap();
    connection.read_exact(&mut [0]).unwrap();
    assert_eq!(through_the_api(), Some(2), "the file is not locked");
    let (_, objects) = host.collect("case", &[]);
    connection.write_all(&[1]).unwrap();
    child.wait().unwrap();
    run("umount", &[text(&mount)]);

    let object = &objects[r"Y:\locked.dll"];
    use sha2::Digest;
    let expected: String = sha2::Sha256::digest(&locked).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((object["sha256"].as_str(), object["method"].as_str()), (Some(&*expected), Some("raw_ntfs")));
}

#[test]
#[cfg_attr(not(windows_program), ignore = "needs COMTRAIL_WINDOWS_EXE and Wine")]
fn shadow_copies_are_read_when_asked_for_and_change_no_present_state() {
    let host = Host::new();
    let copy = host.path("prefix/dosdevices/harddiskvolumeshadowcopy1");
    std::os::unix::fs::symlink(host.path("volume.raw"), copy).unwrap();
    let (without, objects) = host.collect("without", &[]);
    assert!(!objects.keys().any(|path| path.contains("shadow")));
    // Wine has no service that makes one, which costs that and nothing else.
    let (report, objects) = host.collect("with", &["--shadow-copies", "--make-shadow-copy"]);
    let said = report["problems"].as_array().unwrap().iter();
    let refused =
        said.filter(|problem| problem["what"].as_str().unwrap().starts_with("no shadow copy of C: could be made"));
    assert_eq!(refused.count(), 1, "{}", report["problems"]);
    let of_copy = |path: &str| &objects[&format!(r"{{shadow-copy-1}}\Windows\System32\{path}")];
    for (path, wanted_by) in [(r"winevt\Logs\Security.evtx", "event-log"), (r"config\SOFTWARE", "shadow-copy")] {
        let object = of_copy(path);
        assert_eq!((&object["method"], &object["wanted_by"]), (&"shadow_copy".into(), &vec![wanted_by].into()));
        assert_eq!(object["sha256"], objects[&format!(r"C:\Windows\System32\{path}")]["sha256"]);
    }
    for part in ["registrations", "assemblies", "host"] {
        assert_eq!(report[part], without[part], "{part}");
    }
    let ids = |report: &Value, list: &str| {
        report[list].as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<_>>()
    };
    for list in ["executions", "attempts"] {
        assert_eq!(ids(&report, list), ids(&without, list));
    }
    // The records of the copy are the same ones, so they stand beside those of the present logs.
    let timeline = std::fs::read_to_string(host.path("stick/with/timeline.jsonl")).unwrap();
    assert!(timeline.lines().any(|line| line.contains("other_sources") && line.contains("shadow-copy-1")));
}

/// Reference: Microsoft, *HandlerRoutine callback function*: 1 is Ctrl-Break, 2 the close of the console, 5 the end of the
/// session, 6 that of the system.
#[test]
#[cfg_attr(not(windows_program), ignore = "needs COMTRAIL_WINDOWS_EXE and Wine")]
fn a_closed_console_is_sealed_in_haste_and_ctrl_break_with_read_back() {
    let host = Host::new();
    for (event, in_haste) in [(1, false), (2, true), (5, true), (6, true)] {
        let (said, status, info) = host.told(event);
        assert!(said.contains("interrupted: sealing what was collected"), "{event}: {said}");
        assert_eq!(status, Some(2), "{event}: {said}");
        assert!(info.contains("Collector-Status: interrupted"), "{event}: {info}");
        assert_eq!(info.contains("Collector-Read-Back: skipped"), in_haste, "{event}: {info}");
    }
}
