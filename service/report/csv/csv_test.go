package csv

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"
	"testing"

	"assay/check/testkit/reporttest"
	"assay/service/report"
	"assay/verdict"
)

// read reads a table with encoding/csv, as rows by the names of the columns.
func read(t *testing.T, doc []byte) []map[string]string {
	t.Helper()
	all, err := csv.NewReader(bytes.NewReader(doc)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, name := range all[0] {
			row[name] = cells[i]
		}
		rows = append(rows, row)
	}
	return rows
}

// TestDebian: the scan is the first row, and each finding of a real Debian is one.
func TestDebian(t *testing.T) {
	s := reporttest.Debian(t)
	rows := read(t, reporttest.Render(t, Format(), s))
	if r := rows[0]; r["record"] != "scan" || r["result"] != string(s.Verdict.Decision.Outcome) || r["why"] == "" {
		t.Errorf("the first row is %v", r)
	}
	rows = rows[1:]
	for rows[0]["record"] == "not-evaluated" {
		rows = rows[1:]
	}
	if len(rows) != len(s.Verdict.Findings) || len(rows) < 10 {
		t.Fatalf("%d rows of %d findings", len(rows), len(s.Verdict.Findings))
	}
	for i, f := range s.Verdict.Findings {
		if r := rows[i]; r["id"] != f.ID || r["package"] != f.Package.Name || r["version"] != f.Package.Version || r["fixed"] != f.Fixed ||
			(r["result"] == "fail") != f.Fails || r["rule"] != f.Rule || r["paths"] != strings.Join(f.Package.Paths, " ") {
			t.Errorf("row %d is %v, want %v", i, r, f)
		}
	}
}

// TestUntrusted: a scan that evaluated nothing has rows that say so.
func TestUntrusted(t *testing.T) {
	rows := read(t, reporttest.Render(t, Format(), reporttest.Untrusted(t)))
	if len(rows) < 2 || rows[0]["result"] != "untrusted" || rows[1]["record"] != "not-evaluated" || rows[1]["rule"] != verdict.RuleUnreadable {
		t.Errorf("%v", rows)
	}
}

// TestFormulas: no cell begins like a formula, and none ends its quotes.
func TestFormulas(t *testing.T) {
	for _, text := range []string{
		`=cmd|' /C calc'!A0`, "+1", "-2+3", "@SUM(1)", "\t=1", "\r=1", " =1", "\n=1", "\uff1d1", "\x00=1", "\u202e=1", `","=1`, "a\",\"=cmd\",\"", ";=1",
	} {
		s := report.Scan{Verdict: verdict.Verdict{Findings: []verdict.Finding{{ID: text, Summary: text, Package: verdict.Package{Name: text, Version: text}}}}}
		var b bytes.Buffer
		if err := Format().Render(&b, s); err != nil {
			t.Fatal(err)
		}
		rows := read(t, b.Bytes())
		row := rows[len(rows)-1]
		if len(row) != len(columns()) {
			t.Errorf("%q: %d cells", text, len(row))
		}
		for name, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r\n") || strings.HasPrefix(cell, "\uff1d") {
				t.Errorf("%q: the column %s is %q", text, name, cell)
			}
		}
		for i, line := range strings.Split(strings.TrimSuffix(b.String(), "\r\n"), "\r\n") {
			if !strings.HasPrefix(line, `"`) || strings.ContainsAny(line, "\r\n") {
				t.Errorf("%q: line %d is %q", text, i, line)
			}
		}
	}
	if got := fmt.Sprint(neutral("-1"), neutral("1-1"), neutral("")); got != "'-11-1" {
		t.Errorf("neutral: %s", got)
	}
}
