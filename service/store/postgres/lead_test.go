package postgres_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"assay/service/store"
	"assay/service/store/postgres"
)

// leadEnv makes the test program one that leads from the database of its URL.
const leadEnv = "ASSAY_TEST_LEAD"

// leadAsChild leads until it is killed.
func leadAsChild(url string) error {
	s, err := postgres.Open(context.Background(), url, true)
	if err != nil {
		return err
	}
	s.ShortLease()
	lead, err := s.LeadFeeds(context.Background())
	if err != nil {
		return err
	}
	fmt.Println("leads")
	<-lead.Context().Done()
	return context.Cause(lead.Context())
}

// next waits until a store leads.
func next(t *testing.T, s *postgres.Store) store.Lead {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		lead, err := s.LeadFeeds(t.Context())
		if err == nil {
			return lead
		}
		if !errors.Is(err, store.ErrLocked) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func release(t *testing.T, lead store.Lead) {
	t.Helper()
	if err := lead.Release(); err != nil {
		t.Error(err)
	}
}

func importOne(t *testing.T, lead store.Lead, id string) error {
	t.Helper()
	_, err := lead.Import(t.Context(), store.Import{Origin: store.Origin{Source: "s"}, At: time.Now()}, func(yield func(store.Record, error) bool) {
		yield(store.Record{ID: id, Modified: time.Now(), Body: []byte(id)}, nil)
	})
	return err
}

// A leader that was killed is followed by another when its term has ended.
func TestKilledLeader(t *testing.T) {
	url := shared.Server(t).URL(newDatabase(t))
	s := mustOpen(t, url)
	s.ShortLease()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), leadEnv+"="+url)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "leads\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := s.LeadFeeds(t.Context()); !errors.Is(err, store.ErrLocked) {
		t.Errorf("two leaders: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // "signal: killed"
	release(t, next(t, s))
}

// A leader that is alive keeps its lead for many terms.
func TestLivingLeader(t *testing.T) {
	url := shared.Server(t).URL(newDatabase(t))
	a, b := mustOpen(t, url), mustOpen(t, url)
	term := a.ShortLease()
	lead, err := a.LeadFeeds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(2 * term); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if _, err := b.LeadFeeds(t.Context()); !errors.Is(err, store.ErrLocked) {
			t.Fatalf("two leaders: %v", err)
		}
		if err := context.Cause(lead.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := importOne(t, lead, "X"); err != nil {
		t.Error(err)
	}
	release(t, lead)
	release(t, next(t, b))
}

// A leader whose connection stalls knows that it has lost the lead before another one
// leads, and what it still sends then is not written.
func TestStalledLeader(t *testing.T) {
	server := shared.Server(t)
	name := newDatabase(t)
	proxy := server.NewProxy(t)
	a, b := mustOpen(t, proxy.URL(name)), mustOpen(t, server.URL(name))
	a.ShortLease()
	b.ShortLease()
	lead, err := a.LeadFeeds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	proxy.Swallow()
	other := next(t, b)
	if err := context.Cause(lead.Context()); !errors.Is(err, store.ErrLeadLost) {
		t.Errorf("another one leads, and the lead of the stalled one is not lost: %v", err)
	}
	proxy.Pass()
	if err := importOne(t, lead, "OLD"); !errors.Is(err, store.ErrLeadLost) && !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a lost lead writes: %v", err)
	}
	if err := importOne(t, lead, "OLD"); !errors.Is(err, store.ErrLeadLost) {
		t.Errorf("a lost lead writes: %v", err)
	}
	if err := importOne(t, other, "NEW"); err != nil {
		t.Error(err)
	}
	release(t, lead) // of what it has not any more
	if _, err := a.LeadFeeds(t.Context()); !errors.Is(err, store.ErrLocked) {
		t.Errorf("the lost lead ended another's: %v", err)
	}
	release(t, other)
	for r, err := range b.Changes(t.Context(), 0, 1<<40) {
		if err != nil || r.ID != "NEW" {
			t.Errorf("record %q, %v", r.ID, err)
		}
	}
}

// Whatever a leader believes, the database decides: a process that was stopped for longer
// than its term, or whose clock is wrong, writes nothing.
func TestFencedLeader(t *testing.T) {
	server := shared.Server(t)
	name := newDatabase(t)
	a, b := mustOpen(t, server.URL(name)), mustOpen(t, server.URL(name))
	lead, err := a.LeadFeeds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The import begins while it leads. Another one leads before its end.
	var other store.Lead
	_, err = lead.Import(t.Context(), store.Import{Origin: store.Origin{Source: "s"}, At: time.Now()}, func(yield func(store.Record, error) bool) {
		if !yield(store.Record{ID: "OLD", Body: []byte("a")}, nil) {
			return
		}
		server.Exec(t, name, "UPDATE lease SET ends = '-infinity'")
		other = next(t, b)
	})
	if !errors.Is(err, store.ErrLeadLost) {
		t.Errorf("import after the loss: %v", err)
	}
	if err := context.Cause(lead.Context()); !errors.Is(err, store.ErrLeadLost) {
		t.Errorf("the lead does not know that it is lost: %v", err)
	}
	if err := lead.FeedFailed(t.Context(), store.Origin{Source: "s"}, time.Now(), "x"); !errors.Is(err, store.ErrLeadLost) {
		t.Errorf("note of a lost lead: %v", err)
	}
	if _, err := lead.KeepList(t.Context(), store.Import{Origin: store.Origin{Source: "kev"}, At: time.Now()}, store.List{Kind: "kev", Body: []byte("k")}); !errors.Is(err, store.ErrLeadLost) {
		t.Errorf("list of a lost lead: %v", err)
	}
	if head, err := b.Head(t.Context()); err != nil || head.Seq != 0 {
		t.Errorf("head %+v, %v", head, err)
	}
	release(t, lead)
	if err := importOne(t, other, "NEW"); err != nil {
		t.Error(err)
	}
	release(t, other)
}
