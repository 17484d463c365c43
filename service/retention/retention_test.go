package retention

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"assay/service/store"
)

// pruner answers with one result after the other.
type pruner struct {
	mu      sync.Mutex
	asked   []store.Prune
	results []error
	last    store.LastPrune
}

func (p *pruner) LastPrune(context.Context) (store.LastPrune, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last, nil
}

func (p *pruner) NotePrune(_ context.Context, last store.LastPrune) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = last
	return nil
}

func (p *pruner) Prune(_ context.Context, ask store.Prune) (store.Pruned, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
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

// A lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// With a clock that is far ahead nothing is removed, whatever was stored since, until the
// clock is right again.
func TestClockAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text lockedBuffer
		p := &pruner{results: []error{nil}}
		var ahead atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			Run(ctx, slog.New(slog.NewTextHandler(&text, nil)), p, 48*time.Hour, now)
		}()
		hours := func(n int) int {
			time.Sleep(time.Duration(n) * time.Hour)
			synctest.Wait()
			p.mu.Lock()
			defer p.mu.Unlock()
			return len(p.asked)
		}
		time.Sleep(30 * time.Minute) // between two of them
		if n := hours(2); n != 3 {
			t.Errorf("pruned %d times in 2.5 hours", n)
		}
		ahead.Store(int64(leastJump + time.Hour))
		if n := hours(3); n != 3 || strings.Count(text.String(), "the clock may be wrong") != 3 {
			t.Errorf("pruned %d times with a clock that is ahead:\n%s", n, &text)
		}
		ahead.Store(0)
		if n := hours(2); n != 5 {
			t.Errorf("pruned %d times with a clock that is right again:\n%s", n, &text)
		}
		cancel()
		<-done
	})
}

// Two processes with different times to keep scans notice one another. A time that was
// changed is not another process.
func TestOtherKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pruner{results: []error{nil}, last: store.LastPrune{At: time.Now(), Keep: 24 * time.Hour}}
		run := func(keep time.Duration, first time.Duration) *lockedBuffer {
			var text lockedBuffer
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Hour)
			go func() {
				defer cancel()
				time.Sleep(first)
				Run(ctx, slog.New(slog.NewTextHandler(&text, nil)), p, keep, time.Now)
			}()
			return &text
		}
		alone := run(48*time.Hour, 0)
		time.Sleep(6 * time.Hour)
		if strings.Contains(alone.String(), "--keep") {
			t.Errorf("one process:\n%s", alone)
		}
		a, b := run(48*time.Hour, 0), run(72*time.Hour, time.Minute)
		time.Sleep(6 * time.Hour)
		for _, log := range []*lockedBuffer{a, b} {
			if !strings.Contains(log.String(), "another --keep") {
				t.Errorf("two processes:\n%s", log)
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
