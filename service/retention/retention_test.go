package retention

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"assay/service/store"
)

// pruner answers with one result after the other.
type pruner struct {
	asked   []store.Prune
	results []error
}

func (p *pruner) Prune(_ context.Context, ask store.Prune) (store.Pruned, error) {
	p.asked = append(p.asked, ask)
	err := p.results[min(len(p.asked), len(p.results))-1]
	return store.Pruned{Scans: len(p.asked)}, err
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		p := &pruner{results: []error{nil, errors.New("the disk is gone"), nil}}
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Minute)
		defer cancel()
		Run(ctx, slog.New(slog.NewTextHandler(&text, nil)), p, 48*time.Hour, time.Now)
		if len(p.asked) != 3 {
			t.Fatalf("pruned %d times in 150 minutes", len(p.asked))
		}
		for i, ask := range p.asked {
			if ask.Keep != 48*time.Hour || ask.DryRun || ask.Pause == nil || i > 0 && ask.Now.Sub(p.asked[i-1].Now) != time.Hour {
				t.Errorf("asked for %+v", ask)
			}
		}
		for _, want := range []string{"scans=1", "scans=3", "the disk is gone"} {
			if !strings.Contains(text.String(), want) {
				t.Errorf("the log lacks %q:\n%s", want, &text)
			}
		}
	})
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for step, want := range map[time.Duration]time.Duration{0: 0, time.Millisecond: time.Millisecond, time.Minute: longestPause} {
			begin := time.Now()
			if err := Pause(t.Context(), step); err != nil || time.Since(begin) != want {
				t.Errorf("after a step of %v: %v, %v", step, time.Since(begin), err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := Pause(ctx, time.Hour); !errors.Is(err, context.Canceled) {
			t.Errorf("at the end: %v", err)
		}
	})
}
