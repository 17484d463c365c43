// Package browser opens pages in Debian's Chromium, as a user would.
package browser

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"assay/check/testkit"
)

// A Browser is one process of Chromium, until the end of the test.
type Browser struct{ ctx context.Context }

// Start starts Chromium. Without it, the test is skipped or fails as testkit.Missing says.
func Start(t testing.TB) *Browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		testkit.Missing(t, "chromium: %v; make deps installs it", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-background-networking", true))
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return &Browser{ctx}
}

// A Tab shows one page at a time. Its methods fail the test.
type Tab struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	requests []string
	problems []string
}

// Options say how a tab shows pages. The zero value is a light screen of a computer.
type Options struct {
	Width, Height int64
	Dark          bool
	Print         bool // the style for paper
	NoScript      bool
}

// Tab opens a tab with a profile of its own.
func (b *Browser) Tab(t testing.TB, o Options) *Tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	tab := &Tab{t: t, ctx: ctx}
	if o.Width == 0 {
		o.Width, o.Height = 1280, 900
	}
	scheme, media := "light", ""
	if o.Dark {
		scheme = "dark"
	}
	if o.Print {
		media = "print"
	}
	tab.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		if _, err := cdp.Call(ctx, target, performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks}); err != nil {
			return err
		}
		if _, err := cdp.Call(ctx, target, log.Enable, cdp.Empty{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Media: media, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		if err == nil && o.NoScript {
			_, err = cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		}
		return err
	}), chromedp.EmulateViewport(o.Width, o.Height))
	if err := chromedp.Listen(ctx, tab.note); err != nil {
		t.Fatal(err)
	}
	return tab
}

// note keeps requests, and what the browser complains about.
func (tab *Tab) note(event any) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, "data:") {
			tab.requests = append(tab.requests, e.Request.Method+" "+e.Request.URL)
		}
	case *log.EventEntryAdded:
		tab.problems = append(tab.problems, e.Entry.Text)
	case *runtime.EventExceptionThrown:
		tab.problems = append(tab.problems, e.ExceptionDetails.Text)
	case *page.EventJavascriptDialogOpening:
		tab.problems = append(tab.problems, "dialog: "+e.Message)
	}
}

func (tab *Tab) do(steps ...chromedp.Action[chromedp.Void]) {
	tab.t.Helper()
	if err := chromedp.Do(tab.ctx, steps...); err != nil {
		tab.t.Fatal(err)
	}
}

// Open shows an address.
func (tab *Tab) Open(address string) {
	tab.t.Helper()
	tab.do(chromedp.Navigate(address))
}

// OpenFile shows a page from a file on the disk.
func (tab *Tab) OpenFile(html []byte) {
	tab.t.Helper()
	path := filepath.Join(tab.t.TempDir(), "page.html")
	if err := os.WriteFile(path, html, 0o600); err != nil {
		tab.t.Fatal(err)
	}
	tab.Open("file://" + path)
}

// Eval returns the value of a JavaScript expression.
func Eval[T any](tab *Tab, expression string) T {
	tab.t.Helper()
	value, err := chromedp.Run(tab.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		tab.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// Wait waits until a JavaScript expression is true, for at most ten seconds.
func (tab *Tab) Wait(expression string) {
	tab.t.Helper()
	for end := time.Now().Add(10 * time.Second); !Eval[bool](tab, expression); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			tab.t.Fatalf("%s is not true after ten seconds", expression)
		}
	}
}

// Text returns the text of the page as it is shown.
func (tab *Tab) Text() string {
	tab.t.Helper()
	Eval[bool](tab, drawAll)
	return Eval[string](tab, "document.body.innerText")
}

// Type enters text into the first element that a CSS selector finds.
func (tab *Tab) Type(selector, text string) {
	tab.t.Helper()
	tab.do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Click clicks the first element that a CSS selector finds, and waits for the page that
// this opens.
func (tab *Tab) Click(selector string) {
	tab.t.Helper()
	if _, err := chromedp.RunResponse(tab.ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		tab.t.Fatal(err)
	}
}

// drawAll draws also what is outside the screen, which "content-visibility: auto" leaves out.
const drawAll = `document.querySelectorAll("*").forEach(e => {
	if (getComputedStyle(e).contentVisibility === "auto") e.style.contentVisibility = "visible"
}), true`

// Shot returns a picture of the whole page as PNG. With the variable SHOTS, it is also
// written to that folder.
func (tab *Tab) Shot(name string) []byte {
	tab.t.Helper()
	Eval[bool](tab, drawAll)
	png, err := chromedp.Run(tab.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		tab.t.Fatal(err)
	}
	tab.keep(name+".png", png)
	return png
}

// PDF prints the page.
func (tab *Tab) PDF(name string) []byte {
	tab.t.Helper()
	pdf, err := chromedp.Run(tab.ctx, chromedp.PrintToPDF(chromedp.PDFPreferCSSPageSize()))
	if err != nil {
		tab.t.Fatal(err)
	}
	tab.keep(name+".pdf", pdf)
	return pdf
}

func (tab *Tab) keep(name string, content []byte) {
	if dir := os.Getenv("SHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			tab.t.Error(err)
		}
	}
}

// Requests returns the requests so far as "GET http://…", without those for data URLs.
func (tab *Tab) Requests() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return append([]string(nil), tab.requests...)
}

// Problems returns what the browser complained about: blocked scripts, exceptions, dialogs.
func (tab *Tab) Problems() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return append([]string(nil), tab.problems...)
}

// CPU returns the processor time that the thread of the page has used.
func (tab *Tab) CPU() time.Duration {
	tab.t.Helper()
	var seconds float64
	tab.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		got, err := cdp.Call(ctx, target, performance.GetMetrics, cdp.Empty{})
		for _, m := range got.Metrics {
			if m.Name == "ThreadTime" {
				seconds = m.Value
			}
		}
		return err
	}))
	return time.Duration(seconds * float64(time.Second))
}

// LoadTime returns how long the page took from the request until it was loaded.
func (tab *Tab) LoadTime() time.Duration {
	tab.t.Helper()
	raw := Eval[json.Number](tab, "performance.getEntriesByType('navigation')[0].loadEventEnd")
	ms, err := raw.Float64()
	if err != nil {
		tab.t.Fatal(err)
	}
	return time.Duration(ms * float64(time.Millisecond))
}
