// Package wordfencetest makes files of Wordfence Intelligence for tests, from genuine
// records in another format.
package wordfencetest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/check/testkit"
)

// A record is a record in version 3 of the format.
type record struct {
	ID          string                     `json:"id"`
	Title       string                     `json:"title"`
	Software    []software                 `json:"software"`
	References  []string                   `json:"references"`
	CVE         string                     `json:"cve,omitempty"`
	Published   string                     `json:"published"`
	Copyrights  map[string]json.RawMessage `json:"copyrights"`
	CVSS        json.RawMessage            `json:"cvss"`
	Description *string                    `json:"description"`
}

type software struct {
	Type     string           `json:"type"`
	Slug     string           `json:"slug"`
	Versions map[string]*span `json:"affected_versions"`
	Patched  bool             `json:"patched"`
	Fixes    []string         `json:"patched_versions"`
}

type span struct {
	From          string `json:"from_version"`
	FromInclusive bool   `json:"from_inclusive"`
	To            string `json:"to_version"`
	ToInclusive   bool   `json:"to_inclusive"`
}

// Production returns the file "production" with the records of the test data, and their
// number. They are genuine: a project that makes Composer advisories from the feed keeps
// them in a format of its own, which has the ranges, but no fixes, ratings and
// descriptions. One record is as published.
func Production(t testing.TB) (file []byte, records int) {
	t.Helper()
	dir := testkit.Path(t, "wordpress", "feeds", "wordfence")
	files, err := filepath.Glob(dir + "/wpsecadv/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	all := make(map[string]any)
	for _, path := range files {
		kind, rest, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".json"), ".")
		for _, a := range advisories(t, path) {
			id := strings.Split(a.ID, "/")[2]
			slug := strings.Split(a.ID, "/")[3]
			if kind != "core" && slug != rest {
				t.Fatalf("%s in %s", a.ID, path)
			}
			r, _ := all[id].(*record)
			if r == nil {
				title, licence, _ := strings.Cut(a.Title, "\n")
				text, err := json.Marshal(map[string]string{"notice": "as in licence", "license": licence})
				if err != nil {
					t.Fatal(err)
				}
				r = &record{
					ID: id, Title: title, References: []string{a.Link}, CVE: a.CVE, Published: a.Reported,
					Copyrights: map[string]json.RawMessage{"message": json.RawMessage(`"This record contains material that is subject to copyright"`), "defiant": text},
				}
				all[id] = r
			}
			r.Software = append(r.Software, software{Type: kind, Slug: slug, Versions: spans(t, a.Versions), Fixes: []string{}})
		}
	}
	b, err := os.ReadFile(dir + "/record.v2-production.backwpup.json")
	if err != nil {
		t.Fatal(err)
	}
	var genuine struct{ ID string }
	if err := json.Unmarshal(b, &genuine); err != nil {
		t.Fatal(err)
	}
	all[genuine.ID] = json.RawMessage(b)
	file, err = json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return file, len(all)
}

type source struct {
	ID       string `json:"advisoryId"`
	Title    string `json:"title"`
	Reported string `json:"reportedAt"`
	Link     string `json:"link"`
	CVE      string `json:"cve"`
	Versions string `json:"affectedVersions"`
}

func advisories(t testing.TB, path string) []source {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []source
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// spans converts a constraint of Composer.
func spans(t testing.TB, constraint string) map[string]*span {
	t.Helper()
	all := make(map[string]*span)
	for alternative := range strings.SplitSeq(constraint, "|") {
		s := &span{From: "*", FromInclusive: true, To: "*", ToInclusive: true}
		for part := range strings.SplitSeq(alternative, ",") {
			switch part = strings.TrimSpace(part); {
			case part == "*":
			case strings.HasPrefix(part, ">="):
				s.From = part[2:]
			case strings.HasPrefix(part, ">"):
				s.From, s.FromInclusive = part[1:], false
			case strings.HasPrefix(part, "<="):
				s.To = part[2:]
			case strings.HasPrefix(part, "<"):
				s.To, s.ToInclusive = part[1:], false
			default:
				s.From, s.To = strings.TrimLeft(part, "="), strings.TrimLeft(part, "=")
			}
		}
		all[fmt.Sprintf("%s - %s", s.From, s.To)] = s
	}
	return all
}
