package bundle

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"assay/service/feed"
	"assay/service/store"
	"assay/verdict/hint"
)

// An ExportStore is what an export needs of store.Store.
type ExportStore interface {
	Head(ctx context.Context) (store.Head, error)
	Sources(ctx context.Context) ([]store.Source, error)
	Held(ctx context.Context, from store.Origin) iter.Seq2[store.Record, error]
	Record(ctx context.Context, source, id string, upTo int64) (store.Record, error)
	Lists(ctx context.Context, after, upTo int64) iter.Seq2[store.List, error]
}

// An Export says what is exported.
type Export struct {
	Store ExportStore
	// Known are the descriptions of sources. A source without one was imported from
	// files.
	Known []feed.Source
	// Named are the names of the sources to export. If it is empty, it is all that were
	// fetched and may be passed on.
	Named []string
	Now   time.Time
}

// Write writes a bundle, and returns its header.
func (e Export) Write(ctx context.Context, w io.Writer, key ed25519.PrivateKey) (Header, error) {
	// Before the head, so that an update at the same time does not make the data look newer
	// than it is.
	all, err := e.Store.Sources(ctx)
	if err != nil {
		return Header{}, err
	}
	head, err := e.Store.Head(ctx)
	if err != nil {
		return Header{}, err
	}
	lists := make(map[string]store.List) // by source
	for l, err := range e.Store.Lists(ctx, 0, head.Seq) {
		if err != nil {
			return Header{}, err
		}
		lists[l.Source] = l
	}
	h, err := e.header(all, lists)
	if err != nil {
		return Header{}, err
	}
	out, err := newWriter(w, h)
	if err != nil {
		return Header{}, err
	}
	for _, s := range h.Sources {
		if err := e.source(ctx, out, s, lists, head.Seq); err != nil {
			return Header{}, fmt.Errorf("export %q: %w", s.origin(), err)
		}
	}
	return h, out.close(key)
}

func (s Source) origin() store.Origin { return store.Origin{Source: s.Name, Part: s.Part} }

// header returns the sources to export.
func (e Export) header(all []store.Source, lists map[string]store.List) (Header, error) {
	h := Header{Created: e.Now.UTC()}
	for _, name := range e.Named {
		if !slices.ContainsFunc(all, func(s store.Source) bool { return s.Origin.Source == name && s.Records > 0 }) {
			return h, hint.Errorf("assayd status names the sources", "the store has no data of source %q", name)
		}
	}
	for _, s := range all {
		if s.Records == 0 || s.Updated.IsZero() {
			continue
		}
		i := slices.IndexFunc(e.Known, func(f feed.Source) bool { return f.Name == s.Origin.Source })
		named := slices.Contains(e.Named, s.Origin.Source)
		reason := ""
		switch {
		case i >= 0 && !e.Known[i].MayPassOn:
			reason = fmt.Sprintf("its licence (%s) does not permit passing it on", e.Known[i].Licence)
			if named {
				return h, hint.Errorf("let each network fetch it, or import the files there", "source %q: %s", s.Origin.Source, reason)
			}
		case len(e.Named) > 0 && !named:
			reason = "--source does not name it"
		case i < 0 && !named:
			reason = "imported from files, so its licence is unknown; name it with --source to export it"
		}
		if reason != "" {
			h.LeftOut = append(h.LeftOut, LeftOut{s.Origin.String(), reason})
			continue
		}
		out := Source{Name: s.Origin.Source, Part: s.Origin.Part, Updated: s.Updated, Records: s.Records}
		if i >= 0 {
			out.Licence, out.Terms = e.Known[i].Licence, e.Known[i].Terms
		}
		if l, ok := lists[s.Origin.String()]; ok {
			out.Catalog = &Catalog{l.Kind, l.Published, l.Entries}
		}
		h.Sources = append(h.Sources, out)
	}
	if len(h.Sources) == 0 {
		return h, hint.Errorf("run assayd update first", "there is nothing to export")
	}
	return h, nil
}

// source writes the records of one source, as of upTo.
func (e Export) source(ctx context.Context, w *writer, s Source, lists map[string]store.List, upTo int64) error {
	if s.Catalog != nil {
		if err := w.record(record{s.Catalog.Kind, s.Updated, lists[s.origin().String()].Body}); err != nil {
			return err
		}
		return w.end()
	}
	for held, err := range e.Store.Held(ctx, s.origin()) {
		if err != nil {
			return err
		}
		r, err := e.Store.Record(ctx, s.Name, held.ID, upTo)
		if errors.Is(err, store.ErrNotFound) || err == nil && r.Removed {
			continue // it came after upTo
		}
		if err != nil {
			return err
		}
		if err := w.record(record{r.ID, r.Modified, r.Body}); err != nil {
			return err
		}
	}
	return w.end()
}
