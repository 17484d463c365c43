package builders

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
)

// A matrix has the result of each pattern with each builder: the cells by row and column.
// A cell is "passed", or "no" and the letter of the builder's reason.
type matrix struct {
	columns []string
	rows    []string
	cells   map[[2]string]string
	reasons map[string]string // what the builder says, by letter
}

const passed = "passed"

var (
	tableLine  = regexp.MustCompile(`^\| (.*) \|$`)
	reasonLine = regexp.MustCompile("^- \\*\\*([a-z])\\*\\*: `([^`]*)`")
	link       = regexp.MustCompile(`^\[(.*)\]\(.*\)$`)
)

// parseMatrix reads the first table of docs/builders.md and the list of reasons.
func parseMatrix(text string) (matrix, error) {
	m := matrix{cells: map[[2]string]string{}, reasons: map[string]string{}}
	table := true
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if r := reasonLine.FindStringSubmatch(line); r != nil {
			m.reasons[r[1]] = r[2]
		}
		row := tableLine.FindStringSubmatch(line)
		if row == nil {
			table = table && len(m.rows) == 0
			continue
		}
		fields := strings.Split(row[1], " | ")
		switch {
		case !table || strings.HasPrefix(fields[0], "---"):
		case m.columns == nil:
			m.columns = fields[1:]
		case len(fields) != len(m.columns)+1:
			return m, fmt.Errorf("%q has not %d columns", line, len(m.columns)+1)
		default:
			name := fields[0]
			if l := link.FindStringSubmatch(name); l != nil {
				name = l[1]
			}
			m.rows = append(m.rows, name)
			for i, cell := range fields[1:] {
				m.cells[[2]string{name, m.columns[i]}] = cell
			}
		}
	}
	if len(m.rows) == 0 {
		return m, fmt.Errorf("no table")
	}
	return m, nil
}

// TestReasons checks that every cell of docs/builders.md has its reason there.
func TestReasons(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs", "builders.md"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := parseMatrix(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for at, cell := range m.cells {
		letter, refused := strings.CutPrefix(cell, "no: ")
		said := m.reasons[letter]
		if cell != passed && (!refused || said == "" || m.reason("error: "+said+"\n") != cell) {
			t.Errorf("%s with %s: %q, for the reason %q", at[0], at[1], cell, said)
		}
	}
	if m.reasons["h"] != "only builds" {
		t.Errorf("reason h is %q", m.reasons["h"])
	}
}

// reason returns the letter of the reason that is in the log of a builder that gave up.
func (m matrix) reason(log string) string {
	for _, letter := range slices.Sorted(maps.Keys(m.reasons)) {
		if strings.Contains(log, m.reasons[letter]) {
			return "no: " + letter
		}
	}
	return "no: " + last(log, 1)
}

// markdown writes the table of the columns that were built.
func (m matrix) markdown(columns []string) string {
	var out strings.Builder
	line := func(cells ...string) { out.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(append([]string{"pattern"}, columns...)...)
	line(slices.Repeat([]string{"---"}, len(columns)+1)...)
	for _, row := range m.rows {
		cells := []string{row}
		for _, column := range columns {
			cells = append(cells, m.cells[[2]string{row, column}])
		}
		line(cells...)
	}
	return out.String()
}

// slow are the patterns that are built only once, unless the run is thorough: one runs
// apt, the other unpacks images.
var slow = [...]string{"microscanner.Dockerfile", "unpacked.sh"}

// testMatrix builds every file of docs/patterns with every builder, and compares the
// results with the table of docs/builders.md. If the variable MATRIX names a file, the
// table is written to it.
func testMatrix(t *testing.T, r *rig) {
	want, err := parseMatrix(r.read(t, "docs", "builders.md"))
	if err != nil {
		t.Fatalf("docs/builders.md: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(r.project, "docs", "patterns", "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		if name := filepath.Base(f); name != "README.md" {
			names = append(names, name)
		}
	}
	if rows := slices.Sorted(slices.Values(want.rows)); !slices.Equal(rows, names) {
		t.Fatalf("docs/builders.md has the rows %q, docs/patterns the files %q", rows, names)
	}
	p := newPatterns(t, r)

	results := make([][]string, len(r.builders))
	t.Run("with", func(t *testing.T) {
		for i, b := range r.builders {
			results[i] = make([]string, len(want.rows))
			t.Run(b.name(), func(t *testing.T) {
				t.Parallel()
				for j, row := range want.rows {
					if !r.thorough && i > 0 && slices.Contains(slow[:], row) {
						results[i][j] = "not built"
						continue
					}
					t.Run(row, func(t *testing.T) {
						results[i][j] = "failed"
						if refusal := p.try(t, b, row); refusal != "" {
							results[i][j] = want.reason(refusal)
						} else if !t.Failed() {
							results[i][j] = passed
						}
						if documented := want.cells[[2]string{row, b.name()}]; results[i][j] != documented {
							t.Errorf("%q, but docs/builders.md says %q", results[i][j], documented)
						}
					})
				}
			})
		}
	})
	got := matrix{rows: want.rows, cells: map[[2]string]string{}}
	var columns []string
	for i, b := range r.builders {
		columns = append(columns, b.name())
		for j, row := range want.rows {
			got.cells[[2]string{row, b.name()}] = results[i][j]
		}
	}
	table := got.markdown(columns)
	t.Logf("\n%s", table)
	if path := os.Getenv("MATRIX"); path != "" {
		if err := os.WriteFile(path, []byte(table), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
