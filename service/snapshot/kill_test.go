package snapshot

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/service/store"
)

// indexToKill is set when the test program is run again as the process that TestKill kills.
const indexToKill = "SNAPSHOT_TEST_INDEX_TO_KILL"

// An until is a memory that ends at a sequence number and has every snapshot.
type until struct {
	*memory
	seq int64
}

func (u until) Head(context.Context) (store.Head, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return store.Head{Seq: u.seq, Records: live(u.versions[:u.seq]), Updated: importTime}, nil
}

func (u until) Snapshot(context.Context, string) (int64, error) { return u.seq, nil }

// killHistory returns a source and states of it. They are reached in turn by a rebuild, an
// increment and a copy, and then start again.
func killHistory(t *testing.T) (*memory, []int64) {
	records := debianRecords(t, 1500)
	src := newMemory()
	var heads []int64
	put := func(r ...store.Record) {
		src.put(r...)
		heads = append(heads, int64(len(src.versions)))
	}
	put(records...)
	changed := make([]store.Record, 40)
	for i := range changed {
		changed[i] = modify(t, records[30*i])
	}
	put(changed...)
	many := make([]store.Record, increment+1)
	for i := range many {
		many[i] = records[i%100]
	}
	put(many...)
	return src, heads
}

// A process that is killed at any moment leaves an intact index.
func TestKill(t *testing.T) {
	src, heads := killHistory(t)
	if path := os.Getenv(indexToKill); path != "" {
		db, err := Open(path)
		if err != nil {
			log.Fatal(err)
		}
		for {
			for _, seq := range heads {
				if _, err := db.CatchUp(t.Context(), until{src, seq}); err != nil {
					log.Fatal(err)
				}
				fmt.Println("caught up")
			}
		}
	}

	states := map[string]map[string]string{}
	for _, seq := range heads {
		db, err := Build(t.Context(), src, seq, filepath.Join(t.TempDir(), "state"))
		if err != nil {
			t.Fatal(err)
		}
		states[view(t, db).Data().Snapshot] = dump(t, db)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(states) != len(heads) {
		t.Fatal("the states are not distinct")
	}
	path := filepath.Join(t.TempDir(), "index")
	random := rand.New(rand.NewPCG(5, 6))
	for range testkit.Some(4, 8) {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), indexToKill+"="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "caught up\n" {
			t.Fatalf("the process says %q, %v", line, err)
		}
		time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if exit, ok := errors.AsType[*exec.ExitError](cmd.Wait()); !ok || exit.Exited() {
			t.Fatal("the process ended before it was killed")
		}

		db, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if db.Discarded() != nil {
			t.Fatal(db.Discarded())
		}
		v := view(t, db)
		want, ok := states[v.Data().Snapshot]
		if !ok {
			t.Fatalf("%+v is not a published state", v.Data())
		}
		diff(t, dump(t, db), want)
		v.Close()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
