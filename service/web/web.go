// Package web has the pages of the service for people: the report of a scan, opened by its
// link or with a token.
//
//	GET  /r/SCAN          a form that asks for a token
//	POST /r/SCAN          the report, with the token of the form
//	GET  /r/SCAN/SECRET   the report, by a link of package links
//
// A page sets no cookie, and requests nothing from any host. A token is never part of an
// address. The pages say the same about a scan that does not exist and one that may not be
// read.
package web

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"assay/service/httpserver"
	"assay/service/links"
	"assay/service/report"
	"assay/service/report/html"
	"assay/service/store"
)

// A Store is what the pages need of store.Store.
type Store interface {
	FindScan(ctx context.Context, id string) (store.Scan, store.Sizes, error)
	ScanVerdict(ctx context.Context, id string) ([]byte, error)
}

// A Config configures the pages.
type Config struct {
	Store Store
	// Links checks links.
	Links *links.Links
	// PublicURL is the address of the service for people, without a slash at the end.
	PublicURL string
	// Version is the version of assayd, for reports.
	Version string
}

type pages struct {
	Config
	server *httpserver.Server
	origin *http.CrossOriginProtection
}

// Handle adds the pages to a server.
func Handle(s *httpserver.Server, c Config) error {
	p := &pages{Config: c, server: s, origin: http.NewCrossOriginProtection()}
	// A proxy may send another host than the one that the browser sees.
	public, err := url.Parse(c.PublicURL)
	if err != nil {
		return fmt.Errorf("parse the public URL: %w", err)
	}
	if err := p.origin.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
		return fmt.Errorf("trust the public URL: %w", err)
	}
	s.Handle("GET /r/{scan}", p.ask)
	s.Handle("POST /r/{scan}", p.handle(p.open))
	s.Handle("GET /r/{scan}/{secret}", p.handle(p.link))
	return nil
}

// handle returns a handler that answers with a page for the error of h.
func (p *pages) handle(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if errors.Is(err, links.ErrRefused) {
			p.write(w, http.StatusNotFound, message{Title: "This link does not open a report.", Scan: url.PathEscape(r.PathValue("scan")), Text: []string{
				"It has expired, was revoked or is not complete, or its scan is not stored any more.",
			}})
			return
		}
		if err == nil {
			return
		}
		problem := p.server.ProblemOf(w, r, err)
		m := message{Title: "The report was not opened.", Text: []string{report.Sentence(problem.What, maxText)}, Scan: url.PathEscape(r.PathValue("scan"))}
		if m.Form = r.Method == http.MethodPost; m.Form && problem.Status == http.StatusUnauthorized {
			m.Text = append(m.Text, "Enter the whole token. It begins with assay_.")
		}
		p.write(w, problem.Status, m)
	}
}

// ask answers with the form, whether the scan exists or not.
func (p *pages) ask(w http.ResponseWriter, _ *http.Request) {
	p.write(w, http.StatusOK, message{Title: "This report needs a token.", Form: true, Text: []string{
		"A token reads its own scans. One with the scope read reads all scans of its project.",
	}})
}

// maxText is the most runes of a text of an error.
const maxText = 300

// maxForm bounds the bytes of the form. A JWT of a CI system has a few thousand.
const maxForm = 16 << 10

// formTime bounds how long the form may arrive.
const formTime = 10 * time.Second

// open answers with the report of a scan that the token of the form may read.
func (p *pages) open(w http.ResponseWriter, r *http.Request) error {
	if err := p.origin.Check(r); err != nil {
		return httpserver.Problem{Status: http.StatusForbidden, What: "another site sent this form", Hint: "enter the token here"}
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(formTime)) // in tests without a connection there are none
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return httpserver.Problem{Status: http.StatusBadRequest, What: "the form cannot be read", Hint: "enter the token again"}
	}
	t, err := p.server.AuthenticateSecret(w, r, r.PostForm.Get("token"), "enter a token")
	if err != nil {
		return err
	}
	id := r.PathValue("scan")
	scan, sizes, err := p.Store.FindScan(r.Context(), id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err != nil || !httpserver.MayRead(t, scan) {
		return httpserver.Problem{Status: http.StatusNotFound, What: fmt.Sprintf("no scan %q that this token may read", id), Hint: "a token reads its own scans; one with the scope read reads all of its project"}
	}
	return p.report(w, r, t, scan, sizes)
}

// link answers with the report of a link.
func (p *pages) link(w http.ResponseWriter, r *http.Request) error {
	secure(w.Header(), html.Policy()) // whatever is answered
	scan, sizes, err := p.Links.Check(r.Context(), r.PathValue("scan"), r.PathValue("secret"))
	if err != nil {
		return err
	}
	if err := p.server.Limit("link "+scan.ID, "with this link"); err != nil {
		return err
	}
	// The readers of links have one share of the limits, and not that of a project: they must
	// not keep its builds waiting.
	return p.report(w, r, store.Token{ID: "links"}, scan, sizes)
}

// reportNeed returns the memory to decode and render a verdict of size bytes.
func reportNeed(size int64) int64 { return 64<<10 + 10*size }

// report answers with the report of a scan. owner is whose share of the limits it takes.
func (p *pages) report(w http.ResponseWriter, r *http.Request, owner store.Token, scan store.Scan, sizes store.Sizes) error {
	httpserver.LogScan(w, scan.ID)
	memory := p.server.WorkMemory(owner)
	defer memory.Free()
	text, err := p.render(r.Context(), owner, scan, sizes, memory)
	if err != nil {
		return err
	}
	memory.Resize(int64(cap(text)))
	secure(w.Header(), html.Policy())
	httpserver.Send(w, html.Format().Type, text)
	return nil
}

func (p *pages) render(ctx context.Context, owner store.Token, scan store.Scan, sizes store.Sizes, memory *httpserver.Lease) ([]byte, error) {
	slot, err := p.server.Slot(ctx, owner)
	if err != nil {
		return nil, err
	}
	defer slot.Free()
	if err := memory.Reserve(ctx, reportNeed(sizes.Verdict)); err != nil {
		return nil, err
	}
	text, err := p.Store.ScanVerdict(ctx, scan.ID)
	if err != nil {
		return nil, err
	}
	s := report.Scan{At: scan.At, PublicURL: p.PublicURL, Service: p.Version}
	if err := json.Unmarshal(text, &s.Verdict); err != nil {
		return nil, fmt.Errorf("decode the verdict of scan %q: %w", scan.ID, err)
	}
	var b bytes.Buffer
	err = html.Render(&b, s)
	return b.Bytes(), err
}

// secure sets the headers that keep a page to itself.
func secure(h http.Header, policy string) {
	h.Set("Content-Security-Policy", policy+"; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

//go:embed page.gohtml
var gohtml string

var page = template.Must(template.New("page").Parse(gohtml))

// A message is a page that is not a report.
type message struct {
	Title string
	Text  []string
	Form  bool   // it asks for a token
	Scan  string // escaped; without Form, the page leads to that of this scan with the form
}

// write answers with a message.
func (p *pages) write(w http.ResponseWriter, status int, m message) {
	policy := html.Policy()
	if m.Form {
		policy = html.FormPolicy()
	}
	secure(w.Header(), policy)
	if m.Form {
		// With no-referrer a browser hides from which site it sends the form.
		w.Header().Set("Referrer-Policy", "same-origin")
	}
	var b bytes.Buffer
	err := page.Execute(&b, struct {
		message
		Policy string
		CSS    template.CSS
	}{m, policy, template.CSS(html.CSS())})
	if err != nil { // a mistake in this program
		http.Error(w, "the service could not answer", http.StatusInternalServerError)
		return
	}
	httpserver.WriteBody(w, status, html.Format().Type, b.Bytes())
}
