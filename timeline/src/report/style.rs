//! The look of the report: calm, readable on a screen of any width, in the dark and on paper.

/// The whole style sheet.
pub(super) const STYLE: &str = "
:root{--ink:#1d2127;--soft:#59616d;--line:#d8dce2;--paper:#fff;--panel:#f5f6f8;--yes:#a3201d;--no:#1c6b3c;--unknown:#8a5a00;--link:#1f4f94}
@media (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#a0a8b4;--line:#3a404a;--paper:#16191d;--panel:#1f2329;--yes:#ff8d87;--no:#7fd19b;--unknown:#f0bf5e;--link:#8fb8f2}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,'Segoe UI',sans-serif}
header,main{max-width:72rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:2rem;border-bottom:3px solid var(--ink)}
h1{font-size:2rem;margin:.1rem 0;overflow-wrap:anywhere}
h2{font-size:1.3rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line);padding-bottom:.3rem}
h3{font-size:1.05rem;margin:.2rem 0 .5rem;overflow-wrap:anywhere}
.kind,.facts{color:var(--soft);margin:.2rem 0}.facts:last-child{margin-bottom:1rem}
.answer p{font-size:1.1rem;margin:.4rem 0}.answer .note{font-size:.9rem}
.note,.none{color:var(--soft)}
a{color:var(--link)}a.cite{font-size:.8em;text-decoration:none;margin-right:.15em}
code,time{font-family:ui-monospace,Consolas,monospace;font-size:.88em;overflow-wrap:anywhere;white-space:pre-wrap}
.hash{color:var(--soft);font-size:.78em}
dl{display:grid;grid-template-columns:minmax(7rem,11rem) 1fr;gap:.25rem 1rem;margin:.6rem 0}
dt{color:var(--soft)}dd{margin:0;min-width:0;overflow-wrap:anywhere}
article{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.8rem 1rem;margin:.8rem 0}
.verdict{background:var(--panel);border-left:4px solid var(--ink);padding:.7rem 1rem;margin:.6rem 0}
.yes{color:var(--yes);font-weight:600}.no{color:var(--no);font-weight:600}.unknown{color:var(--unknown);font-weight:600}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th{text-align:left;color:var(--soft);font-weight:600}
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td code,td time{font-size:.92em}
details{margin:.5rem 0}summary{cursor:pointer;overflow-wrap:anywhere}
.events{padding-left:1.6rem}.events li,.citations li{margin:.2rem 0;overflow-wrap:anywhere}
.class{color:var(--soft);font-variant:small-caps}
td time{white-space:nowrap}
svg{display:block;width:100%;min-width:40rem;height:auto;margin:.8rem 0}
svg text{fill:var(--ink);font:12px system-ui,sans-serif}svg .soft{fill:var(--soft)}svg .axis{stroke:var(--line)}
svg .bar{fill:var(--link)}svg .mark{fill:var(--yes)}
@media (max-width:40rem){dl{grid-template-columns:1fr;gap:0}dt{margin-top:.5rem;font-size:.85rem}h1{font-size:1.5rem}header,main{padding:0 .8rem}header{padding-top:1rem}}
@media print{:root{--ink:#000;--soft:#444;--line:#bbb;--paper:#fff;--panel:#fff;--yes:#000;--no:#000;--unknown:#000;--link:#000}body{font-size:10pt}section.run{break-before:page}article,tr{break-inside:avoid}a{text-decoration:none}}
";
