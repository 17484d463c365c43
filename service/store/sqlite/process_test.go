package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"assay/service/store"
	"assay/service/store/sqlite"
)

// The test binary is run again as the process that imports.
func TestMain(m *testing.M) {
	if dir := os.Getenv("ASSAY_TEST_IMPORT"); dir != "" {
		if err := importAsChild(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const (
	childRecords = 200
	childSteps   = 20
)

// importAsChild imports the second generation. At each of the steps it writes a
// line and waits for one.
func importAsChild(dir string) error {
	s, err := sqlite.Open(dir)
	if err != nil {
		return err
	}
	in := bufio.NewReader(os.Stdin)
	im := store.Import{Origin: store.Origin{Source: "child"}, At: time.Now(), Whole: true}
	_, err = s.Import(context.Background(), im, func(yield func(store.Record, error) bool) {
		i := 0
		for r, err := range generation(2) {
			if !yield(r, err) {
				return
			}
			if i++; i%(childRecords/childSteps) == 0 {
				fmt.Println("step", i)
				if _, err := in.ReadString('\n'); err != nil {
					yield(store.Record{}, err)
					return
				}
			}
		}
	})
	if err != nil {
		return err
	}
	fmt.Println("done")
	return s.Close()
}

// generation yields records that all say the same number, the second without
// one that the first has.
func generation(n int) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for i := range childRecords {
			r := store.Record{
				ID:       fmt.Sprintf("X-%d", i),
				Modified: time.Date(2025, 1, n, 0, 0, 0, 0, time.UTC),
				Body:     fmt.Appendf(nil, "generation %d of record %d: %s", n, i, strings.Repeat(fmt.Sprint(i*n), 200)),
				Fixes:    []store.Fix{{Ecosystem: "npm", Package: "a", Version: fmt.Sprintf("1.%d.%d", n, i)}},
			}
			if n == 1 || i != 7 {
				if !yield(r, nil) {
					return
				}
			}
		}
		yield(store.Record{ID: fmt.Sprintf("generation-%d", n), Modified: time.Now(), Body: []byte("only here")}, nil)
	}
}

// firstGeneration imports it, and returns the head.
func firstGeneration(t *testing.T, s store.Store) store.Head {
	t.Helper()
	im := store.Import{Origin: store.Origin{Source: "child"}, At: time.Now(), Whole: true}
	if _, err := s.Import(t.Context(), im, generation(1)); err != nil {
		t.Fatal(err)
	}
	return head(t, s)
}

func head(t *testing.T, s store.Store) store.Head {
	t.Helper()
	h, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// contents reads the current records, id to body.
func contents(t *testing.T, s store.Store) map[string]string {
	t.Helper()
	out := map[string]string{}
	for r, err := range s.Changes(t.Context(), 0, 1<<40) {
		if err != nil {
			t.Fatal(err)
		}
		if !r.Removed {
			out[r.ID] = string(r.Body)
		}
	}
	return out
}

// wantGeneration compares what the store holds with a generation.
func wantGeneration(t *testing.T, s store.Store, n int) {
	t.Helper()
	got := contents(t, s)
	want := 0
	for r := range generation(n) {
		want++
		if got[r.ID] != string(r.Body) {
			t.Fatalf("%s is %.40q, want generation %d", r.ID, got[r.ID], n)
		}
	}
	if h := head(t, s); len(got) != want || h.Records != want {
		t.Fatalf("%d records, head says %d, want the %d of generation %d", len(got), h.Records, want, n)
	}
}

// A child is the importing process.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startChild(t *testing.T, dir string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "ASSAY_TEST_IMPORT="+dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // where the test has failed before its end
		_ = cmd.Wait()
	})
	return &child{cmd, in, bufio.NewScanner(out)}
}

// line waits for the next line of the child.
func (c *child) line(t *testing.T) string {
	t.Helper()
	if !c.out.Scan() {
		t.Fatalf("the child ended: %v", c.out.Err())
	}
	return c.out.Text()
}

// step lets the child go on.
func (c *child) step(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(c.in, "\n"); err != nil {
		t.Fatal(err)
	}
}

// Killed at any point of an import, the process leaves the old state or the new
// one, and the next import works.
func TestKilledImport(t *testing.T) {
	for point := 1; point <= childSteps+2; point++ {
		t.Run(fmt.Sprint(point), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := open(t, dir)
			before := firstGeneration(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}

			c := startChild(t, dir)
			for i := 1; i <= min(point, childSteps); i++ {
				if got, want := c.line(t), fmt.Sprintf("step %d", i*childRecords/childSteps); got != want {
					t.Fatalf("child says %q, want %q", got, want)
				}
				if i < point {
					c.step(t)
				}
			}
			// The last two points: at some moment around the commit, and after it.
			committed := point == childSteps+2 && c.line(t) == "done"
			if err := c.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = c.cmd.Wait() // "signal: killed"

			s = open(t, dir)
			switch after := head(t, s); {
			case after.Seq != before.Seq && point <= childSteps:
				t.Fatalf("head %+v, before the killed import %+v", after, before)
			case after.Seq != before.Seq:
				wantGeneration(t, s, 2)
			case committed:
				t.Fatal("a committed import was lost")
			default:
				wantGeneration(t, s, 1)
			}
			im := store.Import{Origin: store.Origin{Source: "child"}, At: time.Now(), Whole: true}
			if _, err := s.Import(t.Context(), im, generation(2)); err != nil {
				t.Fatal(err)
			}
			wantGeneration(t, s, 2)
		})
	}
}

// While one process is in the middle of an import, another opens the store,
// reads the old state, keeps scans, tokens and snapshots, and waits for nothing.
func TestImportOfAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	before := firstGeneration(t, s)
	c := startChild(t, dir)
	for range childSteps / 2 {
		c.line(t)
		c.step(t)
	}
	c.line(t) // and now it waits, in its transaction

	wantGeneration(t, s, 1)
	if got := head(t, s); got != before {
		t.Errorf("head %+v, want %+v", got, before)
	}
	late := open(t, dir)
	wantGeneration(t, late, 1)
	for i := range 100 {
		if _, err := s.KeepScan(t.Context(), store.Scan{ID: fmt.Sprint(i), Request: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Published(t.Context(), "snapshot", before.Seq); err != nil {
		t.Fatal(err)
	}
	if err := late.CreateToken(t.Context(), store.Token{ID: "id"}, [32]byte{1}, store.Event{}); err != nil {
		t.Fatal(err)
	}
	if err := late.UsedToken(t.Context(), "id", time.Now()); err != nil {
		t.Fatal(err)
	}
	// A second import would have to wait, but not beyond its context.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Import(ctx, store.Import{Origin: store.Origin{Source: "other"}, At: time.Now()}, generation(2)); err == nil {
		t.Error("two imports at once")
	}

	for c.step(t); c.line(t) != "done"; {
		c.step(t)
	}
	wantGeneration(t, s, 2)
	wantGeneration(t, late, 2)
}
