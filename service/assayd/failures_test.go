package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"assay/check/testkit"
)

// The log texts and the alerts in the documentation's table of failures exist.
func TestTableOfFailures(t *testing.T) {
	root := testkit.Root(t)
	doc, err := os.ReadFile(filepath.Join(root, "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(doc), "## What each failure looks like")
	if !found {
		t.Fatal("docs/operations.md has no table of failures")
	}
	var source strings.Builder
	err = filepath.WalkDir(filepath.Join(root, "service"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		source.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, " | ")
		if len(cells) != 4 || strings.HasPrefix(line, "| failure") || strings.HasPrefix(line, "| ---") {
			continue
		}
		rows++
		for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
			if text := m[1]; !strings.HasPrefix(text, "status=") && text != "token" && text != "source" && text != "err" && !strings.Contains(source.String(), text) {
				t.Errorf("nothing logs %q", text)
			}
		}
		for _, alert := range regexp.MustCompile(`Assayd[A-Z]\w+`).FindAllString(cells[2], -1) {
			if !strings.Contains(string(doc), "- alert: "+alert+"\n") {
				t.Errorf("no alert %q", alert)
			}
		}
		for _, metric := range regexp.MustCompile(`assayd_(\w+)`).FindAllStringSubmatch(cells[2], -1) {
			if !strings.Contains(source.String(), `"`+metric[1]+`"`) && !strings.Contains(source.String(), `"`+metric[0]+`"`) {
				t.Errorf("no metric %q", metric[0])
			}
		}
	}
	if rows < 15 {
		t.Errorf("%d rows of failures:\n%s", rows, table)
	}
}
