package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"assay/check/testkit/assayd"
	"assay/service/store"
	"assay/service/store/postgres"
	"assay/service/store/sqlite"
)

const (
	yearTime  = 365 * 24 * time.Hour
	kills     = 5  // of the copy in each direction
	samples   = 6  // scans to replay
	originals = 20 // scans of a year that assayd answered
)

// A year is a store with the scans of a year.
type year struct {
	folder, back assayd.Config // the original, and a copy of a copy
	database     assayd.Config // the copy in PostgreSQL
	token        string
}

// makeYear makes a store with n scans of the last year. assayd answers the first ones,
// the others are written to the store with other projects, refs, commits and times.
func makeYear(ctx context.Context, c config, r *rig, n int) (*year, error) {
	y := &year{folder: assayd.Config{Binary: c.assayd, Data: filepath.Join(r.dir, "year"), Flags: []string{"--keep", "0"}}}
	if err := fill(ctx, c, y.folder); err != nil {
		return nil, err
	}
	var err error
	if y.token, err = y.folder.NewToken(ctx, "year"); err != nil {
		return nil, err
	}
	var ids []string
	err = r.serving(ctx, y.folder, func(s *assayd.Server) error {
		h := client(c.patience)
		defer h.CloseIdleConnections()
		for i := range originals {
			a, err := request(ctx, h, http.MethodPost, s.URL+"/api/v1/scans", y.token, r.bodies[i%len(r.bodies)].of(int64(i)), true)
			if err != nil {
				return err
			}
			var v struct{ Scan string }
			if err := json.Unmarshal(a.body, &v); err != nil || a.status != http.StatusOK {
				return fmt.Errorf("scan: status %d: %.300s", a.status, a.body)
			}
			ids = append(ids, v.Scan)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	st, err := sqlite.Open(y.folder.Data)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	return y, writeYear(ctx, st, ids, n-len(ids))
}

func writeYear(ctx context.Context, st store.Store, ids []string, n int) error {
	var answered []store.Scan
	for _, id := range ids {
		s, err := st.Scan(ctx, id)
		if err != nil {
			return err
		}
		answered = append(answered, s)
	}
	begin := answered[0].At.Add(-yearTime)
	for i := range n {
		s, err := variant(answered[i%len(answered)], i)
		if err != nil {
			return err
		}
		s.At = begin.Add(yearTime / time.Duration(n) * time.Duration(i)).Truncate(time.Microsecond)
		if _, err := st.KeepScan(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// variant returns the i-th variant of a scan: in one of 500 projects, half of them on the
// branch main, and every second one with another document.
func variant(s store.Scan, i int) (store.Scan, error) {
	id, err := store.NewID(rand.Reader)
	if err != nil {
		return s, err
	}
	s.Verdict = bytes.ReplaceAll(s.Verdict, []byte(s.ID), []byte(id))
	s.Request = fmt.Appendf(nil, `{"serialNumber":"urn:uuid:00000000-0000-4000-8000-%012x",%s`, i/2, s.Request[1:])
	s.ID, s.Project, s.Ref, s.Commit = id, fmt.Sprintf("project%d", i%500), "main", fmt.Sprintf("%040x", i)
	if i/500%2 == 1 {
		s.Ref = fmt.Sprintf("change%d", i/5000)
	}
	return s, nil
}

// fill puts the records of the test data into an empty store.
func fill(ctx context.Context, c config, d assayd.Config) error {
	switch {
	case c.data == "":
		return d.Import(ctx, filepath.Join(c.testdata, "osv"))
	case d.Database != "":
		out, err := exec.CommandContext(ctx, c.assayd, "copy", "--from", c.data, "--to", d.Database).CombinedOutput()
		if err != nil {
			return fmt.Errorf("assayd copy: %w\n%s", err, out)
		}
		return nil
	}
	return os.CopyFS(d.Data, os.DirFS(c.data))
}

// place returns the name of a store in the arguments of assayd copy.
func place(d assayd.Config) string {
	if d.Database != "" {
		return d.Database
	}
	return d.Data
}

func openStore(ctx context.Context, d assayd.Config) (store.Store, error) {
	if d.Database != "" {
		return postgres.Open(ctx, d.Database, false)
	}
	return sqlite.Open(d.Data)
}

// copyYear makes a store of a year, and copies it to PostgreSQL and back while it kills the
// copy several times. Then it compares all scans.
func copyYear(ctx context.Context, c config, r *rig) error {
	start := time.Now()
	y, err := makeYear(ctx, c, r, c.year)
	if err != nil {
		return err
	}
	r.year = y
	size, err := diskUse(ctx, y.folder)
	if err != nil {
		return err
	}
	fmt.Printf("year: SQLite with %d scans made in %s, %d MB; load average %s\n", c.year, round(time.Since(start)), size/1e6, loadAverage())
	url, err := r.newDatabase(ctx, "year")
	if err != nil {
		return err
	}
	y.database, y.back = y.folder, y.folder
	y.database.Database = url
	y.database.Data = filepath.Join(r.dir, "year-local")
	y.back.Data = filepath.Join(r.dir, "year-back")
	for _, way := range []struct {
		name     string
		from, to assayd.Config
	}{{"to PostgreSQL", y.folder, y.database}, {"back", y.database, y.back}} {
		start := time.Now()
		killed, err := copyKilled(ctx, c, way.from, way.to)
		if err != nil {
			return fmt.Errorf("copy %s: %w", way.name, err)
		}
		size, err := diskUse(ctx, way.to)
		if err != nil {
			return err
		}
		fmt.Printf("year: copied %s in %s, killed %d times, %d MB; load average %s\n", way.name, round(time.Since(start)), killed, size/1e6, loadAverage())
	}
	return y.compare(ctx)
}

// copyKilled copies one store to another. It kills and restarts the copy several times,
// spread over the scans.
func copyKilled(ctx context.Context, c config, from, to assayd.Config) (killed int, err error) {
	delay, copied := 2*time.Second, int64(0)
	for {
		cmd := exec.CommandContext(ctx, c.assayd, "copy", "--from", place(from), "--to", place(to))
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			return killed, err
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		var after <-chan time.Time
		if killed < kills {
			after = time.After(delay)
		}
		select {
		case err := <-done:
			if err != nil {
				return killed, fmt.Errorf("%w\n%s", err, out.Bytes())
			}
			return killed, nil
		case <-after:
		}
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return killed, err
		}
		if err := <-done; err == nil {
			return killed, nil // it had just ended
		}
		killed++
		now, err := countScans(ctx, to)
		if err != nil {
			return killed, err
		}
		delay = nextKill(delay, now-copied, int64(c.year)-now, kills-killed)
		copied = now
	}
}

func countScans(ctx context.Context, d assayd.Config) (int64, error) {
	st, err := openStore(ctx, d)
	if err != nil {
		return 0, err
	}
	defer st.Close()
	n, _, err := st.CountRows(ctx, store.TableScan)
	return n, err
}

// nextKill returns the time until the next kill of a copy. The last try ran for the time
// ran and copied some scans. The remaining kills divide the remaining scans equally.
func nextKill(ran time.Duration, copied, left int64, killsLeft int) time.Duration {
	if copied == 0 {
		return 2 * ran // it has not come to the scans
	}
	each := time.Duration(float64(ran) * float64(left) / float64(copied))
	return max(each/time.Duration(killsLeft+1), time.Second)
}

// compare compares the scans of all three stores byte for byte, and replays some of them.
func (y *year) compare(ctx context.Context) error {
	start := time.Now()
	stores := []assayd.Config{y.folder, y.database, y.back}
	var sums [][]string
	var some []store.Scan
	for i, d := range stores {
		st, err := openStore(ctx, d)
		if err != nil {
			return err
		}
		all, err := digests(ctx, st)
		if err == nil && i == 0 {
			some, err = sample(ctx, st)
		}
		if err := errors.Join(err, st.Close()); err != nil {
			return err
		}
		sums = append(sums, all)
	}
	for i, all := range sums[1:] {
		if !slices.Equal(all, sums[0]) {
			return fmt.Errorf("the scans of %s differ from those of the original", place(stores[i+1]))
		}
	}
	fmt.Printf("year: %d scans are equal in all three stores, byte for byte, compared in %s\n", len(sums[0]), round(time.Since(start)))
	same := 0
	for _, s := range some {
		var first []byte
		for i, d := range stores {
			text, err := replay(ctx, d, s)
			if err != nil {
				return err
			}
			if i == 0 {
				first = text
			} else if !bytes.Equal(text, first) {
				return fmt.Errorf("the replay of scan %q from %s differs from that of the original", s.ID, place(d))
			}
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, first); err != nil {
			return err
		}
		if bytes.Equal(compact.Bytes(), s.Verdict) {
			same++
		}
	}
	fmt.Printf("year: %d replays are equal from all three stores, byte for byte; %d of them equal the verdict that was sent\n", len(some), same)
	return nil
}

// sample returns scans to replay: half of them are those that assayd answered.
func sample(ctx context.Context, st store.Store) ([]store.Scan, error) {
	all, err := st.ListScans(ctx, originals+1000)
	if err != nil {
		return nil, err
	}
	var some []store.Scan
	for i := range samples {
		n := i / 2 % originals
		if i%2 == 1 {
			n = len(all) - 1 - i*10
		}
		s, err := st.Scan(ctx, all[max(n, 0)].ID)
		if err != nil {
			return nil, err
		}
		some = append(some, s)
	}
	return some, nil
}

func replay(ctx context.Context, d assayd.Config, s store.Scan) ([]byte, error) {
	cmd := exec.CommandContext(ctx, d.Binary, "replay", "--data", d.Data, "--as-of", s.Snapshot, "--format", "json", s.ID)
	cmd.Env = append(os.Environ(), "ASSAYD_DATABASE="+d.Database)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("replay %s: %w\n%s", s.ID, err, stderr.String())
	}
	return out, nil
}

// digests returns a digest of each scan with its documents, the newest first.
func digests(ctx context.Context, st store.Store) ([]string, error) {
	all, err := st.ListScans(ctx, 1<<30)
	if err != nil {
		return nil, err
	}
	sums, errs := make([]string, len(all)), make([]error, 4)
	var group sync.WaitGroup
	for worker := range errs {
		group.Go(func() {
			for i := worker; i < len(all); i += len(errs) {
				s, err := st.Scan(ctx, all[i].ID)
				if err != nil {
					errs[worker] = err
					return
				}
				h := sha256.New()
				fmt.Fprintf(h, "%q %q %q %q %q %q %q %q %d %d %d ", s.ID, s.At, s.Token, s.Key, s.Project, s.Ref, s.Commit, s.Snapshot, s.Seq, len(s.Request), len(s.Verdict))
				h.Write(s.Request)
				h.Write(s.Verdict)
				sums[i] = string(h.Sum(nil))
			}
		})
	}
	group.Wait()
	return sums, errors.Join(errs...)
}

// diskUse returns the bytes that a store takes on the disk, without the snapshot, which
// can be built again.
func diskUse(ctx context.Context, d assayd.Config) (sum int64, err error) {
	if d.Database != "" {
		return databaseSize(ctx, d.Database)
	}
	err = filepath.WalkDir(d.Data, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !strings.Contains(e.Name(), ".db") || strings.HasPrefix(e.Name(), "snapshot") {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	return sum, err
}

// pruneYear removes the scans of nine months from both stores of a year while assayd
// answers scans.
func pruneYear(ctx context.Context, c config, r *rig) error {
	if r.year == nil {
		return errors.New("the mode prune needs the mode year before it")
	}
	for _, d := range []assayd.Config{r.year.folder, r.year.database} {
		if err := pruneServing(ctx, c, r, d); err != nil {
			return err
		}
	}
	return nil
}

func pruneServing(ctx context.Context, c config, r *rig, d assayd.Config) error {
	name := "SQLite"
	if d.Database != "" {
		name = "PostgreSQL"
	}
	err := r.serving(ctx, d, func(s *assayd.Server) error {
		h := client(c.patience)
		defer h.CloseIdleConnections()
		quiet, took := scanning(ctx, h, s.URL, r.year.token, r.bodies, 16, c.scans, c.bound)
		fmt.Printf("prune: %s without it: %.0f scans/s, %v\n", name, float64(len(quiet.answered))/took.Seconds(), quiet)
		before, err := diskUse(ctx, d)
		if err != nil {
			return err
		}
		during, stop := context.WithCancel(ctx)
		defer stop()
		result := make(chan *tally, 1)
		start := time.Now()
		go func() {
			t, _ := scanning(during, h, s.URL, r.year.token, r.bodies, 16, 1<<30, time.Hour)
			result <- t
		}()
		cmd := exec.CommandContext(ctx, d.Binary, "prune", "--data", d.Data, "--keep", "90d")
		cmd.Env = append(os.Environ(), "ASSAYD_DATABASE="+d.Database)
		out, err := cmd.CombinedOutput()
		pruned := time.Since(start)
		stop()
		t := <-result
		if err != nil {
			return fmt.Errorf("assayd prune: %w\n%s", err, out)
		}
		after, err := diskUse(ctx, d)
		if err != nil {
			return err
		}
		fmt.Printf("prune: %s in %s: %s", name, round(pruned), out)
		fmt.Printf("prune: %s meanwhile: %.0f scans/s, %v; disk %d MB before, %d MB after; load average %s\n",
			name, float64(len(t.answered))/pruned.Seconds(), t, before/1e6, after/1e6, loadAverage())
		return nil
	})
	if err != nil {
		return err
	}
	if d.Database != "" {
		if err := execute(ctx, d.Database, "VACUUM"); err != nil {
			return err
		}
	}
	// SQLite removes its log when assayd ends.
	after, err := diskUse(ctx, d)
	if err != nil {
		return err
	}
	fmt.Printf("prune: %s after assayd and VACUUM: %d MB\n", name, after/1e6)
	return printUsage(ctx, d, name)
}

// printUsage prints how much space each kind of data takes, as assayd status does.
func printUsage(ctx context.Context, d assayd.Config, name string) error {
	st, err := openStore(ctx, d)
	if err != nil {
		return err
	}
	defer st.Close()
	list, err := st.Usage(ctx)
	var parts []string
	sum := int64(0)
	for _, u := range list {
		sum += u.Bytes
		parts = append(parts, fmt.Sprintf("%s %d MB", u.Kind, u.Bytes/1e6))
	}
	fmt.Printf("prune: %s uses %d MB: %s\n", name, sum/1e6, strings.Join(parts, ", "))
	return err
}
