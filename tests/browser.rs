//! report.html in Chromium, at 1280 and at 480 pixels and on paper.
//!
//! Ignored unless `COMTRAIL_FOREIGN_REQUIRED` demands it.

use super::program::{composite_host, comtrail, fixture_host, text};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Measures pages in frames of both widths and writes what it finds as JSON into its own document.
const MEASURE: &str = r#"<!doctype html><meta charset="utf-8"><title>measure</title><pre id="result"></pre><script>
const frames = WIDTHS.map(width => {
  const frame = document.createElement("iframe");
  frame.style.cssText = `width:${width}px;height:900px;border:0`;
  frame.src = "report.html";
  document.body.append(frame);
  return new Promise(done => frame.onload = () => done(frame));
});
Promise.all(frames).then(frames => {
  const measured = frames.map(frame => {
    const page = frame.contentDocument, view = frame.contentWindow, wide = frame.clientWidth;
    // What scrolls inside of its own box may be wider than the page.
    const scrolls = element => element && (/auto|scroll|hidden/.test(view.getComputedStyle(element).overflowX) || scrolls(element.parentElement));
    const visible = [...page.querySelectorAll("body *")].filter(element => element.getClientRects().length);
    const ids = [...page.querySelectorAll("[id]")].map(element => element.id);
    const links = [...page.querySelectorAll("a[href]")].map(link => link.getAttribute("href"));
    const box = element => { const r = element.getBoundingClientRect(); return [r.left, r.right]; };
    return {
      width: wide,
      page_width: page.documentElement.scrollWidth,
      outside: visible.filter(e => box(e)[1] > wide + 1 && !scrolls(e.parentElement)).slice(0, 5).map(e => e.outerHTML.slice(0, 200)),
      small: visible.filter(e => e.childNodes.length && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && !e.closest("svg") && parseFloat(view.getComputedStyle(e).fontSize) < 11).slice(0, 5).map(e => e.outerHTML.slice(0, 200)),
      headings: [...page.querySelectorAll("h1,h2")].map(e => e.textContent.trim()),
      pictures: page.querySelectorAll("svg").length,
      // Of each run the picture that is shown, and where its bar is: nothing of it has to be scrolled to.
      bars: visible.filter(e => e.matches("rect.bar, rect.open")).map(e => box(e)[0] >= 0 && box(e)[1] <= wide),
      marks: visible.filter(e => e.matches("svg a")).length,
      contents: view.getComputedStyle(page.querySelector("nav")).position,
      scripts: page.querySelectorAll("script").length,
      repeated_ids: ids.length - new Set(ids).size,
      broken: links.filter(link => !link.startsWith('#') || !page.getElementById(decodeURIComponent(link.slice(1)))),
      fetched: view.performance.getEntriesByType("resource").map(entry => entry.name),
    };
  });
  document.getElementById("result").textContent = JSON.stringify(measured);
});
</script>"#;

fn browser() -> PathBuf {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|path| path.is_file())
        .expect("Chromium on the PATH")
}

fn chromium(browser: &Path, profile: &Path, more: &[&str]) -> String {
    let output = Command::new(browser)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(more)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The report of a host, looked at in the browser.
fn look(browser: &Path, source: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("case");
    let output = comtrail(&["run", text(source), "-o", text(&case), "--quiet"]);
    assert!(matches!(output.status.code(), Some(0 | 2)), "{}", String::from_utf8_lossy(&output.stderr));
    let page = case.join("measure.html");
    std::fs::write(&page, MEASURE.replace("WIDTHS", "[1280, 480]")).unwrap();

    let url = format!("file://{}", page.display());
    let document = chromium(browser, folder.path(), &["--virtual-time-budget=20000", "--dump-dom", &url]);
    let result = document.split("<pre id=\"result\">").nth(1).and_then(|rest| rest.split("</pre>").next()).unwrap();
    let result = result.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let measured: Vec<Value> = serde_json::from_str(&result).unwrap_or_else(|error| panic!("{error}: {document}"));
    assert_eq!(measured.len(), 2);
    for view in &measured {
        let width = view["width"].as_u64().unwrap();
        assert!(view["page_width"].as_u64().unwrap() <= width, "the page scrolls sideways at {width}: {view:#}");
        for nothing in ["outside", "small", "broken", "fetched"] {
            assert_eq!(view[nothing], Value::Array(Vec::new()), "{nothing} at {width}");
        }
        assert_eq!((&view["scripts"], &view["repeated_ids"]), (&0.into(), &0.into()));
        assert!(view["pictures"].as_u64().unwrap() > 0, "no timeline picture");
        let bars = view["bars"].as_array().unwrap();
        assert!(!bars.is_empty() && bars.iter().all(|is_in_view| is_in_view == true), "bars at {width}: {bars:?}");
        assert!(view["marks"].as_u64().unwrap() > 0, "no mark of a picture leads anywhere");
        assert_eq!(view["contents"], if width > 1200 { "sticky" } else { "static" }, "the contents at {width}");
        assert!(view["headings"].as_array().unwrap().len() > 4, "{}", view["headings"]);
    }

    let paper = folder.path().join("report.pdf");
    let url = format!("file://{}", case.join("report.html").display());
    chromium(browser, folder.path(), &[&format!("--print-to-pdf={}", paper.display()), "--no-pdf-header-footer", &url]);
    let paper = std::fs::read(&paper).unwrap();
    assert!(paper.starts_with(b"%PDF-") && paper.len() > 20_000, "{} bytes", paper.len());
}

#[test]
#[cfg_attr(not(foreign), ignore = "needs programs of others: COMTRAIL_FOREIGN_REQUIRED=1")]
fn the_report_fits_wide_and_narrow_windows_and_paper() {
    look(&browser(), &fixture_host());
}

#[test]
#[cfg_attr(not(all(composite, foreign)), ignore = "needs COMTRAIL_COMPOSITE and Chromium: COMTRAIL_FOREIGN_REQUIRED=1")]
fn the_report_of_a_real_host_fits_as_well() {
    look(&browser(), &composite_host());
}
