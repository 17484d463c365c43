package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"assay/service/exploit"
	"assay/service/feed"
	"assay/service/feed/sources"
	"assay/service/policy"
	"assay/service/store"
	"assay/verdict"
)

// dataSources describes the sources of a store that have data, for decisions.
func dataSources(all []store.Source) []policy.Source {
	list := sources.All()
	var described []policy.Source
	for _, s := range all {
		if s.Records == 0 || s.Updated.IsZero() {
			continue
		}
		d := policy.Source{DataSource: verdict.DataSource{Name: s.Origin.String(), Contributes: verdict.SourceAdvisories, Updated: s.Updated}}
		i := slices.IndexFunc(list, func(f feed.Source) bool { return f.Name == s.Origin.Source })
		switch {
		case i >= 0 && list[i].Contributes == feed.Enrichment, isCatalog(s.Origin.Source):
			d.Contributes = verdict.SourceEnrichment
		case i < 0 || !s.Feed:
			d.Imported = true
		case list[i].Parts != nil:
			d.Ecosystems = []string{s.Origin.Part}
		default:
			d.Ecosystems = list[i].Ecosystems
		}
		described = append(described, d)
	}
	return described
}

func isCatalog(source string) bool {
	return source == string(exploit.KEV) || source == string(exploit.EPSS)
}

// agesEvery is how often serve reads the ages of the sources if the data has not changed:
// one that found nothing new was updated all the same.
const agesEvery = 30 * time.Second

// sourceAges are the sources of the data that is served, with the times of their updates.
type sourceAges struct {
	mu      sync.Mutex
	sources []policy.Source
	data    verdict.Data // for which they were read
	read    time.Time
}

func (a *sourceAges) get() []policy.Source {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sources
}

// refresh reads the sources of the store, if data differs from that of the last time or
// that was some time ago.
func (a *sourceAges) refresh(ctx context.Context, st store.Feeds, data verdict.Data, now time.Time) error {
	a.mu.Lock()
	same := data.Snapshot == a.data.Snapshot && data.Updated.Equal(a.data.Updated)
	since := now.Sub(a.read)
	a.mu.Unlock()
	if same && !a.read.IsZero() && since >= 0 && since < agesEvery {
		return nil
	}
	all, err := st.Sources(ctx)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sources, a.data, a.read = dataSources(all), data, now
	return nil
}
