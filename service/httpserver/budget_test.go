package httpserver

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"assay/service/store"
)

// held is a lease that was acquired at once.
func held(t *testing.T, b *budget, owner string, n int64) *Lease {
	t.Helper()
	l := &Lease{budget: b, owner: owner}
	if err := l.acquire(t.Context(), n); err != nil {
		t.Fatalf("%s: %d: %v", owner, n, err)
	}
	return l
}

// wait begins to acquire n and returns where the outcome will be.
func wait(ctx context.Context, b *budget, owner string, n int64) <-chan error {
	done := make(chan error, 1)
	go func() { done <- (&Lease{budget: b, owner: owner}).acquire(ctx, n) }()
	synctest.Wait()
	return done
}

func TestBudget(t *testing.T) {
	outcome := func(c <-chan error) error {
		synctest.Wait()
		select {
		case err := <-c:
			return err
		default:
			return errors.New("it waits")
		}
	}
	waits := func(t *testing.T, c <-chan error) {
		t.Helper()
		if err := outcome(c); err == nil || err.Error() != "it waits" {
			t.Fatalf("it does not wait: %v", err)
		}
	}
	for name, f := range map[string]func(*testing.T){
		"in their order": func(t *testing.T) {
			b := newBudget(10, 10, 100, time.Minute)
			first := held(t, b, "a", 8)
			large, small := wait(t.Context(), b, "b", 9), wait(t.Context(), b, "c", 1)
			waits(t, large)
			waits(t, small) // it would fit, and the large one would starve
			first.Free()
			if err := outcome(large); err != nil {
				t.Fatal(err)
			}
			if err := outcome(small); err != nil {
				t.Fatal(err)
			}
		},
		"no more than its share": func(t *testing.T) {
			b := newBudget(10, 5, 100, time.Minute)
			held(t, b, "a", 3)
			second := wait(t.Context(), b, "a", 3)
			waits(t, second)
			held2 := wait(t.Context(), b, "b", 4) // the first in the line waits for itself alone
			if err := outcome(held2); err != nil {
				t.Fatal(err)
			}
		},
		"a large one alone": func(t *testing.T) {
			b := newBudget(10, 5, 100, time.Minute)
			l := held(t, b, "a", 8)
			if !l.Resize(10) || l.Resize(11) || !l.Resize(2) {
				t.Error("a request alone grows to all there is, and no further")
			}
		},
		"what there never is": func(t *testing.T) {
			b := newBudget(10, 5, 100, time.Minute)
			if err := b.acquire(t.Context(), "a", 11); !errors.Is(err, errNever) {
				t.Error(err)
			}
		},
		"not for ever": func(t *testing.T) {
			b := newBudget(10, 10, 100, time.Minute)
			held(t, b, "a", 10)
			late, gone := wait(t.Context(), b, "b", 1), make(chan error)
			ctx, cancel := context.WithCancel(t.Context())
			given := wait(ctx, b, "c", 1)
			cancel()
			if err := outcome(given); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			time.Sleep(time.Minute)
			if err := outcome(late); !errors.Is(err, errBusy) {
				t.Error(err)
			}
			close(gone)
			if b.queue() != 0 || len(b.waitingOf) != 0 {
				t.Error("somebody is still in the line")
			}
		},
		"places in the line": func(t *testing.T) {
			b := newBudget(1, 1, 4, time.Minute)
			l := held(t, b, "a", 1)
			line := []<-chan error{wait(t.Context(), b, "a", 1), wait(t.Context(), b, "a", 1)}
			if err := b.acquire(t.Context(), "a", 1); !errors.Is(err, errBusy) {
				t.Errorf("more than half of the line: %v", err)
			}
			line = append(line, wait(t.Context(), b, "b", 1), wait(t.Context(), b, "c", 1))
			if err := b.acquire(t.Context(), "d", 1); !errors.Is(err, errBusy) {
				t.Errorf("more than the line: %v", err)
			}
			l.Free()
			for i, c := range line {
				if err := outcome(c); err != nil {
					t.Errorf("%d: %v", i, err)
				}
				b.release([]string{"a", "a", "b", "c"}[i], 1)
			}
			if b.used != 0 || len(b.of) != 0 {
				t.Errorf("%d are left, of %v", b.used, b.of)
			}
		},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
	}
}

// Those that are turned away come back at different times, and the later the more of
// them there are.
func TestSpread(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	at := 0.0
	s := newSpread(func() time.Time { return now })
	s.random = func() float64 { at += 0.1; return at - float64(int(at)) }
	few := map[time.Duration]bool{}
	for range 9 {
		few[s.after(0)] = true
	}
	if len(few) < 8 {
		t.Errorf("9 came back at %v", few)
	}
	s.random = func() float64 { return 1 }
	before := s.after(10)
	for range 200 {
		s.done()
		s.after(10)
		s.after(10)
	}
	if after := s.after(10); after <= 2*before || after > spreadMax+time.Second {
		t.Errorf("%v with few, %v with many", before, after)
	}
	now = now.Add(time.Hour)
	if got := s.after(0); got != time.Second+spreadMin {
		t.Errorf("an hour later: %v", got)
	}
}

// With 600 clients at once and a rate of 20 a second, no client is refused repeatedly:
// each is told a different time.
func TestLimitsSpread(t *testing.T) {
	l := newLimits(Rate{PerSecond: 20, Burst: 200})
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	come := make(map[time.Time]int)
	come[now] = 600
	turned, last := 0, now
	for at := now; !at.After(now.Add(5 * time.Minute)); at = at.Add(time.Second / 20) {
		for range come[at] {
			wait := l.wait("t", at)
			if wait == 0 {
				last = at
				continue
			}
			turned++
			// A client waits for whole seconds.
			wait = (wait + time.Second - 1) / time.Second * time.Second
			come[at.Add(wait)]++
		}
	}
	if turned > 500 || last.Sub(now) > 25*time.Second {
		t.Errorf("turned away %d times, the last came through after %v", turned, last.Sub(now))
	}
}

// The tokens of one project have one share, so that a project cannot take more by making
// tokens. A token for every project has its own.
func TestShareOfAProject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Now: time.Now})
		s.slots = newBudget(4, 2, 100, time.Second)
		slot := func(token store.Token) error {
			_, err := s.Slot(t.Context(), token)
			return err
		}
		for i, tt := range []struct {
			token store.Token
			busy  bool
		}{
			{store.Token{ID: "a", Project: "shop"}, false},
			{store.Token{ID: "b", Project: "shop"}, false},
			{store.Token{ID: "c", Project: "shop"}, true},
			{store.Token{ID: "d"}, false},
			{store.Token{ID: "e", Project: "blog"}, false},
		} {
			err := slot(tt.token)
			if p, ok := errors.AsType[Problem](err); ok != tt.busy || ok && p.Status != http.StatusServiceUnavailable {
				t.Errorf("request %d, of token %q: %v", i, tt.token.ID, err)
			}
		}
	})
}
