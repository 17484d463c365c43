package osvapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"assay/service/httpserver"
	"assay/service/index"
	"assay/service/match"
	"assay/service/store"
)

// Bounds of a request and its answer. The first two are those of api.osv.dev.
const (
	maxQueries  = 1000
	maxPage     = 1000     // records of one query in an answer
	maxBody     = 4 << 20  // bytes of a request
	softAnswer  = 10 << 20 // bytes of an answer after which no record is added
	maxIDLength = 100
)

// Memory that requests need, rounded up.
const (
	perRequest = 256 << 10
	perByte    = 8   // for a byte of a body
	perRecord  = 256 // for a record that is found
)

// need returns the memory to decode a body.
func need(size, _ int64) (int64, error) {
	if size > maxBody {
		return 0, httpserver.Problem{Status: http.StatusRequestEntityTooLarge,
			What: fmt.Sprintf("the body is larger than %d MiB", maxBody>>20), Hint: "send fewer queries at once"}
	}
	return perRequest + perByte*size, nil
}

// A work is one request that is being answered.
type work struct {
	*api
	context.Context
	memory *httpserver.Lease
	view   View
	find   *match.Queries
	now    time.Time
	size   int // bytes of the answer so far
}

// answer reads the body of a request into to, opens the data, and answers with what f makes.
func (a *api) answer(w http.ResponseWriter, r *http.Request, t store.Token, to any, f func(*work) ([]byte, error)) error {
	body := a.server.BodyMemory(t)
	defer body.Free()
	var b httpserver.Body
	if err := a.server.Receive(w, r, body, &b); err != nil {
		return err
	}
	memory := a.server.WorkMemory(t)
	defer memory.Free()
	slot, err := a.server.Slot(r.Context(), t)
	if err != nil {
		return err
	}
	defer slot.Free()
	document, err := b.Document(r.Context(), strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip"), memory, need)
	if err != nil {
		return err
	}
	if err := decode(document, to); err != nil {
		return err
	}
	view, err := a.view()
	if err != nil {
		return err
	}
	defer view.Close()
	find, err := match.NewQueries(view)
	if err != nil {
		return err
	}
	text, err := f(&work{a, r.Context(), memory, view, find, a.Now(), 0})
	if err != nil {
		return err
	}
	view.Close()
	slot.Free()
	body.Free()
	memory.Resize(int64(cap(text)))
	a.server.Served()
	httpserver.Send(w, "application/json", text)
	return nil
}

// query answers POST /v1/query with the records.
func (a *api) query(w http.ResponseWriter, r *http.Request, t store.Token) error {
	var q query
	return a.answer(w, r, t, &q, func(job *work) ([]byte, error) {
		p, err := q.parse()
		if err != nil {
			return nil, err
		}
		return job.page(nil, p, job.record)
	})
}

// queryBatch answers POST /v1/querybatch with the ids of the records and when they changed.
// An error in one query is the answer to all of them.
func (a *api) queryBatch(w http.ResponseWriter, r *http.Request, t store.Token) error {
	var b batch
	return a.answer(w, r, t, &b, func(job *work) ([]byte, error) {
		if len(b.Queries) > maxQueries {
			return nil, invalid("too many queries")
		}
		queries := make([]parsed, len(b.Queries))
		for i, q := range b.Queries {
			var err error
			if queries[i], err = q.parse(); err != nil {
				return nil, atIndex(i, err)
			}
		}
		if len(queries) == 0 {
			return []byte("{}"), nil
		}
		text := []byte(`{"results":[`)
		for i, p := range queries {
			if i > 0 {
				text = append(text, ',')
			}
			var err error
			if text, err = job.page(text, p, job.summary); err != nil {
				return nil, atIndex(i, err)
			}
		}
		return append(text, "]}"...), nil
	})
}

// atIndex adds to an error which query of a batch it is about, as api.osv.dev does.
func atIndex(i int, err error) error {
	if e, ok := errors.AsType[*statusError](err); ok {
		return &statusError{e.code, fmt.Sprintf("error in query at index %d: rpc error: code = %s desc = %s", i, e.name(), e.message)}
	}
	return err
}

// A found record has the sources whose records with the id affect the package.
type found struct {
	id      string
	sources []string
}

// page appends the answer to one query: a page of the records, each as add appends it, and
// the token of the next page if there is one.
func (job *work) page(text []byte, p parsed, add func([]byte, found) ([]byte, error)) ([]byte, error) {
	if err := job.Err(); err != nil {
		return nil, err
	}
	text = append(text, '{')
	if job.size >= softAnswer { // by the queries before this one
		return append(text, `"next_page_token":"`+cursorAfter(p.after)+`"}`...), nil
	}
	all, err := job.records(p.Query)
	if err != nil {
		return nil, err
	}
	if err := job.memory.Grow(perRecord * int64(len(all))); err != nil {
		return nil, err
	}
	n := 0
	for len(all) > 0 {
		f := found{id: all[0].ID}
		for len(all) > 0 && all[0].ID == f.id {
			f.sources = append(f.sources, all[0].Source)
			all = all[1:]
		}
		if f.id <= p.after {
			continue
		}
		if n == 0 {
			text = append(text, `"vulns":[`...)
		} else {
			text = append(text, ',')
		}
		before := len(text)
		if text, err = add(text, f); err != nil {
			return nil, err
		}
		n++
		job.size += len(text) - before
		if len(all) > 0 && (n == maxPage || job.size >= softAnswer) {
			return append(text, `],"next_page_token":"`+cursorAfter(f.id)+`"}`...), nil
		}
	}
	if n > 0 {
		text = append(text, ']')
	}
	return append(text, '}'), nil
}

// records returns the records that affect the package of a query. It is an error if the
// service has no advisories for the ecosystem, or only old ones, unless its owner has
// accepted that.
func (job *work) records(q match.Query) ([]match.RecordID, error) {
	base, _, _ := strings.Cut(q.Ecosystem, ":")
	records, err := job.find.Records(q)
	if none, ok := errors.AsType[*match.NoDataError](err); ok {
		if slices.Contains(job.Evaluator.Without, base) {
			return nil, nil
		}
		return nil, notAnswered("%v", none)
	}
	if err != nil {
		return nil, err
	}
	if old := job.Evaluator.TooOld(job.view.Data(), base, job.now); old != "" {
		return nil, job.server.Unavailable(old, "ask the owner of the service to run assayd update")
	}
	return records, nil
}

// record appends a record as its publisher wrote it.
func (job *work) record(text []byte, f found) ([]byte, error) {
	records, err := job.Records.RecordsOf(job, f.id, job.view.Seq())
	if err != nil {
		return nil, err
	}
	body := choose(records, f.sources)
	if body == nil {
		return nil, fmt.Errorf("record %q is in the index and not in the store", f.id)
	}
	return append(text, body...), job.memory.Grow(2 * int64(len(body)))
}

// first is the source whose record is the answer if several have one with the same id: it
// has the records as they are at api.osv.dev.
const first = "osv"

// choose returns the body of the record that is the answer for an id: that of the source
// osv, else of the first of sources that has one, else of any. It is nil if there is none.
func choose(records []store.Record, sources []string) []byte {
	var body []byte
	best := len(sources) + 1
	for _, r := range records {
		rank := rank(r.Origin.Source, sources)
		if !r.Removed && (body == nil || rank < best) {
			body, best = r.Body, rank
		}
	}
	return body
}

// rank orders the sources of an id.
func rank(source string, sources []string) int {
	if source == first {
		return -1
	}
	if i := slices.Index(sources, source); i >= 0 {
		return i
	}
	return len(sources)
}

// summary appends the id of a record and when it was modified.
func (job *work) summary(text []byte, f found) ([]byte, error) {
	list, err := job.view.Vulnerabilities(f.id)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("entries of record %q are in the index, and the record is not", f.id)
	}
	v := slices.MinFunc(list, func(a, b index.Vulnerability) int { return rank(a.Source, f.sources) - rank(b.Source, f.sources) })
	id, err := json.Marshal(f.id)
	if err != nil {
		return nil, err
	}
	text = append(append(text, `{"id":`...), id...)
	return append(text, `,"modified":"`+timestamp(v.Modified)+`"}`...), nil
}

// timestamp formats a time as the JSON encoding of protobuf does: with 0, 3, 6 or 9 digits
// of the second.
func timestamp(t time.Time) string {
	const seconds = "2006-01-02T15:04:05"
	layout := seconds
	switch n := t.Nanosecond(); {
	case n == 0:
	case n%1e6 == 0:
		layout += ".000"
	case n%1e3 == 0:
		layout += ".000000"
	default:
		layout += ".000000000"
	}
	return t.UTC().Format(layout) + "Z"
}

// vulnerability answers GET /v1/vulns/{id} with a record, which may be withdrawn.
func (a *api) vulnerability(w http.ResponseWriter, r *http.Request, t store.Token) error {
	id := r.PathValue("id")
	if len(id) > maxIDLength {
		return invalid("ID is too long")
	}
	memory := a.server.WorkMemory(t)
	defer memory.Free()
	slot, err := a.server.Slot(r.Context(), t)
	if err != nil {
		return err
	}
	defer slot.Free()
	if err := memory.Reserve(r.Context(), perRequest); err != nil {
		return err
	}
	view, err := a.view()
	if err != nil {
		return err
	}
	defer view.Close()
	records, err := a.Records.RecordsOf(r.Context(), id, view.Seq())
	if err != nil {
		return err
	}
	body := choose(records, nil)
	if body == nil {
		return unknown(view, id)
	}
	view.Close()
	slot.Free()
	if err := memory.Grow(int64(len(body))); err != nil {
		return err
	}
	httpserver.Send(w, "application/json", body)
	return nil
}

// maxAliases bounds the aliases in the message of an error.
const maxAliases = 20

// unknown is the error for an id without a record. Records that name it as an alias are
// part of the message.
func unknown(view View, id string) error {
	refs, err := view.Referrers(id)
	if err != nil {
		return err
	}
	var aliases []string
	for _, ref := range refs[:min(len(refs), maxAliases)] {
		list, err := view.Vulnerabilities(ref)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(list, func(v index.Vulnerability) bool { return slices.Contains(v.Aliases, id) }) {
			aliases = append(aliases, ref)
		}
	}
	if len(aliases) == 0 {
		return &statusError{codeNotFound, "Vulnerability not found"}
	}
	return &statusError{codeNotFound, "Vulnerability not found, but the following aliases were: " + strings.Join(aliases, " ")}
}
