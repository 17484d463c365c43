package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"assay/service/httpserver"
	"assay/service/report"
	"assay/service/report/formats"
	"assay/service/store"
	"assay/verdict"
)

// maxReports bounds the reports that one scan may ask for.
const maxReports = 32

// wanted returns the formats of the reports that a scan asks for, each once.
func wanted(r *http.Request) ([]string, error) {
	var names []string
	for _, name := range r.URL.Query()["report"] {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) > maxReports {
		return nil, httpserver.Problem{Status: http.StatusBadRequest, What: fmt.Sprintf("more than %d reports are asked for", maxReports), Hint: hintFormats()}
	}
	return names, nil
}

func hintFormats() string { return "use one of " + strings.Join(formats.Names(), ", ") }

// An answered scan is its verdict as JSON, and what reports of it need.
type answered struct {
	verdict  []byte
	at       time.Time
	document []byte
	kept     store.Scan // without an ID if it is not stored
}

// complete returns the answer to a scan: its verdict, with warnings and with the reports
// that it asks for. They are its last fields, and are not stored.
//
// A report that cannot be rendered does not change the verdict. The answer has a warning
// in its place, and the client decides what that means.
func (a *api) complete(s answered, warnings []verdict.Warning, names []string, memory *httpserver.Lease) ([]byte, error) {
	if len(names) == 0 {
		return addWarnings(s.verdict, warnings)
	}
	scan := report.Scan{At: s.at, PublicURL: a.PublicURL, Service: a.Version}
	// Twice: for the decoded verdict, and for what the formats make of it.
	if err := memory.Grow(2 * reportTimes * int64(len(s.verdict))); err != nil {
		return a.withoutReports(s, warnings, err)
	}
	if err := json.Unmarshal(s.verdict, &scan.Verdict); err != nil {
		return nil, fmt.Errorf("decode the verdict to report: %w", err)
	}
	reports := limited{memory: memory, left: verdict.MaxAnswer - maxWarnings - len(s.verdict)}
	for _, name := range names {
		err := reports.render(name, &scan, s.document)
		if isBusy(err) {
			return nil, err // the client sends the scan again
		}
		if err != nil {
			a.Log.Warn("a report could not be rendered", "format", name, "scan", scan.Verdict.Scan, "err", err)
			warnings = append(warnings, missing(name, err))
		}
	}
	text, err := addWarnings(s.verdict, warnings)
	if err != nil || len(reports.fields) == 0 {
		return text, err
	}
	object, ok := bytes.CutSuffix(text, []byte("}"))
	if !ok {
		return text, nil
	}
	if err := reports.reserve(len(text)); err != nil {
		return a.withoutReports(s, warnings, err)
	}
	whole := slices.Concat(object, []byte(`,"reports":{`), reports.fields, []byte("}}"))
	return whole, nil
}

// maxWarnings is the room for warnings and field names in an answer, in bytes.
const maxWarnings = 64 << 10

// withoutReports answers a scan without any report, because there is no memory for them.
func (a *api) withoutReports(s answered, warnings []verdict.Warning, cause error) ([]byte, error) {
	if isBusy(cause) {
		return nil, cause // the client sends the scan again
	}
	a.Log.Warn("no report could be rendered", "err", cause)
	return addWarnings(s.verdict, append(warnings, verdict.Warning{Text: "the reports are missing: " + cause.Error()}))
}

// isBusy reports whether an error asks the client to try again later.
func isBusy(err error) bool {
	p, ok := errors.AsType[httpserver.Problem](err)
	return ok && p.Status == http.StatusServiceUnavailable
}

// missing is the warning about a report that could not be rendered.
func missing(name string, cause error) verdict.Warning {
	w := verdict.Warning{Text: fmt.Sprintf("the report %.20q is missing: it could not be rendered", name), Hint: "see the log of the service"}
	switch {
	case errors.Is(cause, errNoFormat):
		w.Text, w.Hint = fmt.Sprintf("the report %.20q is missing: the service does not have this format", name), hintFormats()
	case errors.Is(cause, errTooLong):
		w.Text, w.Hint = fmt.Sprintf("the report %.20q is missing: the answer would be larger than %d MiB", name, verdict.MaxAnswer>>20), "ask for fewer formats at once"
	}
	return w
}

var (
	errNoFormat = errors.New("unknown format")
	errTooLong  = errors.New("the answer is too large")
)

// limited collects reports as the fields of a JSON object. It reserves memory for them,
// and does not let them become larger than the client accepts.
type limited struct {
	memory  *httpserver.Lease
	held    int          // of memory
	left    int          // bytes of the answer that are free
	decoded bool         // the inventory
	text    bytes.Buffer // the report that is being rendered
	fields  []byte
}

// render renders a report of a scan and adds it. It decodes the document into the scan if
// the format needs it.
func (l *limited) render(name string, scan *report.Scan, document []byte) error {
	format, ok := formats.Find(name)
	if !ok {
		return errNoFormat
	}
	if format.Inventory && !l.decoded {
		if err := l.memory.Grow(inventoryNeed(int64(len(document)))); err != nil {
			return err
		}
		sent, err := readDocument(document)
		if err != nil {
			return fmt.Errorf("decode the inventory to report: %w", err)
		}
		scan.Sent = sent
		l.decoded = true
	}
	l.text.Reset()
	if err := format.Render(l, *scan); err != nil {
		return err
	}
	return l.add(name)
}

// reserve reserves memory for n more bytes than there are.
func (l *limited) reserve(n int) error {
	const copies = 3 // a buffer that grows is copied
	need := copies * (l.text.Len() + len(l.fields) + n)
	if need <= l.held {
		return nil
	}
	need += need / 2
	if err := l.memory.Grow(int64(need - l.held)); err != nil {
		return err
	}
	l.held = need
	return nil
}

// Write adds to the report that is being rendered.
func (l *limited) Write(p []byte) (int, error) {
	if l.text.Len()+len(p) > l.left {
		return 0, errTooLong
	}
	if err := l.reserve(len(p)); err != nil {
		return 0, err
	}
	return l.text.Write(p)
}

// add adds the rendered report to the fields.
func (l *limited) add(name string) error {
	if err := l.reserve(l.text.Len() + l.text.Len()/8); err != nil {
		return err
	}
	var b bytes.Buffer
	b.Grow(l.text.Len() + l.text.Len()/8 + len(name) + 8)
	if len(l.fields) > 0 {
		b.WriteByte(',')
	}
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // HTML would become six times as long
	for i, text := range []string{name, l.text.String()} {
		if i > 0 {
			b.WriteByte(':')
		}
		if err := e.Encode(text); err != nil {
			return err
		}
		b.Truncate(b.Len() - 1) // the line break
	}
	if b.Len() > l.left {
		return errTooLong
	}
	l.left -= b.Len()
	l.fields = append(l.fields, b.Bytes()...)
	l.text.Reset()
	return nil
}
