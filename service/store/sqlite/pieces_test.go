package sqlite

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"assay/service/store"
	"assay/verdict"
)

func opened(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// verdictOf is a scan whose verdict has the findings of these numbers.
func verdictOf(t *testing.T, numbers ...int) store.Scan {
	t.Helper()
	id, err := store.NewID(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := store.Scan{ID: id, Request: []byte("{}"), Verdict: fmt.Appendf(nil, `{"scan":%q,"findings":[`, id)}
	for i, n := range numbers {
		if i > 0 {
			s.Verdict = append(s.Verdict, ',')
		}
		s.Verdict = fmt.Appendf(s.Verdict, `{"id":"CVE-2024-%d","summary":%q}`, n, strings.Repeat(fmt.Sprint("finding ", n, " "), 50))
	}
	s.Verdict = append(s.Verdict, `],"counts":{}}`...)
	return s
}

func between(from, to int) (numbers []int) {
	for n := from; n < to; n++ {
		numbers = append(numbers, n)
	}
	return numbers
}

// Findings are kept once for all verdicts that have them, by any process, and
// every verdict is read as it was.
func TestPieces(t *testing.T) {
	dir := t.TempDir()
	a, b := opened(t, dir), opened(t, dir)
	rows := func() (n int) {
		t.Helper()
		if err := a.state.read.row(t.Context(), "SELECT count(*) FROM piece", nil, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	keep := func(s *Store, scan store.Scan) {
		t.Helper()
		if _, err := s.KeepScan(t.Context(), scan); err != nil {
			t.Fatal(err)
		}
		for _, reader := range []*Store{a, b} {
			got, err := reader.Scan(t.Context(), scan.ID)
			if err != nil || !bytes.Equal(got.Verdict, scan.Verdict) {
				t.Errorf("%d bytes, %v; want %d bytes", len(got.Verdict), err, len(scan.Verdict))
			}
		}
	}
	keep(a, verdictOf(t))
	if n := rows(); n != 0 {
		t.Errorf("%d pieces of no findings", n)
	}
	keep(a, verdictOf(t, between(0, 1000)...))
	if n := rows(); n != 0 {
		t.Errorf("%d pieces of findings that were seen once", n)
	}
	keep(a, verdictOf(t, between(0, 1000)...))
	first := rows()
	if first < 1000/pieceFindings/2 || first > 1000/pieceFindings*2 {
		t.Errorf("%d pieces of 1000 findings", first)
	}
	keep(a, verdictOf(t, between(0, 1000)...))
	keep(b, verdictOf(t, between(0, 1000)...)) // which has not seen them
	keep(b, verdictOf(t, between(0, 1000)...))
	if n := rows(); n != first {
		t.Errorf("%d pieces of the same findings, %d before", n, first)
	}
	// One more finding between, and one less.
	keep(a, verdictOf(t, append(append(between(0, 500), 5000), between(500, 1000)...)...))
	keep(a, verdictOf(t, append(append(between(0, 500), 5000), between(500, 1000)...)...))
	keep(b, verdictOf(t, append(between(0, 300), between(301, 1000)...)...))
	keep(b, verdictOf(t, append(between(0, 300), between(301, 1000)...)...))
	if n := rows(); n > first+4 {
		t.Errorf("%d pieces of nearly the same findings, %d before", n, first)
	}
}

// Pieces of a scan that was rolled back do not count as stored.
func TestPiecesTakenBack(t *testing.T) {
	s := opened(t, t.TempDir())
	first, one, two, three := verdictOf(t, 2), verdictOf(t, 1), verdictOf(t, 2), verdictOf(t, 2)
	one.Key, two.Key, three.Key = "key", "key", "other"
	for i, want := range []store.Scan{first, one, one, three} {
		kept, err := s.KeepScan(t.Context(), []store.Scan{first, one, two, three}[i])
		if err != nil || kept.ID != want.ID {
			t.Fatalf("scan %d: %s, %v", i, kept.ID, err)
		}
		got, err := s.Scan(t.Context(), want.ID)
		if err != nil || !bytes.Equal(got.Verdict, want.Verdict) {
			t.Errorf("scan %d: %s, %v", i, got.Verdict, err)
		}
	}
}

// The findings of a real verdict are divided completely: what precedes and follows them
// has none, and no piece ends within one.
func TestSplit(t *testing.T) {
	v := verdict.Verdict{
		Decision: verdict.Decision{Reasons: []verdict.Reason{{Rule: "severity"}}},
		System:   verdict.System{ID: "debian"},
		Notices:  []string{`],"counts":[{"id":"`},
	}
	for n := range 100 {
		v.Findings = append(v.Findings, verdict.Finding{
			ID: fmt.Sprint("CVE-2024-", n), Advisories: []string{"a", "b"}, Package: verdict.Package{Name: "p"},
			Why: `,{"id":" in a text, [{"id":" too, and ],"counts":`,
		})
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		head, list, tail := split(text)
		if !bytes.HasSuffix(head, []byte(`"findings":[`)) || !bytes.HasPrefix(tail, []byte(`],"counts":`)) {
			t.Fatalf("%d findings: head %s, tail %s", n+1, head, tail)
		}
		var findings []verdict.Finding
		for _, l := range list {
			var some []verdict.Finding
			if err := json.Unmarshal(slices.Concat([]byte("["), bytes.TrimPrefix(l.text, []byte(",")), []byte("]")), &some); err != nil {
				t.Fatalf("%d findings: piece %s: %v", n+1, l.text, err)
			}
			findings = append(findings, some...)
		}
		if !reflect.DeepEqual(findings, v.Findings) {
			t.Fatalf("the pieces have %d of %d findings", len(findings), n+1)
		}
	}
}

// The parts of any text make the text again.
func FuzzSplit(f *testing.F) {
	for _, text := range []string{
		"", "{}", `{"findings":[],"counts":{}}`, `{"findings":[{"id":"a"}],"counts":{}}`, `[{"id":"a"},{"id":"b"}`, `[{"id":"`,
		`],"counts":[{"id":"a"}`, `[{"id":"a"},{"id":"a"},{"id":"` + strings.Repeat("x", pieceMax) + `"},{"id":"b"}],"counts":,{"id":"`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		head, list, tail := split([]byte(text))
		joined := slices.Clone(head)
		for _, l := range list {
			if len(l.text) == 0 {
				t.Error("an empty piece")
			}
			joined = append(joined, l.text...)
		}
		if joined = append(joined, tail...); string(joined) != text {
			t.Errorf("%q of %q", joined, text)
		}
	})
}

// A piece with other content is not accepted as part of a verdict.
func TestPieceDamaged(t *testing.T) {
	s := opened(t, t.TempDir())
	var scan store.Scan
	for range 2 { // the first has no pieces
		scan = verdictOf(t, between(0, 100)...)
		if _, err := s.KeepScan(t.Context(), scan); err != nil {
			t.Fatal(err)
		}
	}
	for _, damage := range []string{
		"UPDATE piece SET body = (SELECT body FROM piece WHERE n = 2) WHERE n = 1",
		"UPDATE piece SET body = x'02' WHERE n = 1",
		"DELETE FROM piece WHERE n = 1",
	} {
		err := s.state.update(t.Context(), quick, func(tx transaction) error {
			_, err := tx.exec(damage)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Scan(t.Context(), scan.ID); err == nil {
			t.Errorf("%s: %d bytes", damage, len(got.Verdict))
		}
	}
}
