package html_test

import (
	"fmt"
	"strings"
	"testing"

	"assay/check/testkit/browser"
	"assay/check/testkit/reporttest"
	"assay/service/report/html"
)

// open shows a report from a file, and fails if it asks for anything else or if the browser
// complains.
func open(t *testing.T, b *browser.Browser, o browser.Options, page []byte) *browser.Tab {
	t.Helper()
	tab := b.Tab(t, o)
	tab.OpenFile(page)
	if all := tab.Requests(); len(all) != 1 || !strings.HasPrefix(all[0], "GET file://") {
		t.Errorf("the page makes the requests %q", all)
	}
	if all := tab.Problems(); len(all) > 0 {
		t.Errorf("the browser says %q", all)
	}
	return tab
}

// A person opens a report from a disk on every kind of screen and paper. No text is cut off
// at the side.
func TestScreens(t *testing.T) {
	b := browser.Start(t)
	for name, o := range map[string]browser.Options{
		"light": {}, "dark": {Dark: true}, "phone": {Width: 360, Height: 740}, "phone-dark": {Width: 360, Height: 740, Dark: true},
		"print": {Print: true, Width: 720, Height: 1000}, "no-script": {NoScript: true},
	} {
		t.Run(name, func(t *testing.T) {
			tab := open(t, b, o, reporttest.Render(t, html.Format(), example()))
			text := tab.Text()
			for _, want := range []string{"7 of 2,041 findings fail the build", "14 of 143 packages were not evaluated", "RUN apt-get update && apt-get install", "CVE-2023-4911"} {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not shown", want)
				}
			}
			if wide := browser.Eval[int](tab, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); wide > 0 {
				t.Errorf("the page is %d pixels wider than the screen", wide)
			}
			if o.NoScript && browser.Eval[bool](tab, `document.getElementById("words").offsetParent !== null`) {
				t.Error("the filter is shown, which needs a script")
			}
			if contrast := browser.Eval[string](tab, lowContrast); contrast != "" {
				t.Errorf("text with a contrast below 4.5: %s", contrast)
			}
			tab.Shot(name)
			if o.Print && !strings.HasPrefix(string(tab.PDF(name)), "%PDF-") {
				t.Error("it cannot be printed")
			}
		})
	}
}

// lowContrast finds text whose contrast is below the 4.5 of WCAG 2 AA.
const lowContrast = `(() => {
	const luminance = (c) => c.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const rgb = (s) => s.match(/[0-9.]+/g).map(Number);
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const style = getComputedStyle(e);
			if (style.backgroundImage.includes("rgb")) return rgb(style.backgroundImage).slice(0, 3);
			const c = rgb(style.backgroundColor);
			if (c.length === 3 || c[3] > 0) return c.slice(0, 3);
		}
		return [255, 255, 255];
	};
	const bad = new Set();
	for (const e of document.querySelectorAll("main *")) {
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
		const [a, b] = [luminance(rgb(getComputedStyle(e).color).slice(0, 3)), luminance(behind(e))];
		const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (contrast < 4.5) bad.add(e.tagName + "." + e.className + " " + contrast.toFixed(2));
	}
	return [...bad].join(", ");
})()`

// A reader of the page by ear finds one title, ordered headings, and the scope of each column.
func TestAccessible(t *testing.T) {
	tab := open(t, browser.Start(t), browser.Options{}, reporttest.Render(t, html.Format(), example()))
	for what, expression := range map[string]string{
		"language":              `document.documentElement.lang === "en"`,
		"one main, one h1":      `document.querySelectorAll("main").length === 1 && document.querySelectorAll("h1").length === 1`,
		"no skipped heading":    `(() => { let last = 0; for (const h of document.querySelectorAll("h1,h2,h3,h4")) { const n = +h.tagName[1]; if (n > last + 1) return false; last = n } return true })()`,
		"a scope of each th":    `[...document.querySelectorAll("th")].every((th) => th.scope === "col" || th.scope === "row")`,
		"a head of each table":  `[...document.querySelectorAll("table")].every((t) => t.tHead)`,
		"a label of each input": `[...document.querySelectorAll("input,select")].every((e) => e.labels.length === 1)`,
		"no id twice":           `(() => { const ids = [...document.querySelectorAll("[id]")].map((e) => e.id); return new Set(ids).size === ids.length })()`,
	} {
		if !browser.Eval[bool](tab, expression) {
			t.Errorf("%s: false", what)
		}
	}
}

// The filter shows the findings with all words, opens their sections, and says how many.
func TestFilter(t *testing.T) {
	tab := open(t, browser.Start(t), browser.Options{}, reporttest.Render(t, html.Format(), example()))
	rows := `[...document.querySelectorAll(".findings tbody tr")].filter((r) => r.checkVisibility()).length`
	if n := browser.Eval[int](tab, rows); n != 5 {
		t.Errorf("%d findings are shown at first", n)
	}
	tab.Type("#words", "OpenSSL keys")
	tab.Wait(`document.getElementById("shown").textContent === "1 shown"`)
	if n := browser.Eval[int](tab, rows); n != 1 || !strings.Contains(tab.Text(), "CVE-2023-5678") {
		t.Errorf("%d findings are shown for the words", n)
	}
	if !browser.Eval[bool](tab, `(() => { const w = document.getElementById("words"), s = document.getElementById("severity");
		w.value = ""; s.value = "critical"; s.dispatchEvent(new Event("change")); return document.getElementById("shown").textContent === "2 shown" })()`) {
		t.Errorf("the filter by severity says %q", browser.Eval[string](tab, `document.getElementById("shown").textContent`))
	}
	why := `[...document.querySelectorAll(".why")].filter((p) => p.checkVisibility()).length`
	if n := browser.Eval[int](tab, why); n != 0 {
		t.Errorf("%d comparisons are shown at first", n)
	}
	browser.Eval[bool](tab, `document.getElementById("why").click(), true`)
	if n := browser.Eval[int](tab, why); n != 2 {
		t.Errorf("%d comparisons are shown", n)
	}
}

// Nothing in an image or a feed becomes an element, a script or an address.
func TestHostilePage(t *testing.T) {
	b := browser.Start(t)
	elements := func(tab *browser.Tab) string {
		return browser.Eval[string](tab, `[...new Set([...document.querySelectorAll("*")].map((e) => e.tagName + [...e.attributes].map((a) => a.name).sort().join()))].sort().join(" ")`)
	}
	harmless := elements(open(t, b, browser.Options{}, reporttest.Render(t, html.Format(), hostile("x"))))
	for i, attack := range attacks {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			tab := open(t, b, browser.Options{}, reporttest.Render(t, html.Format(), hostile(attack)))
			if browser.Eval[bool](tab, "'hit' in window") {
				t.Errorf("%q executes", attack)
			}
			for _, element := range strings.Fields(elements(tab)) {
				if !strings.Contains(" "+harmless+" ", " "+element+" ") {
					t.Errorf("%q makes the element %s", attack, element)
				}
			}
			if bad := browser.Eval[string](tab, `[...document.querySelectorAll("a")].map((a) => a.href).filter((h) => !h.startsWith("https://")).join()`); bad != "" {
				t.Errorf("%q makes the address %q", attack, bad)
			}
		})
	}
	tab := open(t, b, browser.Options{}, reporttest.Render(t, html.Format(), reporttest.Rules(t)))
	tab.Shot("rules")
}

// A large report opens at once. The times are logged, and not compared: other programs use
// the machine, too.
func TestLarge(t *testing.T) {
	page := reporttest.Render(t, html.Format(), large(4500))
	tab := open(t, browser.Start(t), browser.Options{}, page)
	if n := browser.Eval[int](tab, `document.querySelectorAll(".findings tbody tr").length`); n != 4500 {
		t.Errorf("the page has %d findings", n)
	}
	t.Logf("4,500 findings, %d KiB: loaded after %v, %v of CPU in the page", len(page)>>10, tab.LoadTime(), tab.CPU())
}
