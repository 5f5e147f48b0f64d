# Checks on a real Windows machine what Wine cannot show. One line a check: ok, FAILED or unknown, what, and why.
#   powershell -ExecutionPolicy Bypass -File selftest.ps1 -Program .\comtrail.exe -Destination E:\selftest
# Run as administrator. It collects twice into Destination, which must not be on the system volume; the second time a shadow
# copy of the system volume is made and removed. It changes nothing else.
param([Parameter(Mandatory)][string]$Program, [Parameter(Mandatory)][string]$Destination)
$ErrorActionPreference = 'Stop'
$failed = 0
function Say([string]$state, [string]$what, [string]$why = '') {
  if ($state -eq 'FAILED') { $script:failed++ }
  Write-Output ("{0,-8} {1}{2}" -f $state, $what, $(if ($why) { ": $why" } else { '' }))
}
function Check([string]$what, [scriptblock]$test) {
  try { $answer = & $test; if ($answer -eq $true) { Say ok $what } else { Say FAILED $what "$answer" } }
  catch { Say FAILED $what $_.Exception.Message }
}

$admin = ([Security.Principal.WindowsPrincipal][Security.Principal.WindowsIdentity]::GetCurrent()).IsInRole('Administrators')
if (-not $admin) { Say unknown 'everything below' 'not started as administrator'; exit 2 }
$Program = (Resolve-Path $Program).Path
$case = Join-Path $Destination 'case'
New-Item -ItemType Directory -Force $Destination | Out-Null

# A child with a known command line and a held-open file, to be found again.
$marker = "comtrail-selftest-$PID"
$child = Start-Process cmd.exe -ArgumentList "/c rem $marker & timeout /t 600 /nobreak >nul" -WindowStyle Hidden -PassThru
$before = Get-ChildItem "$env:SystemDrive\" -Force | ForEach-Object { $_.FullName } | Sort-Object

& $Program run live -o $case --quiet 2>"$Destination\errors.txt"
$status = $LASTEXITCODE
Check "the collection ends with 0 or 2" { if ($status -in 0, 2) { $true } else { "status $status; see errors.txt" } }
Check "verify accepts the bundle" { & $Program verify (Get-ChildItem "$case\*.zip").FullName --quiet; if ($LASTEXITCODE -eq 0) { $true } else { "status $LASTEXITCODE" } }

Add-Type -AssemblyName System.IO.Compression.FileSystem
$zip = [IO.Compression.ZipFile]::OpenRead((Get-ChildItem "$case\*.zip").FullName)
function Member([string]$end) { $zip.Entries | Where-Object { $_.FullName.EndsWith($end) } | Select-Object -First 1 }
function Lines([string]$end) {
  $entry = Member $end
  if (-not $entry) { throw "the bundle has no $end" }
  $reader = [IO.StreamReader]::new($entry.Open()); $text = $reader.ReadToEnd(); $reader.Dispose()
  $text -split "`n" | Where-Object { $_ } | ForEach-Object { $_ | ConvertFrom-Json }
}
Check "a process is listed with its command line" {
  $one = Lines 'live/processes.jsonl' | Where-Object { $_.pid -eq $child.Id }
  if ($one.command_line -like "*$marker*") { $true } else { "pid $($child.Id): $($one.command_line)" }
}
Check "its account is the one that started it" {
  $one = Lines 'live/processes.jsonl' | Where-Object { $_.pid -eq $child.Id }
  $sid = [Security.Principal.WindowsIdentity]::GetCurrent().User.Value
  if ($one.user -eq $sid) { $true } else { "$($one.user), not $sid" }
}
Check "every process of the system is listed" {
  $listed = (Lines 'live/processes.jsonl' | Select-Object -Skip 1).pid
  $missing = Get-Process | Where-Object { $_.StartTime -and $_.StartTime -lt (Get-Item $case).CreationTime -and $_.Id -notin $listed }
  if (-not $missing) { $true } else { "missing: $($missing.Id -join ', ')" }
}
Check "established connections have an owner" {
  $lines = Lines 'live/connections.jsonl' | Select-Object -Skip 1 | Where-Object { $_.state -eq 'established' }
  if (-not $lines -or ($lines | Where-Object { $_.pid -gt 0 })) { $true } else { 'none has one' }
}
Check "the resolver's cache was read" {
  $head = Lines 'live/dns-cache.jsonl' | Select-Object -First 1
  if ($head.answer -eq 'ok') { $true } else { $head.answer | ConvertTo-Json -Compress }
}
Check "logon sessions were read" {
  $head = Lines 'live/sessions.jsonl' | Select-Object -First 1
  if ($head.answer -eq 'ok' -and $head.lines -gt 0) { $true } else { $head.answer | ConvertTo-Json -Compress }
}
Check "the event log service exported Security" { if (Member 'service/Security.evtx') { $true } else { 'it is not in the bundle' } }
Check "locked hives were read raw" {
  $system = Lines 'metadata/objects.jsonl' | Where-Object { $_.original_path -like '*\config\SYSTEM' }
  if ($system.method -eq 'raw_ntfs' -and $system.status -eq 'complete') { $true } else { "$($system.method), $($system.status)" }
}
Check "every scheduled task that Windows shows is listed" {
  $listed = (Lines 'live/tasks.jsonl' | Select-Object -Skip 1).path
  $missing = Get-ScheduledTask | Where-Object { ($_.TaskPath + $_.TaskName) -notin $listed }
  if (-not $missing) { $true } else { "missing: $(($missing | ForEach-Object { $_.TaskPath + $_.TaskName }) -join ', ')" }
}
Check "a program that runs has its hash" {
  $image = (Get-Process -Id $PID).Path
  $line = Lines 'live/images.jsonl' | Where-Object { $_.path -eq $image }
  if ($line.sha256 -eq (Get-FileHash $image).Hash) { $true } else { "$image`: $($line.sha256) $($line.read_error)" }
}
$zip.Dispose()
& $Program collect live -o "$Destination\copy.zip" --make-shadow-copy --quiet 2>"$Destination\errors-copy.txt"
$zip = [IO.Compression.ZipFile]::OpenRead("$Destination\copy.zip")
Check "a shadow copy was made, read and removed" {
  $actions = Lines 'metadata/actions.jsonl' | Where-Object { $_.action -in 'make', 'remove' }
  $said = ($actions | ForEach-Object { "$($_.action) $($_.result)" }) -join ', '
  if ($said -ne 'make ok, remove ok') { "the action log says: $said" }
  elseif ((vssadmin list shadows) -match ($actions[0].object -replace '.*(\{.*?\}).*', '$1').Trim('{}')) { 'it is still there' }
  else { $true }
}
$zip.Dispose()
Check "the system counted what was written" {
  $footprint = Get-Content "$case\footprint.json" -Raw | ConvertFrom-Json
  if ($footprint.bytes_written -gt 0) { $true } else { 'it did not count' }
}
Check "nothing new stands in the root of the system volume" {
  $after = Get-ChildItem "$env:SystemDrive\" -Force | ForEach-Object { $_.FullName } | Sort-Object
  $new = Compare-Object $before $after
  if (-not $new) { $true } else { ($new | ForEach-Object { $_.InputObject }) -join ', ' }
}
Check "a destination on the system volume is refused" {
  & $Program run live -o "$env:SystemDrive\comtrail-selftest" --quiet 2>$null
  if ($LASTEXITCODE -eq 1 -and -not (Test-Path "$env:SystemDrive\comtrail-selftest")) { $true } else { "status $LASTEXITCODE" }
}
Stop-Process -Id $child.Id -ErrorAction SilentlyContinue
if ($failed) { exit 1 }
